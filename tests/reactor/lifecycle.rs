//! Running, stopping, running again, going.

use std::cell::RefCell;
#[cfg(target_os = "linux")]
use std::process::Command;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use deferred::{Abandoned, defer_later};
use reactor::{ConnectError, ConnectErrorKind, Reactor, RunError, Turn};
#[cfg(target_os = "linux")]
use socket2::SockRef;

use crate::counters_and_tracing::Lines;
use crate::support::{Log, Peer, RawRecorder, never, reactor, serve, turn_until, wait_until};

#[test]
fn stop_does_nothing_unless_it_runs_and_may_be_asked_for_twice() {
    let reactor = reactor();
    let lines = Lines::default();
    lines.capture(|| reactor.stop());
    assert!(lines.text().contains("WARN"), "{}", lines.text());
    let handle = reactor.handle();
    reactor.call_when_running(move || {
        assert!(handle.is_running());
        handle.stop();
        handle.stop();
    });
    reactor.run().expect("it runs");
    assert!(!reactor.is_running());
    reactor.stop();
    assert!(!reactor.is_running());
}

#[test]
fn what_blocks_on_a_deferred_leaves_the_loop_as_it_was() {
    let reactor = reactor();
    let later = || deferred::sleep(&*reactor, Duration::from_millis(1));
    reactor.block_on(later()).expect("it comes");
    assert!(!reactor.is_running());
    reactor.turn(Some(Duration::ZERO)).expect("it turns");
    assert!(reactor.is_running());
    reactor.block_on(later()).expect("it comes");
    assert!(reactor.is_running());
}

#[test]
fn it_runs_again_after_a_stop() {
    let reactor = reactor();
    let log = Log::default();
    for round in 0..3 {
        let (handle, log) = (reactor.handle(), log.clone());
        reactor.call_later(Duration::ZERO, move || {
            log.note(format!("round {round}"));
            handle.stop();
        });
        reactor.run().expect("it runs");
    }
    assert_eq!(log.events(), ["round 0", "round 1", "round 2"]);
}

#[test]
fn a_loop_cannot_run_inside_itself() {
    let reactor = Rc::new(reactor());
    let same = Rc::clone(&reactor);
    let seen = Rc::new(RefCell::new(None));
    let note = Rc::clone(&seen);
    reactor.call_when_running(move || {
        let ran = same.run();
        let turned = same.turn(None);
        let until_signal = same.run_until_signal();
        note.replace(Some((ran, turned.map(drop), until_signal.map(drop))));
        same.stop();
    });
    reactor.run().expect("it runs");
    let seen = seen.take().expect("it was called");
    for result in [seen.0, seen.1, seen.2] {
        assert!(
            matches!(result, Err(RunError::AlreadyRunning)),
            "{result:?}"
        );
    }
}

#[test]
fn call_when_running_waits_for_the_start_and_not_after_it() {
    let reactor = reactor();
    let log = Log::default();
    for name in ["first", "second"] {
        let (log, handle) = (log.clone(), reactor.handle());
        reactor.call_when_running(move || {
            log.note(name);
            let inner = log.clone();
            handle.call_when_running(move || inner.note(format!("inside {name}")));
            log.note(format!("after {name}"));
        });
    }
    assert_eq!(log.len(), 0);
    reactor.turn(Some(Duration::ZERO)).expect("it turns");
    let expected = [
        "first",
        "inside first",
        "after first",
        "second",
        "inside second",
        "after second",
    ];
    assert_eq!(log.events(), expected);
}

#[test]
fn a_turn_says_whether_somebody_stopped_the_loop() {
    let reactor = reactor();
    assert_eq!(
        reactor.turn(Some(Duration::ZERO)).expect("it turns"),
        Turn::Done
    );
    let handle = reactor.handle();
    reactor.call_later(Duration::ZERO, move || handle.stop());
    assert_eq!(reactor.turn(None).expect("it turns"), Turn::Stopped);
    assert_eq!(
        reactor.turn(Some(Duration::ZERO)).expect("it turns"),
        Turn::Done
    );
}

#[test]
fn a_panic_in_a_function_stops_nothing() {
    let reactor = reactor();
    let log = Log::default();
    reactor.call_when_running(|| panic!("one of them"));
    let (note, handle) = (log.clone(), reactor.handle());
    reactor.call_when_running(move || {
        note.note("the other");
        handle.stop();
    });
    reactor.run().expect("it runs");
    assert_eq!(log.events(), ["the other"]);
}

#[test]
fn a_handle_outlives_its_reactor_and_says_so() {
    let reactor = reactor();
    let handle = reactor.handle();
    let pending = defer_later(&handle, Duration::from_secs(3600), || Ok(1));
    drop(reactor);

    let failure = pending
        .into_result()
        .expect("it has failed")
        .expect_err("failed");
    assert!(failure.is::<Abandoned>());
    assert!(!handle.is_running());
    handle.stop();
    assert!(!handle.call_later(Duration::ZERO, || ()).is_active());
    handle.call_when_running(never);
    assert!(handle.remote().call_from_thread(|_| ()).is_err());
    let recorder = || RawRecorder::new(&Log::default());
    assert!(handle.listen_tcp("127.0.0.1:0", recorder).is_err());
    let failure = handle
        .connect_tcp("127.0.0.1:9", recorder())
        .into_result()
        .expect("it has failed")
        .expect_err("failed");
    let error = failure.check::<ConnectError>().expect("a connect error");
    assert_eq!(error.kind(), ConnectErrorKind::ReactorGone);
}

