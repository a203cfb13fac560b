//! A test reactor asks nothing of the system: it refuses, or does it by itself.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use deferred::assertions::with_no_unhandled;
use deferred::{Cancelled, Deferred, Failure, Panicked, Result};
use reactor::testing::{self, TestReactor};
use reactor::{
    BlockingCallError, Command, ConnectError, ConnectErrorKind, DatagramContext, DatagramProtocol,
    MulticastInterface, ReactorHandle, ResolveError, SystemResolver, UnixAddress,
};

use crate::support::Quiet;

/// A file that a program would make.
fn trace() -> std::path::PathBuf {
    let name = format!("a-program-ran-{}", std::process::id());
    std::env::temp_dir().join(name)
}

#[test]
fn a_program_is_refused_before_it_runs() {
    let file = trace();
    testing::run(|reactor| {
        for _ in 0..50 {
            let touch = || Command::new("touch").arg(&file);
            let refused = reactor
                .spawn_process(touch(), Quiet)
                .expect_err("it runs nothing");
            assert!(refused.to_string().contains("test reactor"), "{refused}");
            let output = touch().output(reactor);
            let failure = output.into_result().expect("it is refused").unwrap_err();
            assert!(failure.message().contains("test reactor"), "{failure}");
        }
        // Nor does it say whether there is such a program.
        let missing = reactor.spawn_process(Command::new("no such program"), Quiet);
        let missing = missing.expect_err("it runs nothing");
        assert!(missing.to_string().contains("test reactor"), "{missing}");
    });
    // A program that was run would have had the time of one that is run now.
    let done = std::process::Command::new("true").status();
    assert!(done.expect("it is there").success());
    assert!(!file.exists(), "it ran");
}

struct QuietUnix;

impl DatagramProtocol for QuietUnix {
    type Address = UnixAddress;

    fn datagram_received(
        &mut self,
        _: &mut DatagramContext<'_, Self>,
        _: &[u8],
        _: UnixAddress,
    ) -> Result<()> {
        Ok(())
    }
}

#[test]
fn datagrams_and_pipes_are_refused_before_they_are_opened() {
    testing::run(|reactor| {
        // UDP is in memory, but for what concerns the interfaces of a system.
        let port = reactor.listen_udp("127.0.0.1:0", Quiet).expect("it has");
        let group = [239, 255, 42, 98].into();
        let refused = port.join_group(group, MulticastInterface::Any).unwrap_err();
        assert!(refused.to_string().contains("test reactor"), "{refused}");
        assert!(port.set_broadcast(true).is_err());
        reactor.result_of(port.stop_listening()).expect("it stops");
        let refused = reactor
            .listen_unix_datagram("/nowhere/socket", QuietUnix)
            .expect_err("it has none");
        assert!(refused.to_string().contains("test reactor"), "{refused}");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let refused = reactor.adopt_pipes(reader, writer, Quiet).unwrap_err();
        assert!(refused.to_string().contains("test reactor"), "{refused}");
    });
}

#[test]
fn names_of_the_system_are_refused_the_same_way_each_time() {
    with_no_unhandled(|| {
        for explicit in [false, true] {
            let reactor = TestReactor::new();
            if explicit {
                reactor.set_resolver(SystemResolver::new());
            }
            for name in ["localhost", "example.org"] {
                let failure = reactor.resolve(name, 80).into_result();
                let failure = failure.expect("it is refused at once").unwrap_err();
                assert!(failure.is::<ResolveError>(), "{failure:?}");
                let text = format!("{failure:?}");
                assert!(text.contains("set_resolver"), "{text}");

                let connecting = reactor.connect_tcp((name, 80), Quiet);
                reactor.settle();
                let failure = connecting.into_result().expect("it is over").unwrap_err();
                let error = failure.check::<ConnectError>().expect("a connect error");
                assert_eq!(error.kind(), ConnectErrorKind::UnknownHost);
            }
            // Addresses need no resolver, and a test may have names of its own.
            assert!(reactor.resolve("127.0.0.1", 80).into_result().is_ok());
            let own = |_: &ReactorHandle, _: &str, port: u16| {
                deferred::succeed(vec![SocketAddr::from(([192, 0, 2, 1], port))])
            };
            reactor.set_resolver(own);
            let found = reactor.resolve("localhost", 80).into_result();
            assert_eq!(
                found.expect("at once").unwrap()[0].to_string(),
                "192.0.2.1:80"
            );
        }
    });
}

