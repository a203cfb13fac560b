//! What runs beside the loop, again and again: children, threads, ports for datagrams.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use deferred::{Result, gather_results, inline_callbacks};
use reactor::{
    ChildFd, Command, DatagramContext, DatagramProtocol, Reactor, ReactorHandle, SpawnError,
};
use rustix::process::{Resource, Rlimit, WaitOptions, setrlimit, waitpid};
use tests::wait_for;

use crate::support::{alone, descriptors, is_own_process};

/// How many threads this process has, but for those of its tests.
fn threads() -> usize {
    let ours = [
        "reactor-worker",
        "resolver",
        "process-waiter",
        "process-reaper",
    ];
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten();
    tasks
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| ours.contains(&name.trim()))
        .count()
}

/// Whether this process has children, or what is left of them.
fn has_children() -> bool {
    waitpid(None, WaitOptions::NOHANG).is_ok()
}

async fn run_children(reactor: &ReactorHandle, rounds: usize) -> Result<()> {
    for _ in 0..rounds {
        let all = (0..10).map(|_| Command::new("cat").input("x").output(reactor));
        for output in gather_results(all).await? {
            assert!(output.status.success() && output.stdout == b"x");
        }
    }
    Ok(())
}

#[test]
fn a_thousand_children_leave_nothing() {
    let _alone = alone();
    let reactor = Reactor::new().expect("a reactor");
    let (handle, before) = (reactor.handle(), descriptors());
    let all = inline_callbacks(async move { run_children(&handle, 100).await });
    reactor.block_on(all).expect("all run");
    assert_eq!(descriptors(), before);
    wait_for("the threads end", || threads() == 0);
    assert!(!has_children());
    let counters = reactor.counters();
    assert_eq!(counters.waiting_calls, 0);
}

const NAME: &str = "processes_threads_datagrams::children_that_cannot_be_run_leave_nothing";

#[test]
fn children_that_cannot_be_run_leave_nothing() {
    if !is_own_process(NAME) {
        return;
    }
    let reactor = Reactor::new().expect("a reactor");
    let before = descriptors();
    // At each of these limits, it is another step that finds no descriptor left.
    for room in 0..12 {
        let limit = Rlimit {
            current: Some(before as u64 - 1 + room),
            maximum: Some(4096),
        };
        setrlimit(Resource::Nofile, limit).expect("it is lower");
        let output = Command::new("true").output(&reactor);
        match reactor.block_on(output) {
            Ok(output) => assert!(output.status.success()),
            Err(failure) => assert!(failure.is::<SpawnError>(), "{failure}"),
        }
        let limit = Rlimit {
            current: Some(1024),
            maximum: Some(4096),
        };
        setrlimit(Resource::Nofile, limit).expect("it is allowed");
        assert_eq!(descriptors(), before);
        wait_for("no child is left", || !has_children());
    }
    let output = Command::new("true").output(&reactor);
    reactor.block_on(output).expect("there is room");

    // The child is heard, though a descriptor of its own may have the number that it would
    // be heard by.
    for number in 3..60 {
        let unknown = Command::new("/no/such/program").fd(number, ChildFd::Read);
        let failure = reactor.block_on(unknown.output(&reactor));
        let failure = failure.expect_err("there is no such program");
        let error = failure.check::<SpawnError>().expect("it is heard");
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    }
}

#[test]
fn reactors_with_busy_threads_that_come_and_go_leave_nothing() {
    let _alone = alone();
    let before = descriptors();
    for _ in 0..1000 {
        let reactor = Reactor::new().expect("a reactor");
        for _ in 0..3 {
            let asking = reactor.remote();
            let job = move || {
                // Errs because the reactor was dropped before the call, or during it; harmless.
                let _ = asking.blocking_call_from_thread(|_| ());
            };
            reactor.defer_to_thread(job).ignore();
        }
        reactor.resolve("localhost", 80).ignore();
    }
    wait_for("the threads end", || threads() == 0);
    assert_eq!(descriptors(), before);
}

struct Discard;

impl DatagramProtocol for Discard {
    type Address = SocketAddr;

    fn datagram_received(
        &mut self,
        _: &mut DatagramContext<'_, Self>,
        _: &[u8],
        _: SocketAddr,
    ) -> Result<()> {
        Ok(())
    }
}

#[test]
fn ten_thousand_ports_for_datagrams_leave_nothing() {
    let _alone = alone();
    let reactor = Reactor::new().expect("a reactor");
    let before = descriptors();
    for _ in 0..10_000 {
        let port = reactor
            .listen_udp("127.0.0.1:0", Discard)
            .expect("a free port");
        port.send_to("x", port.address()).expect("it fits");
        reactor.turn(Some(Duration::ZERO)).expect("it turns");
        reactor
            .block_on(port.stop_listening())
            .expect("it is closed");
    }
    assert_eq!(descriptors(), before);
}
