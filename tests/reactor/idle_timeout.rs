//! Idle timeouts: what counts as activity, and how the connection ends.

use std::time::Duration;

use deferred::assertions::success_result_of;
use deferred::{Deferred, Trigger};
use reactor::filter::{Filter, Link};
use reactor::testing::{self, Peer, TestReactor};
use reactor::{ConnectionClosed, ConnectionClosedKind, Context, Lines, Protocol};

const TIMEOUT: Duration = Duration::from_secs(60);

const MOST: Duration = Duration::from_secs(59);
const SECOND: Duration = Duration::from_secs(1);

/// Answers each line, and reports how its connection ended.
struct Server(Trigger<ConnectionClosed>);

impl Protocol for Server {
    type Framing = Lines;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
        cx.set_idle_timeout(TIMEOUT);
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
        cx.send_line(line);
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
        self.0.callback(reason).expect("it is lost once");
    }
}

type Connection = reactor::Connection<Server>;

fn serve(reactor: &TestReactor) -> (Connection, Peer, Deferred<ConnectionClosed>) {
    let (trigger, closed) = Deferred::pair();
    let (connection, peer) = reactor.connect_to_peer(Server(trigger));
    (connection, peer, closed)
}

fn assert_idle(closed: Deferred<ConnectionClosed>) {
    let reason = success_result_of(closed);
    assert_eq!(reason.kind(), ConnectionClosedKind::IdleTimeout, "{reason}");
    assert!(!reason.is_clean() && !reason.is_lost());
    let text = reason.to_string();
    assert!(
        text.contains("nothing was sent or received for 60s"),
        "{text}"
    );
}

#[test]
fn a_connection_on_which_nothing_happens_is_closed_in_order() {
    testing::run(|reactor| {
        let (connection, peer, closed) = serve(reactor);
        reactor.advance(MOST);
        assert!(!connection.is_gone());
        reactor.advance(SECOND);
        assert!(connection.is_gone() && peer.is_closed() && !peer.was_reset());
        assert_idle(closed);
    });
}

#[test]
fn each_byte_that_arrives_begins_the_time_anew_also_if_it_makes_no_frame() {
    testing::run(|reactor| {
        let (connection, peer, closed) = serve(reactor);
        for _ in 0..5 {
            reactor.advance(MOST);
            peer.send("x");
        }
        reactor.advance(MOST);
        assert!(!connection.is_gone());
        reactor.advance(SECOND);
        assert!(connection.is_gone());
        assert_idle(closed);
    });
}

#[test]
fn bytes_that_the_system_takes_count_and_bytes_that_wait_do_not() {
    testing::run(|reactor| {
        let (connection, peer, closed) = serve(reactor);
        reactor.advance(MOST);
        connection.write("small").expect("it is open");
        reactor.advance(MOST);
        connection.write(vec![0; 100_000]).expect("it is open");
        reactor.advance(MOST);
        assert!(!connection.is_gone(), "part of it was taken");
        connection.write("more").expect("it is open");
        reactor.advance(SECOND);
        assert!(
            connection.write("it is closing").is_err(),
            "nothing was taken for a minute"
        );
        // What was written before is still sent.
        assert!(peer.received().ends_with(b"more"));
        reactor.settle();
        assert_idle(closed);
    });
}

#[test]
fn output_that_goes_bit_by_bit_counts() {
    testing::run(|reactor| {
        let (connection, peer, closed) = serve(reactor);
        peer.set_reading(false);
        connection.write(vec![0; 200_000]).expect("it is open");
        reactor.advance(MOST);
        peer.set_reading(true);
        peer.set_reading(false);
        reactor.advance(MOST);
        assert!(!connection.is_gone());
        reactor.advance(SECOND);
        peer.set_reading(true);
        reactor.settle();
        assert_idle(closed);
    });
}

#[test]
fn it_can_be_taken_back_and_set_anew() {
    testing::run(|reactor| {
        let (connection, _peer, closed) = serve(reactor);
        connection.set_idle_timeout(None).expect("it is open");
        reactor.advance(100 * TIMEOUT);
        assert!(!connection.is_gone());
        connection.set_idle_timeout(TIMEOUT).expect("it is open");
        reactor.advance(MOST);
        connection.set_idle_timeout(TIMEOUT).expect("it is open");
        reactor.advance(MOST);
        assert!(!connection.is_gone(), "it has begun anew");
        reactor.advance(SECOND);
        assert!(connection.is_gone());
        assert!(connection.set_idle_timeout(TIMEOUT).is_err());
        assert_idle(closed);
    });
}