#[test]
fn dropping_the_reactor_tells_its_connections() {
    let log = Log::default();
    let (reactor, address) = serve(RawRecorder::new(&log));
    let mut peer = Peer::connect(address);
    turn_until(&reactor, || log.has("made"));
    drop(reactor);
    assert_eq!(log.events(), ["made", "lost: reactor stopped"]);
    while peer.receive().is_some_and(|bytes| bytes.is_empty()) {
        thread::yield_now();
    }
}

#[test]
fn reactors_in_several_threads_know_nothing_of_one_another() {
    let threads: Vec<_> = (0..2)
        .map(|_| {
            thread::spawn(|| {
                let log = Log::default();
                let (reactor, address) = serve(RawRecorder::new(&log).on_received(|cx, bytes| {
                    cx.write(bytes);
                    Ok(())
                }));
                let mut peer = Peer::connect(address);
                peer.send("hello");
                assert_eq!(peer.receive_some(&reactor, 5), b"hello");
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
}

/// Set in the process that counts its descriptors: no other test opens any there.
#[cfg(target_os = "linux")]
const ALONE: &str = "REACTOR_TEST_ALONE";

#[test]
#[cfg(target_os = "linux")]
fn reactors_come_and_go_without_a_trace() {
    if std::env::var_os(ALONE).is_some() {
        return come_and_go();
    }
    let name = "lifecycle::reactors_come_and_go_without_a_trace";
    let alone = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", name, "--test-threads=1"])
        .env(ALONE, "1")
        .output()
        .expect("it starts");
    assert!(alone.status.success(), "{alone:?}");
}

/// What a reactor may leave in memory, in bytes: a descriptor's registration is larger.
#[cfg(target_os = "linux")]
const SLACK: usize = 64;

#[cfg(target_os = "linux")]
fn come_and_go() {
    let descriptors = || std::fs::read_dir("/proc/self/fd").expect("proc").count();
    let tasks = || std::fs::read_dir("/proc/self/task").expect("proc").count();
    // But for what is of its file.
    let resident = || {
        let sizes = std::fs::read_to_string("/proc/self/statm").expect("proc");
        let pages = |place| {
            let pages = sizes.split_whitespace().nth(place).map(str::parse::<usize>);
            pages.expect("it has several").expect("a number")
        };
        (pages(1) - pages(2)) * rustix::param::page_size()
    };
    let before = (descriptors(), tasks());
    let many = |count: usize| {
        for what in [What::Connection, What::Job, What::Name]
            .iter()
            .cycle()
            .take(count)
        {
            come_and_go_with(*what);
        }
        // Threads end by themselves, and have something open until then.
        wait_until(|| (descriptors(), tasks()) == before);
    };
    // What the first ones cost, they cost once.
    many(1_000);
    let after_some = resident();
    many(9_000);
    let grown = resident().saturating_sub(after_some);
    // The address sanitizer keeps what is freed, and looks for leaks itself.
    let memory_tells = std::env::var_os("MEMORY_IS_KEPT").is_none();
    assert!(
        grown <= 9_000 * SLACK || !memory_tells,
        "it has grown by {grown} bytes"
    );

    let reactor = Reactor::new().expect("a reactor");
    let kept = (reactor.handle(), reactor.remote());
    drop(reactor);
    assert_eq!(descriptors(), before.0, "handles keep some open");
    drop(kept);
}

/// Makes a reactor, and drops it while it has delayed calls, and one other thing.
#[cfg(target_os = "linux")]
fn come_and_go_with(what: What) {
    let (reactor, token) = (Reactor::new().expect("a reactor"), Rc::new(()));
    let (handle, held) = (reactor.handle(), Rc::clone(&token));
    reactor.call_later(Duration::from_secs(60), move || drop((handle, held)));
    let held = Rc::clone(&token);
    match what {
        What::Connection => {
            let log = Log::default();
            let recorder = RawRecorder::new(&log);
            let protocol = move || {
                let _held = &held;
                recorder.clone()
            };
            let port = reactor.listen_tcp("127.0.0.1:0", protocol);
            let peer = Peer::connect(port.expect("a free port").address());
            // Or the system would keep the port for a while, and run out of them.
            let linger = SockRef::from(&peer.0).set_linger(Some(Duration::ZERO));
            linger.expect("a socket");
            turn_until(&reactor, || log.has("made"));
            drop(reactor);
            assert_eq!(log.events(), ["made", "lost: reactor stopped"]);
        }
        What::Job => {
            let job = reactor.defer_to_thread(|| Ok(()));
            job.add_both(move |_| drop(held)).ignore();
            drop(reactor);
        }
        What::Name => {
            let name = reactor.resolve("localhost", 80);
            name.add_both(move |_| drop(held)).ignore();
            drop(reactor);
        }
    }
    assert_eq!(Rc::strong_count(&token), 1);
}

/// What a reactor has when it goes.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy)]
enum What {
    Connection,
    Job,
    Name,
}