#[test]
fn jobs_for_threads_are_run_by_the_loop_in_order() {
    testing::run(|reactor| {
        let here = thread::current().id();
        let order = Rc::new(RefCell::new(Vec::new()));
        for number in 0..20 {
            let noting = Rc::clone(&order);
            reactor
                .defer_to_thread(move || Ok((number, thread::current().id())))
                .add_callback(move |(number, at)| {
                    assert_eq!(at, here);
                    noting.borrow_mut().push(number);
                })
                .detach();
        }
        assert!(order.borrow().is_empty(), "not before the loop turns");
        reactor.settle();
        assert!(order.borrow().iter().copied().eq(0..20));
        assert_eq!(reactor.thread_pool().expect("it is there").threads(), 0);
    });
}

#[test]
fn a_job_may_fail_panic_or_give_the_loop_another_one() {
    testing::run(|reactor| {
        let failed = reactor.defer_to_thread(|| Err::<(), _>(Failure::msg("no")));
        let panicked = reactor.defer_to_thread(|| -> Result<()> { panic!("no") });
        let handle = reactor.handle();
        let second = reactor
            .defer_to_thread(|| Ok(1))
            .add_callback(move |one| handle.defer_to_thread(move || Ok(one + 1)));
        let ran = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&ran);
        let calling = reactor.call_in_thread(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        calling.expect("it is taken");
        assert_eq!(ran.load(Ordering::Relaxed), 0);
        reactor.settle();
        assert_eq!(ran.load(Ordering::Relaxed), 1);
        let result = |deferred: Deferred<()>| deferred.into_result().expect("it is there");
        assert_eq!(result(failed).unwrap_err().message(), "no");
        assert!(result(panicked).unwrap_err().is::<Panicked>());
        assert_eq!(second.into_result().expect("it is there").unwrap(), 2);
    });
}

#[test]
fn a_job_that_is_cancelled_is_not_run_and_the_next_one_is() {
    testing::run(|reactor| {
        let ran = Arc::new(AtomicUsize::new(0));
        let (one, two) = (Arc::clone(&ran), Arc::clone(&ran));
        let cancelled = reactor.defer_to_thread(move || Ok(one.fetch_add(1, Ordering::Relaxed)));
        let kept = reactor.defer_to_thread(move || Ok(two.fetch_add(10, Ordering::Relaxed)));
        cancelled.cancel();
        reactor.settle();
        let failure = cancelled.into_result().expect("it is over").unwrap_err();
        assert!(failure.is::<Cancelled>());
        assert!(kept.into_result().expect("it is there").is_ok());
        assert_eq!(ran.load(Ordering::Relaxed), 10);
        assert_eq!(Arc::strong_count(&ran), 1);
    });
}

#[test]
fn a_job_that_waits_for_the_loop_is_told_that_it_is_in_it() {
    testing::run(|reactor| {
        let remote = reactor.remote();
        let asked = reactor.defer_to_thread(move || {
            let called = remote.blocking_call_from_thread(|_reactor| Ok(1));
            Ok(matches!(called, Err(BlockingCallError::LoopThread)))
        });
        reactor.settle();
        assert!(asked.into_result().expect("it does not wait").unwrap());
    });
}

#[test]
fn jobs_go_with_a_test_reactor_that_goes() {
    with_no_unhandled(|| {
        let reactor = TestReactor::new();
        let held = Arc::new(());
        let job = Arc::clone(&held);
        let asked = reactor.defer_to_thread(move || {
            drop(job);
            Ok(())
        });
        drop(reactor);
        assert!(asked.into_result().expect("it has a result").is_err());
        assert_eq!(Arc::strong_count(&held), 1);
    });
}