#[test]
fn a_peer_that_takes_nothing_is_aborted_after_the_close_timeout() {
    testing::run(|reactor| {
        let (connection, peer, closed) = serve(reactor);
        peer.set_reading(false);
        connection.write(vec![0; 200_000]).expect("it is open");
        reactor.advance(TIMEOUT);
        assert!(!connection.is_gone(), "output waits");
        reactor.advance(Duration::from_secs(30));
        assert!(connection.is_gone());
        peer.set_reading(true);
        assert!(peer.was_reset());
        assert_idle(closed);
    });
}

#[test]
fn the_end_of_a_connection_leaves_no_timer() {
    testing::run(|reactor| {
        let (_connection, peer, closed) = serve(reactor);
        peer.close();
        assert_eq!(success_result_of(closed).kind(), ConnectionClosedKind::Done);
        assert!(reactor.leftovers().is_empty());
    });
}

/// A filter whose handshake takes as many bytes of the peer as it says, each of which it answers.
/// Then it passes everything on, but for `#`, which it takes for itself and answers.
struct Handshake {
    left: usize,
}

impl Filter for Handshake {
    fn receive(&mut self, input: &mut [u8], link: &mut Link<'_>) -> deferred::Result<usize> {
        if self.left > 0 {
            self.left -= 1;
            link.send(b"!");
            if self.left == 0 {
                link.open();
            }
            return Ok(1);
        }
        for &mut byte in &mut *input {
            match byte {
                b'#' => link.send(b"!"),
                byte => link.up().push(byte),
            }
        }
        Ok(input.len())
    }

    fn send(&mut self, bytes: &[u8], link: &mut Link<'_>) -> deferred::Result<usize> {
        link.down().extend_from_slice(bytes);
        Ok(bytes.len())
    }
}

#[test]
fn the_bytes_of_a_handshake_do_not_count() {
    testing::run(|reactor| {
        let (connection, peer, closed) = serve(reactor);
        reactor.advance(MOST / 2);
        connection.insert_filter(Handshake { left: 1000 }).ignore();
        reactor.settle();
        for _ in 0..29 {
            reactor.advance(SECOND);
            peer.send("x");
        }
        assert_eq!(peer.received(), [b'!'; 29]);
        assert!(!connection.is_gone());
        reactor.advance(2 * SECOND);
        assert!(connection.is_gone(), "it has trickled for a minute");
        assert_idle(closed);
    });
}

#[test]
fn behind_a_filter_the_bytes_of_the_protocol_count_and_those_of_the_filter_do_not() {
    testing::run(|reactor| {
        let (connection, peer, closed) = serve(reactor);
        connection.insert_filter(Handshake { left: 1 }).ignore();
        peer.send("x");
        // Received, also if it makes no line.
        for _ in 0..3 {
            reactor.advance(MOST);
            peer.send("x");
        }
        // Sent.
        for _ in 0..3 {
            reactor.advance(MOST);
            connection.write("x").expect("it is open");
        }
        reactor.advance(MOST);
        assert!(!connection.is_gone());
        // Of the filter's own, in both directions.
        peer.send("#");
        assert_eq!(peer.received(), b"!xxx!");
        reactor.advance(SECOND);
        assert!(connection.is_gone());
        assert_idle(closed);
    });
}

#[test]
fn behind_a_filter_output_that_waits_counts_as_the_system_takes_it() {
    testing::run(|reactor| {
        let (connection, peer, closed) = serve(reactor);
        connection.insert_filter(Handshake { left: 1 }).ignore();
        peer.send("x");
        peer.set_reading(false);
        connection.write(vec![0; 400_000]).expect("it is open");
        reactor.advance(MOST);
        peer.set_reading(true);
        reactor.advance(MOST);
        assert!(!connection.is_gone(), "the last of it was taken");
        reactor.advance(SECOND);
        assert!(connection.is_gone());
        assert_idle(closed);
    });
}
