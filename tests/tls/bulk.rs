//! Much data over TLS, on sockets: before a close, both ways at once, and with pauses in the middle
//! of a record.

use std::cell::Cell;
use std::rc::Rc;

use deferred::Result;
use reactor::testing::TestReactor;
use reactor::{ConnectionClosed, Context, Protocol, Raw, Reactor};
use reactor_tls::{StartTls, TlsClient};

use crate::certificates::both;
use crate::connections::{handshake, turn_until};

const MUCH: usize = 64 * 1024 * 1024;

/// A byte of the data that both sides send.
fn byte(place: usize) -> u8 {
    (place % 251) as u8
}

fn data() -> Vec<u8> {
    (0..MUCH).map(byte).collect()
}

/// What one side has seen.
#[derive(Default)]
struct Seen {
    received: Cell<usize>,
    is_done: Cell<bool>,
}

/// Compares what comes, and closes when all has come, if it is to.
struct Side {
    tls: Option<TlsClient>,
    to_send: Vec<u8>,
    /// Closes right behind what it sends.
    closes: bool,
    to_receive: usize,
    seen: Rc<Seen>,
}

impl Protocol for Side {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        if let Some(tls) = self.tls.take() {
            cx.start_tls(tls.filter("localhost")?).ignore();
        }
        cx.write(std::mem::take(&mut self.to_send));
        if self.closes {
            cx.lose_connection();
        }
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        let before = self.seen.received.get();
        let is_right = |(place, &got): (usize, &u8)| got == byte(before + place);
        assert!(data.iter().enumerate().all(is_right), "after {before}");
        self.seen.received.set(before + data.len());
        if self.seen.received.get() == self.to_receive {
            cx.lose_connection();
        }
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
        assert!(matches!(reason, ConnectionClosed::Done), "{reason}");
        self.seen.is_done.set(true);
    }
}

/// Connects the two sides, and waits until both are done.
fn run(client_sends: bool, server_sends: bool, closes: bool) -> (usize, usize) {
    let (server, tls) = both();
    let reactor = Reactor::new().unwrap();
    let (of_client, of_server) = (Rc::new(Seen::default()), Rc::new(Seen::default()));
    let side = move |tls, sends: bool, receives: bool, seen: &Rc<Seen>| Side {
        tls,
        to_send: if sends { data() } else { Vec::new() },
        closes: closes && sends,
        to_receive: if receives { MUCH } else { usize::MAX },
        seen: Rc::clone(seen),
    };
    let seen = Rc::clone(&of_server);
    let factory = move || side(None, server_sends, client_sends, &seen);
    let port = reactor
        .listen_tcp("127.0.0.1:0", server.factory(factory))
        .unwrap();
    let client = side(Some(tls), client_sends, server_sends, &of_client);
    reactor.connect_tcp(port.address(), client).detach();
    turn_until(&reactor, || {
        of_client.is_done.get() && of_server.is_done.get()
    });
    (of_client.received.get(), of_server.received.get())
}

#[test]
fn much_is_written_before_a_close() {
    assert_eq!(run(true, false, true), (0, MUCH), "by the client");
    assert_eq!(run(false, true, true), (MUCH, 0), "by the server");
}

#[test]
fn both_sides_write_much_at_once() {
    assert_eq!(run(true, true, false), (MUCH, MUCH));
}

/// Counts what comes, and pauses when it is told to.
#[derive(Default)]
struct Pausing(Rc<Cell<usize>>);

impl Protocol for Pausing {
    type Framing = Raw;

    fn received(&mut self, _: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        self.0.set(self.0.get() + data.len());
        Ok(())
    }
}

#[test]
fn a_pause_in_the_middle_of_a_record() {
    const SIZE: usize = 1000;
    let (server, tls) = both();
    let reactor = TestReactor::new();
    let received = Rc::new(Cell::new(0));
    let protocol = Pausing(Rc::clone(&received));
    let (opening, peer) = reactor.connect_to_peer_through(server.filter(), protocol);
    let mut driver = handshake(&tls, &peer);
    let connection = opening.into_result().unwrap().unwrap();
    let mut expected = 0;
    for at in (0..SIZE).step_by(13) {
        driver.send([1; SIZE]).unwrap();
        let record = driver.sent();
        peer.send(&record[..at]);
        connection.pause_reading().unwrap();
        peer.send(&record[at..]);
        assert_eq!(received.get(), expected, "paused at {at}");
        connection.resume_reading().unwrap();
        reactor.settle();
        expected += SIZE;
        assert_eq!(received.get(), expected, "resumed at {at}");
    }
    connection.abort();
}
