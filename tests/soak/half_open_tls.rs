//! Ten thousand clients that stop in the middle of a TLS handshake: memory is bounded, they are
//! given up in time, and others are served meanwhile. In the memory network, which needs no
//! descriptors.

use std::time::Duration;

use deferred::Result;
use reactor::testing::{FilterDriver, TestReactor};
use reactor::{Context, Protocol, Raw};
use reactor_tls::{TlsClient, TlsServer};
use tests::certificates::Pair;

use crate::support::{Echo, alone, memory_tells, resident};

const CLIENTS: usize = 10_000;

/// What a client that has stopped may cost, in bytes, with its own end of the connection and the
/// network between: twice what was measured.
const MOST_BYTES: u64 = 20 * 1024;

const TIMEOUT: Duration = Duration::from_secs(10);

fn both() -> (TlsServer, TlsClient) {
    let client = TlsClient::builder().dangerously_accept_any_certificate();
    (
        Pair::new("localhost").server(),
        client.build().expect("a client"),
    )
}

fn driver(tls: &TlsClient) -> FilterDriver {
    FilterDriver::new(tls.filter("localhost").expect("a name")).expect("it starts")
}

/// Speaks to the server, and hears what it sends back.
fn is_served(reactor: &TestReactor, server: &TlsServer, tls: &TlsClient) -> bool {
    let (opening, peer) = reactor.connect_to_peer_through(server.filter(), Echo);
    opening.ignore();
    let mut driver = driver(tls);
    driver.send("hello").expect("it waits");
    for _ in 0..3 {
        peer.send(driver.sent());
        driver.receive(peer.received()).expect("it is TLS");
    }
    let is_served = driver.delivered() == b"hello";
    peer.reset();
    is_served
}

/// A client that sends a part of a handshake, and nothing more.
struct Stops(Vec<u8>);

impl Protocol for Stops {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.write(std::mem::take(&mut self.0));
        Ok(())
    }
}

#[test]
fn ten_thousand_half_open_handshakes_are_bounded_and_end() {
    let _alone = alone();
    let (server, tls) = both();
    let reactor = TestReactor::new();
    let port = reactor.listen_tcp("127.0.0.1:443", server.factory(|| Echo));
    port.expect("it is free");
    assert!(is_served(&reactor, &server, &tls));
    // One message for all: the server cannot tell.
    let hello = driver(&tls).sent();
    let before = resident();
    for number in 0..CLIENTS {
        // Nothing, a header, a part, all but a byte; and with all of it, the server has answered.
        let until = [0, 5, hello.len() / 2, hello.len() - 1, hello.len()][number % 5];
        let stops = Stops(hello[..until].to_vec());
        reactor.connect_tcp("127.0.0.1:443", stops).ignore();
    }
    reactor.settle();
    let each = resident().saturating_sub(before) / CLIENTS as u64;
    assert!(
        each < MOST_BYTES || !memory_tells(),
        "{each} bytes for each"
    );
    assert_eq!(reactor.counters().connections, 2 * CLIENTS);
    assert!(is_served(&reactor, &server, &tls), "beside them");
    reactor.advance(TIMEOUT - Duration::from_millis(1));
    assert!(is_served(&reactor, &server, &tls), "until the last moment");
    assert_eq!(reactor.counters().connections, 2 * CLIENTS);
    reactor.advance(Duration::from_millis(1));
    assert_eq!(reactor.counters().connections, 0, "both ends are closed");
    assert!(is_served(&reactor, &server, &tls), "and after them");
}
