//! Whether a port accepts: paused, closed, opened again, in whatever order.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;

use reactor::testing::TestReactor;
use reactor::{ListeningPort, Reactor};

use crate::support::{Log, Peer, RawRecorder, assert_sleeps, reactor, turn_until};
use crate::unix_sockets::Directory;

fn recorder(log: &Log) -> impl FnMut() -> RawRecorder + use<> {
    let recorder = RawRecorder::new(log);
    move || recorder.clone()
}

/// Pauses `port`, closes it, and opens it again.
fn pause_and_reopen<A: Clone + fmt::Display>(reactor: &Reactor, port: &ListeningPort<A>) {
    port.pause_accepting();
    port.stop_listening().ignore();
    // A process that another test starts may have the socket for a moment.
    turn_until(reactor, || port.start_listening().is_ok());
}

#[test]
fn a_port_that_is_opened_again_is_paused_as_before() {
    let (reactor, log) = (reactor(), Log::default());
    let port = reactor
        .listen_tcp("127.0.0.1:0", recorder(&log))
        .expect("a free port");
    for round in 1..=2 {
        pause_and_reopen(&reactor, &port);
        let _peer = Peer::connect(port.address());
        assert_sleeps(&reactor);
        assert!(!log.has("made"), "round {round}");
        port.resume_accepting();
        turn_until(&reactor, || log.has("made"));
        turn_until(&reactor, || {
            drop(Peer::connect(port.address()));
            log.is_lost()
        });
        log.clear();
    }
}

#[test]
fn a_port_can_be_paused_and_resumed_while_it_is_closed() {
    let (reactor, log) = (reactor(), Log::default());
    let port = reactor
        .listen_tcp("127.0.0.1:0", recorder(&log))
        .expect("a free port");
    port.stop_listening().ignore();
    port.pause_accepting();
    turn_until(&reactor, || port.start_listening().is_ok());
    let _peer = Peer::connect(port.address());
    assert_sleeps(&reactor);
    assert!(!log.has("made"));
    port.stop_listening().ignore();
    port.resume_accepting();
    turn_until(&reactor, || port.start_listening().is_ok());
    let _peer = Peer::connect(port.address());
    turn_until(&reactor, || log.has("made"));
}

#[test]
fn a_port_with_a_name_is_paused_as_before() {
    let (directory, reactor, log) = (Directory::new(), reactor(), Log::default());
    let path = directory.socket();
    let port = reactor
        .listen_unix(&path, recorder(&log))
        .expect("it is free");
    pause_and_reopen(&reactor, &port);
    let _peer = UnixStream::connect(&path).expect("it listens");
    assert_sleeps(&reactor);
    assert!(!log.has("made"));
    port.resume_accepting();
    turn_until(&reactor, || log.has("made"));
}

#[test]
fn a_port_in_memory_is_paused_as_before() {
    let (reactor, log) = (TestReactor::new(), Log::default());
    let port = reactor
        .listen_tcp("127.0.0.1:80", recorder(&log))
        .expect("it is free");
    port.pause_accepting();
    port.stop_listening().ignore();
    port.start_listening().expect("it is free");
    let client = RawRecorder::new(&Log::default());
    reactor.connect_tcp("127.0.0.1:80", client).ignore();
    reactor.settle();
    assert!(!log.has("made"));
    port.resume_accepting();
    reactor.settle();
    assert!(log.has("made"));
}

#[test]
fn a_port_whose_address_is_in_use_may_try_again() {
    let (reactor, log) = (reactor(), Log::default());
    let port = reactor
        .listen_tcp("127.0.0.1:0", recorder(&log))
        .expect("a free port");
    port.stop_listening().ignore();
    let mut other = None;
    turn_until(&reactor, || {
        other = TcpListener::bind(port.address()).ok();
        other.is_some()
    });
    for _ in 0..2 {
        let error = port.start_listening().expect_err("it is in use");
        assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse, "{error}");
    }
    drop(other);
    turn_until(&reactor, || port.start_listening().is_ok());
    let _peer = Peer::connect(port.address());
    turn_until(&reactor, || log.has("made"));
}

#[test]
fn a_port_that_the_reactor_has_closed_says_so() {
    let (reactor, log) = (reactor(), Log::default());
    let port: ListeningPort<SocketAddr> = reactor
        .listen_tcp("127.0.0.1:0", recorder(&log))
        .expect("a free port");
    let handle = reactor.handle();
    reactor.call_when_running(move || handle.stop());
    reactor.run().expect("it runs");
    let error = port.start_listening().expect_err("it was closed");
    assert!(
        error.to_string().ends_with("the reactor was stopped"),
        "{error}"
    );
    drop(reactor);
    let error = port.start_listening().expect_err("it was closed");
    assert!(
        error.to_string().ends_with("the reactor is gone"),
        "{error}"
    );
}
