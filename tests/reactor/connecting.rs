//! From an address to a connection, or to the right error.

use std::cell::RefCell;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use deferred::{Cancelled, Failure, Result};
use reactor::{ConnectError, ConnectErrorKind, Connection, HostPort, Reactor};

use crate::support::{
    Log, RawRecorder, assert_sleeps, reactor, result_of, serve, turn_a_few_times, turn_until,
};

#[track_caller]
fn connect(
    reactor: &Reactor,
    target: impl Into<HostPort>,
    log: &Log,
) -> Result<Connection<RawRecorder>> {
    let connecting = reactor.connect_tcp(target, RawRecorder::new(log));
    result_of(reactor, connecting)
}

/// The address of a closed port.
fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
}

#[test]
fn connecting_gives_a_connection_once_the_protocol_has_it() {
    let (server, client) = (Log::default(), Log::default());
    let (reactor, address) = serve(RawRecorder::new(&server).on_received(|cx, bytes| {
        cx.write(bytes);
        cx.lose_connection();
        Ok(())
    }));
    let connection = connect(&reactor, address, &client).expect("it connects");
    assert_eq!(client.events(), ["made"]);
    assert_eq!(
        connection.peer().expect("it is there").as_inet(),
        Some(address)
    );
    assert!(connection.host().expect("it is there").as_inet().is_some());
    connection.set_nodelay(true).expect("it is there");
    assert_eq!(connection.nodelay(), Ok(true));
    connection.write("hello").expect("it is there");
    turn_until(&reactor, || client.is_lost());
    assert!(connection.is_gone());
    assert!(connection.write("too late").is_err());
    assert!(connection.peer().is_err());
    assert_eq!(
        client.events(),
        ["made", "received hello", "read closed", "lost: done"]
    );
}

#[test]
fn names_are_looked_up_and_their_addresses_tried_in_turn() {
    let log = Log::default();
    let (reactor, address) = serve(RawRecorder::new(&log));
    // The name may have an IPv6 address, too, and first; the server does not listen there.
    let target = ("localhost", address.port());
    connect(&reactor, target, &Log::default()).expect("it connects");
    turn_until(&reactor, || log.has("made"));
}

#[test]
fn both_sides_know_their_addresses_in_version_6() {
    if TcpListener::bind("[::1]:0").is_err() {
        return; // this machine has none
    }
    let (reactor, log) = (reactor(), Log::default());
    let seen = Rc::<RefCell<Vec<Option<SocketAddr>>>>::default();
    let noting = Rc::clone(&seen);
    let recorder = RawRecorder::new(&log).on_made(move |cx| {
        noting.borrow_mut().push(cx.peer().as_inet());
        Ok(())
    });
    let port = reactor
        .listen_tcp("[::1]:0", move || recorder.clone())
        .expect("a free port");
    assert!(port.address().is_ipv6());
    for target in [
        port.address().to_string(),
        format!("[::1]:{}", port.address().port()),
    ] {
        let client = connect(&reactor, target, &Log::default()).expect("it connects");
        let (host, peer) = (client.host(), client.peer().expect("it is there"));
        turn_until(&reactor, || seen.borrow().len() == 1);
        assert_eq!(peer.as_inet(), Some(port.address()));
        assert_eq!(seen.take(), [host.expect("it is there").as_inet()]);
    }
}

#[track_caller]
fn kind_of(failure: &Failure) -> ConnectErrorKind {
    failure
        .check::<ConnectError>()
        .expect("a connect error")
        .kind()
}

#[test]
fn a_closed_port_refuses() {
    let (reactor, target) = (reactor(), closed_port());
    let log = Log::default();
    let failure = connect(&reactor, target, &log).expect_err("the port is closed");
    assert_eq!(kind_of(&failure), ConnectErrorKind::Refused);
    assert!(failure.message().contains(&target.to_string()), "{failure}");
    assert!(failure.is::<std::io::Error>());
    let error = failure.check::<ConnectError>().expect("a connect error");
    assert_eq!(error.attempts().count(), 1);
    assert_eq!(log.len(), 0, "the protocol never had a connection");
}

