//! A stop of the loop under TLS: what was written is sent, and the close_notify after it.

use std::time::Duration;

use deferred::Result;
use reactor::{ConnectionClosed, Context, Protocol, Raw, Reactor, Turn};

use crate::certificates::both;
use crate::connections::{Client, Seen, turn_until};

/// Writes so much when the first input comes, and stops its loop in the same handler.
struct Last {
    size: usize,
}

impl Protocol for Last {
    type Framing = Raw;

    fn received(&mut self, cx: &mut Context<'_, Self>, _data: &[u8]) -> Result<()> {
        cx.write(vec![b'x'; self.size]);
        cx.reactor().stop();
        Ok(())
    }

    fn read_closed(&mut self, _cx: &mut Context<'_, Self>) -> Result<()> {
        Ok(())
    }
}

/// What a client gets of a server that writes `size` bytes and stops.
fn written_before_a_stop(size: usize) -> Seen {
    let (server, tls) = both();
    let (servers, clients) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let port = servers
        .listen_tcp("127.0.0.1:0", server.factory(move || Last { size }))
        .unwrap();
    let seen = Seen::default();
    let client = Client {
        tls,
        to_send: b"go".to_vec(),
        seen: seen.clone(),
    };
    clients.connect_tcp(port.address(), client).detach();
    let mut has_stopped = false;
    turn_until(&clients, || {
        // A further turn would start the loop again.
        has_stopped = has_stopped || servers.turn(Some(Duration::ZERO)).unwrap() == Turn::Stopped;
        has_stopped && seen.0.borrow().lost.is_some()
    });
    seen
}

#[test]
fn what_was_written_arrives_with_the_close_notify() {
    for size in [0, 1, 16 * 1024 * 1024] {
        let seen = written_before_a_stop(size);
        let seen = seen.0.borrow();
        assert_eq!(seen.received.len(), size);
        // Without a close_notify, it would be `Lost`.
        assert!(
            matches!(seen.lost, Some(ConnectionClosed::Done)),
            "{size}: {:?}",
            seen.lost
        );
    }
}

#[test]
fn a_handshake_that_does_not_end_does_not_delay_the_stop() {
    let (server, _tls) = both();
    let reactor = reactor::testing::TestReactor::new();
    reactor
        .listen_tcp("127.0.0.1:443", server.factory(|| Last { size: 1 }))
        .unwrap();
    struct Silent;
    impl Protocol for Silent {
        type Framing = Raw;
    }
    let peer = reactor.connect_tcp("127.0.0.1:443", Silent);
    reactor.settle();
    assert!(peer.into_result().unwrap().is_ok());
    reactor.stop();
    reactor.settle();
    assert!(!reactor.is_running());
    reactor.assert_clean();
}
