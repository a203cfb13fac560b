//! Peers that stop in the middle of a handshake: at each byte, on either side.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use reactor::testing::{FilterDriver, Peer, TestReactor};
use reactor::{ConnectionClosed, Context, Protocol, Raw};
use reactor_tls::{TlsErrorKind, TlsServer};

use crate::certificates::both;
use crate::connections::{Echo, client};
use crate::handshakes::{Sides, kind};

/// Notes each handler that is called.
#[derive(Clone, Default)]
struct Notes(Rc<RefCell<Vec<String>>>);

impl Protocol for Notes {
    type Framing = Raw;

    fn connection_made(&mut self, _: &mut Context<'_, Self>) -> deferred::Result<()> {
        self.0.borrow_mut().push("made".to_owned());
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
        self.0.borrow_mut().push(reason.to_string());
    }
}

const TIMEOUT: Duration = Duration::from_secs(10);

/// What a client sends before its handshake is finished, in its two flights.
fn flights(server: &TlsServer, client: &reactor_tls::TlsClient) -> [Vec<u8>; 2] {
    let mut sides = Sides::new(client, server);
    let first = sides.client.sent();
    sides.server.receive(&first).unwrap();
    sides.client.receive(sides.server.sent()).unwrap();
    [first, sides.client.sent()]
}

#[test]
fn a_client_may_stop_at_each_byte() {
    let (server, tls) = both();
    let reactor = TestReactor::new();
    reactor
        .listen_tcp("127.0.0.1:443", server.factory(|| Echo))
        .unwrap();
    let notes = Notes::default();
    let accept = || {
        let (opening, peer) = reactor.connect_to_peer_through(server.filter(), notes.clone());
        opening.ignore();
        peer
    };
    let [first, second] = flights(&server, &tls);
    let mut stopped: Vec<Peer> = Vec::new();
    for until in 0..first.len() {
        let peer = accept();
        peer.send(&first[..until]);
        stopped.push(peer);
    }
    for until in 0..second.len() {
        let peer = accept();
        let mut driver = FilterDriver::new(tls.filter("localhost").unwrap()).unwrap();
        peer.send(driver.sent());
        driver.receive(peer.received()).unwrap();
        assert!(driver.is_open(), "to the client, it is finished");
        peer.send(&driver.sent()[..until]);
        stopped.push(peer);
    }
    // All of them wait, and another client is served.
    reactor.advance(TIMEOUT - Duration::from_millis(1));
    assert!(stopped.iter().all(|peer| !peer.is_closed()));
    let (asking, seen) = client(&tls, b"hello");
    reactor.connect_tcp("127.0.0.1:443", asking).detach();
    reactor.settle();
    assert_eq!(seen.0.borrow().received, b"hello");
    reactor.advance(Duration::from_millis(1));
    assert!(stopped.iter().all(Peer::is_closed));
    assert_eq!(reactor.counters().connections, 0);
    assert!(notes.0.borrow().is_empty(), "no protocol hears of them");
}

#[test]
fn a_server_may_stop_at_each_byte() {
    let (server, tls) = both();
    let notes = Notes::default();
    for until in 0.. {
        let reactor = TestReactor::new();
        let filter = tls.filter("localhost").unwrap();
        let (connecting, peer) = reactor.connect_to_peer_through(filter, notes.clone());
        let mut driver = FilterDriver::new(server.filter()).unwrap();
        driver.receive(peer.received()).unwrap();
        let answer = driver.sent();
        // Its length varies by a byte or two, with that of the signature.
        if until >= answer.len() {
            break;
        }
        peer.send(&answer[..until]);
        reactor.advance(TIMEOUT - Duration::from_millis(1));
        assert!(!peer.is_closed(), "stopped at {until}");
        reactor.advance(Duration::from_millis(1));
        assert!(peer.is_closed(), "stopped at {until}");
        let failure = connecting.into_result().unwrap().map(drop);
        assert_eq!(kind(failure), TlsErrorKind::TimedOut, "stopped at {until}");
    }
    assert!(notes.0.borrow().is_empty(), "no protocol hears of them");
}

#[test]
fn an_end_at_each_byte_of_a_handshake_is_heard_by_no_protocol() {
    let (server, tls) = both();
    let reactor = TestReactor::new();
    let notes = Notes::default();
    let [first, _] = flights(&server, &tls);
    for until in 0..first.len() {
        let filter = server.filter();
        let (connecting, peer) = reactor.connect_to_peer_through(filter, notes.clone());
        peer.send(&first[..until]);
        peer.finish();
        let failure = connecting.into_result().unwrap().map(drop);
        assert!(
            failure.unwrap_err().to_string().contains("handshake"),
            "{until}"
        );
    }
    assert_eq!(reactor.counters().connections, 0);
    assert!(notes.0.borrow().is_empty());
}