#[test]
fn the_error_lists_every_address_that_was_tried() {
    let (reactor, port) = (reactor(), closed_port().port());
    let failure =
        connect(&reactor, ("localhost", port), &Log::default()).expect_err("the port is closed");
    let error = failure.check::<ConnectError>().expect("a connect error");
    assert_eq!(error.kind(), ConnectErrorKind::Refused);
    assert_eq!(error.target(), format!("localhost:{port}"));
    for (address, _) in error.attempts() {
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
}

#[test]
fn an_address_that_makes_no_sense_is_an_error_that_says_what_is_expected() {
    let reactor = reactor();
    for nonsense in [
        "",
        "nowhere",
        "host:port",
        "localhost:http",
        "[fe80::1%eth0]:80",
        "a b:1",
        "[::1]",
        "1.2.3.4:70000",
    ] {
        let failure = connect(&reactor, nonsense, &Log::default()).expect_err(nonsense);
        assert_eq!(
            kind_of(&failure),
            ConnectErrorKind::BadAddress,
            "{nonsense}"
        );
        assert!(failure.message().contains("example.org:80"), "{failure}");
    }
}

#[test]
fn a_name_without_an_address_is_an_unknown_host() {
    let reactor = reactor();
    // A name that is too long to be one: no server is asked.
    let name = "x".repeat(300);
    let failure =
        connect(&reactor, (name.as_str(), 80), &Log::default()).expect_err("no such name");
    assert_eq!(kind_of(&failure), ConnectErrorKind::UnknownHost);
    assert!(failure.message().contains(&name));
}

#[test]
fn a_protocol_that_fails_at_once_fails_the_connecting() {
    let log = Log::default();
    let (reactor, address) = serve(RawRecorder::new(&Log::default()));
    let client = RawRecorder::new(&log).on_made(|_| Err(Failure::msg("not like this")));
    let failure = result_of(&reactor, reactor.connect_tcp(address, client)).expect_err("it failed");
    assert_eq!(failure.message(), "not like this");
    assert_eq!(log.events(), ["made", "lost: failed: not like this"]);
}

#[test]
fn cancelling_stops_the_attempt() {
    let (server, client) = (Log::default(), Log::default());
    let (reactor, address) = serve(RawRecorder::new(&server));
    let connecting = reactor.connect_tcp(address, RawRecorder::new(&client));
    connecting.cancel();
    let failure = connecting
        .into_result()
        .expect("at once")
        .expect_err("cancelled");
    assert!(failure.is::<Cancelled>());
    turn_a_few_times(&reactor);
    assert_eq!(client.len(), 0, "the protocol never had a connection");
    assert_eq!(
        reactor.turn(Some(Duration::ZERO)).expect("it turns"),
        reactor::Turn::Done
    );
}

#[test]
fn a_look_up_can_be_cancelled_too() {
    let reactor = reactor();
    let connecting = reactor.connect_tcp("localhost:1", RawRecorder::new(&Log::default()));
    connecting.cancel();
    let failure = connecting
        .into_result()
        .expect("at once")
        .expect_err("cancelled");
    assert!(failure.is::<Cancelled>());
    turn_a_few_times(&reactor);
}

#[test]
fn a_paused_connecting_does_not_spin_and_goes_on_later() {
    let log = Log::default();
    let (reactor, address) = serve(RawRecorder::new(&Log::default()));
    let mut connecting = reactor.connect_tcp(address, RawRecorder::new(&log));
    let pause = connecting.pause();
    // Connected after a few turns; then the loop sleeps as long as it may.
    turn_a_few_times(&reactor);
    assert_sleeps(&reactor);
    assert_eq!(log.len(), 0);
    pause.unpause();
    connecting
        .into_result()
        .expect("at once")
        .expect("it connects");
    assert_eq!(log.events(), ["made"]);
}
