//! A port that finds no descriptor left accepts again as soon as the loop closes one.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Duration;

use deferred::Result;
use reactor::{Address, Connection, Context, Factory, ListeningPort, Protocol, Raw, Reactor};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::support::{is_own_process, limit_descriptors, turn_until};

const NAME: &str = "accept_after_exhaustion::descriptors_that_are_closed_are_used_at_once";

/// What the factory and the protocols have seen.
#[derive(Default)]
struct Seen {
    accepted: RefCell<Vec<Connection<Quiet>>>,
    failures: Cell<usize>,
}

struct Quiet(Rc<Seen>);

impl Protocol for Quiet {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        self.0.accepted.borrow_mut().push(cx.connection());
        Ok(())
    }
}

struct Quietly(Rc<Seen>);

impl Factory for Quietly {
    type Protocol = Quiet;

    fn build_protocol(&mut self, _peer: &Address) -> Option<Quiet> {
        Some(Quiet(Rc::clone(&self.0)))
    }

    fn accept_failed(&mut self, _error: &io::Error, _pause: Duration) {
        self.0.failures.set(self.0.failures.get() + 1);
    }
}

#[test]
fn descriptors_that_are_closed_are_used_at_once() {
    if !is_own_process(NAME) {
        return;
    }
    let reactor = Reactor::new().expect("a reactor");
    limit_descriptors(40);
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    with_tcp(&reactor, address);
    with_tcp_that_was_paused_and_reopened(&reactor, address);
    with_unix(&reactor);
}

fn with_tcp(reactor: &Reactor, address: SocketAddr) {
    let seen = Rc::<Seen>::default();
    let port = reactor
        .listen_tcp(address, Quietly(Rc::clone(&seen)))
        .expect("a free port");
    exhaust(reactor, &seen, &port.address().into(), Domain::IPV4);
    port.stop_listening().ignore();
}

/// After a lack of descriptors, it was deaf for good.
fn with_tcp_that_was_paused_and_reopened(reactor: &Reactor, address: SocketAddr) {
    let seen = Rc::<Seen>::default();
    let port: ListeningPort = reactor
        .listen_tcp(address, Quietly(Rc::clone(&seen)))
        .expect("a free port");
    port.pause_accepting();
    port.stop_listening().ignore();
    port.start_listening().expect("it is free");
    port.resume_accepting();
    exhaust(reactor, &seen, &port.address().into(), Domain::IPV4);
    port.stop_listening().ignore();
}

fn with_unix(reactor: &Reactor) {
    let seen = Rc::<Seen>::default();
    let path = std::env::temp_dir().join(format!("accepting-{}", std::process::id()));
    let port = reactor
        .listen_unix(&path, Quietly(Rc::clone(&seen)))
        .expect("it is free");
    let address = SockAddr::unix(&path).expect("it is short");
    exhaust(reactor, &seen, &address, Domain::UNIX);
    port.stop_listening().ignore();
}

/// Has a client come when no descriptor is left, and another one; the second is accepted when
/// the loop closes a connection, without waiting for the pause to end.
fn exhaust(reactor: &Reactor, seen: &Seen, address: &SockAddr, domain: Domain) {
    let client = || Socket::new(domain, Type::STREAM, None).expect("a socket");
    let first = client();
    first.connect(address).expect("it listens");
    turn_until(reactor, || seen.accepted.borrow().len() == 1);

    // A pause that is not over when the test is.
    for _ in 0..5 {
        let mut turned_away = client();
        let all = fill();
        let failures = seen.failures.get();
        turned_away.connect(address).expect("it listens");
        turn_until(reactor, || seen.failures.get() > failures);
        let mut end = [0; 1];
        let told = turned_away.read(&mut end);
        assert!(!matches!(told, Ok(1..)), "it is turned away");
        drop(all);
    }

    let second = client();
    let all = fill();
    second.connect(address).expect("it listens");
    reactor.turn(Some(Duration::ZERO)).expect("it turns");
    assert_eq!(seen.accepted.borrow().len(), 1, "it pauses");
    let oldest = seen.accepted.borrow_mut().pop().expect("there is one");
    oldest.abort();
    for _ in 0..5 {
        reactor.turn(Some(Duration::ZERO)).expect("it turns");
    }
    assert!(oldest.is_gone());
    assert_eq!(seen.accepted.borrow().len(), 1, "it does not wait");

    // When nothing is closed, the pause has an end.
    let third = client_after(all, client, address);
    turn_until(reactor, || seen.accepted.borrow().len() == 2);
    drop((first, second, third));
    turn_until(reactor, || {
        let accepted = seen.accepted.borrow();
        accepted.iter().all(Connection::is_gone)
    });
}

/// A client that comes when there are descriptors again that the loop has not closed.
fn client_after(all: Vec<File>, client: impl Fn() -> Socket, address: &SockAddr) -> Socket {
    drop(all);
    let client = client();
    client.connect(address).expect("it listens");
    client
}

/// Uses all descriptors.
fn fill() -> Vec<File> {
    let mut all = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        assert!(file.as_raw_fd() < 40);
        all.push(file);
    }
    all
}
