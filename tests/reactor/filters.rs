//! Filters over connections: put in at the start and in the middle, opened, ended, failed.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Failure, Result};
use reactor::filter::proxy_protocol::{ProxyHeader, ProxyProtocol};
use reactor::filter::throttle::Throttle;
use reactor::filter::{Filter, FilterBusy, InfoRequest, Link, Pair};
use reactor::testing::{self, TestReactor};
use reactor::{
    Address, ConnectionClosed, Context, Factory, Gone, Lines, Protocol, Raw, UnixAddress,
};

use crate::filter_pair::{HELLO, Shift};
use crate::support::{Log, RawRecorder, reactor, turn_until, turn_until_stopped};

/// A line protocol that puts in a filter at the line `upgrade`.
struct Upgrading {
    log: Log,
    upgrade: fn(&mut Context<'_, Self>),
}

impl Protocol for Upgrading {
    type Framing = Lines;

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> Result<()> {
        self.log.note(String::from_utf8_lossy(line));
        if line == b"upgrade" {
            (self.upgrade)(cx);
        }
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
        self.log.note(format!("lost: {reason}"));
    }
}

fn upgrading(upgrade: fn(&mut Context<'_, Upgrading>)) -> (Upgrading, Log) {
    let log = Log::default();
    let protocol = Upgrading {
        log: log.clone(),
        upgrade,
    };
    (protocol, log)
}

fn shifted(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte.wrapping_add(1)).collect()
}

const GREETING: u8 = HELLO + 1;

#[test]
fn what_is_written_after_the_call_goes_through_the_filter() {
    testing::run(|reactor| {
        let (protocol, _) = upgrading(|cx| {
            cx.write("before");
            cx.insert_filter(Shift::new(1)).detach();
            cx.write("after");
        });
        let (connection, peer) = reactor.connect_to_peer(protocol);
        peer.send("upgrade\r\n");
        assert_eq!(peer.received(), [&b"before"[..], &[GREETING]].concat());
        peer.send([GREETING]);
        assert_eq!(peer.received(), shifted(b"after"));
        connection.abort();
    });
}

#[test]
fn much_that_is_written_after_the_call_goes_through_the_filter() {
    testing::run(|reactor| {
        let (protocol, _) = upgrading(|cx| {
            cx.write(vec![b'x'; 300_000]);
            cx.insert_filter(Shift::new(1)).detach();
            cx.write(vec![b'x'; 300_000]);
        });
        let (connection, peer) = reactor.connect_to_peer(protocol);
        peer.send("upgrade\r\n");
        let mut received = peer.received();
        assert_eq!(received.pop(), Some(GREETING));
        assert_eq!(received, vec![b'x'; 300_000]);
        peer.send([GREETING]);
        assert_eq!(peer.received(), vec![b'y'; 300_000]);
        connection.abort();
    });
}

#[test]
fn what_has_come_already_goes_to_the_filter_and_the_framing_begins_anew() {
    for cut in 0..20 {
        testing::run(|reactor| {
            let (protocol, log) = upgrading(|cx| cx.insert_filter(Shift::new(1)).detach());
            let (connection, peer) = reactor.connect_to_peer(protocol);
            let secret = [&[GREETING][..], &shifted(b"secret\r\nsec")].concat();
            let all = [b"upgrade\r\n", &secret[..]].concat();
            let (one, other) = all.split_at(cut.min(all.len()));
            for part in [one, other] {
                peer.send(part);
            }
            assert_eq!(log.events(), ["upgrade", "secret"], "cut at {cut}");
            peer.send(shifted(b"ret\r\n"));
            assert_eq!(log.events(), ["upgrade", "secret", "secret"]);
            connection.abort();
        });
    }
}

#[test]
fn a_framing_that_has_seen_some_of_the_unread_input_begins_anew() {
    testing::run(|reactor| {
        let (protocol, log) = upgrading(|_| ());
        let (connection, peer) = reactor.connect_to_peer(protocol);
        // No line, for the framing: it remembers how far it has searched this for an end.
        peer.send([&[GREETING][..], &shifted(b"secret\r\n")].concat());
        assert!(log.events().is_empty());
        connection.insert_filter(Shift::new(1)).detach();
        reactor.settle();
        assert_eq!(log.events(), ["secret"]);
        connection.abort();
    });
}

/// An attacker on the path appends lines, in plain text, to the segment of the command.
#[test]
fn injected_lines_are_never_seen() {
    testing::run(|reactor| {
        let (protocol, log) = upgrading(|cx| cx.insert_filter(Shift::new(1)).ignore());
        let (connection, peer) = reactor.connect_to_peer(protocol);
        peer.send("upgrade\r\ninjected\r\n");
        assert!(connection.is_gone());
        let events = log.events();
        assert_eq!(events[0], "upgrade");
        assert_eq!(events.len(), 2, "{events:?}");
        assert!(events[1].contains("no greeting"), "{events:?}");
    });
}

#[test]
fn neither_pausing_nor_closing_keeps_a_filter_from_opening() {
    testing::run(|reactor| {
        let (protocol, log) = upgrading(|cx| {
            cx.pause_reading();
            cx.insert_filter(Shift::new(1)).detach();
            cx.write("farewell");
            cx.lose_connection();
        });
        let (connection, peer) = reactor.connect_to_peer(protocol);
        peer.send("upgrade\r\n");
        assert_eq!(peer.received(), [GREETING]);
        assert!(!connection.is_gone());
        peer.send([GREETING]);
        assert_eq!(peer.received(), shifted(b"farewell."));
        assert!(peer.is_closed());
        assert_eq!(
            log.events(),
            ["upgrade", "lost: the connection was closed cleanly"]
        );
    });
}

#[test]
fn what_comes_while_reading_is_paused_is_delivered_later() {
    testing::run(|reactor| {
        let (protocol, log) = upgrading(|cx| {
            cx.pause_reading();
            cx.insert_filter(Shift::new(1)).detach();
        });
        let (connection, peer) = reactor.connect_to_peer(protocol);
        peer.send("upgrade\r\n");
        peer.send([&[GREETING][..], &shifted(b"one\r\ntwo\r\n")].concat());
        assert_eq!(log.events(), ["upgrade"]);
        connection.resume_reading().unwrap();
        reactor.settle();
        assert_eq!(log.events(), ["upgrade", "one", "two"]);
        connection.abort();
    });
}

#[test]
fn unanswered_output_does_not_keep_a_filter_from_opening() {
    testing::run(|reactor| {
        let (protocol, log) = upgrading(|cx| {
            // More than may wait before reading stops.
            for _ in 0..100 {
                cx.write(vec![b'x'; 10_000]);
            }
            cx.insert_filter(Shift::new(1)).detach();
        });
        let (connection, peer) = reactor.connect_to_peer(protocol);
        peer.set_reading(false);
        peer.send("upgrade\r\n");
        peer.send([&[GREETING][..], &shifted(b"one\r\n")].concat());
        peer.set_reading(true);
        assert_eq!(log.events(), ["upgrade", "one"]);
        connection.abort();
    });
}

#[test]
fn a_filter_that_fails_has_its_say_and_the_rest_is_discarded() {
    testing::run(|reactor| {
        let (protocol, log) = upgrading(|cx| {
            let opening = cx.insert_filter(Shift::new(1));
            opening.ignore();
            cx.write("never to be seen");
        });
        let (connection, peer) = reactor.connect_to_peer(protocol);
        peer.send("upgrade\r\n");
        peer.send("?");
        assert_eq!(peer.received(), [GREETING, b'!']);
        assert!(connection.is_gone() && peer.is_closed());
        assert!(log.events()[1].contains("no greeting"));
    });
}

#[test]
fn the_deferred_tells_when_it_is_open_and_why_not() {
    testing::run(|reactor| {
        let log = Log::default();
        let open = |answer: &'static [u8]| {
            let (connection, peer) = reactor.connect_to_peer(RawRecorder::new(&log));
            let opening = connection.insert_filter(Shift::new(1));
            let second = connection.insert_filter(Shift::new(2));
            assert!(
                second
                    .into_result()
                    .unwrap()
                    .unwrap_err()
                    .is::<FilterBusy>()
            );
            reactor.settle();
            deferred::assertions::assert_no_result(&opening);
            peer.send(answer);
            (opening.into_result().unwrap(), connection, peer)
        };
        let (opened, connection, _peer) = open(&[GREETING]);
        opened.unwrap();
        assert_eq!(connection.filter_info::<u8>(), Some(1));
        connection.abort();
        reactor.settle();
        let gone = connection
            .insert_filter(Shift::new(1))
            .into_result()
            .unwrap();
        assert!(gone.unwrap_err().is::<Gone>());
        assert_eq!(connection.filter_info::<u8>(), None);

        let (failed, connection, _peer) = open(b"?");
        assert_eq!(failed.unwrap_err().message(), "no greeting");
        assert!(connection.is_gone());

        let (connection, peer) = reactor.connect_to_peer(RawRecorder::new(&log));
        let opening = connection.insert_filter(Shift::new(1));
        reactor.settle();
        peer.reset();
        assert!(opening.into_result().unwrap().unwrap_err().is::<Gone>());
    });
}

#[test]
fn a_second_one_goes_on_top_of_the_first() {
    testing::run(|reactor| {
        let log = Log::default();
        let (connection, peer) = reactor.connect_to_peer(RawRecorder::new(&log));
        connection.insert_filter(Shift::new(1)).detach();
        reactor.settle();
        peer.send([GREETING]);
        connection.write("one").unwrap();
        connection.insert_filter(Shift::new(1)).detach();
        connection.write("two").unwrap();
        reactor.settle();
        let expected = [&[GREETING][..], &shifted(b"one"), &[HELLO + 2]].concat();
        assert_eq!(peer.received(), expected);
        peer.send(shifted(&[&[GREETING][..], &shifted(b"hi")].concat()));
        assert_eq!(peer.received(), shifted(&shifted(b"two")));
        assert_eq!(log.events(), ["made", "received hi"]);
        connection.abort();
    });
}

// --- from the start ---

#[test]
fn the_connection_is_made_when_the_filter_is_open() {
    testing::run(|reactor| {
        let log = Log::default();
        let recorder = RawRecorder::new(&log).on_made(|cx| {
            assert_eq!(cx.filter_info::<u8>(), Some(1));
            cx.write("hi");
            Ok(())
        });
        let (connecting, peer) = reactor.connect_to_peer_through(Shift::new(1), recorder);
        assert!(log.events().is_empty());
        deferred::assertions::assert_no_result(&connecting);
        peer.send([&[GREETING][..], &shifted(b"hello")].concat());
        assert_eq!(peer.received(), [&[GREETING][..], &shifted(b"hi")].concat());
        let connection = connecting.into_result().unwrap().unwrap();
        assert_eq!(log.events(), ["made", "received hello"]);
        connection.lose_connection();
        assert_eq!(peer.received(), shifted(b"."));
        assert!(peer.is_closed());
        assert_eq!(log.events(), ["made", "received hello", "lost: done"]);
    });
}

#[test]
fn no_protocol_hears_of_one_that_does_not_open() {
    testing::run(|reactor| {
        let log = Log::default();
        let through = || reactor.connect_to_peer_through(Shift::new(1), RawRecorder::new(&log));
        let (connecting, peer) = through();
        peer.send("?");
        let failure = connecting.into_result().unwrap().err().unwrap();
        assert_eq!(failure.message(), "no greeting");
        assert_eq!(peer.received(), [GREETING, b'!']);

        let (connecting, peer) = through();
        peer.reset();
        let failure = connecting.into_result().unwrap().err().unwrap();
        let reason = failure.downcast_ref::<ConnectionClosed>().unwrap();
        assert!(matches!(reason, ConnectionClosed::Lost(_)), "{reason}");

        let (connecting, peer) = through();
        peer.finish();
        assert!(connecting.into_result().unwrap().is_err());

        let (connecting, peer) = through();
        connecting.cancel();
        assert!(
            connecting
                .into_result()
                .unwrap()
                .err()
                .unwrap()
                .is::<deferred::Cancelled>()
        );
        assert!(peer.is_closed());

        assert_eq!(reactor.counters().connections, 0);
        assert!(log.events().is_empty(), "{:?}", log.events());
    });
}

#[test]
fn a_reactor_that_stops_meanwhile_says_so() {
    let reactor = TestReactor::new();
    let log = Log::default();
    let recorder = RawRecorder::new(&log);
    let (connecting, _peer) = reactor.connect_to_peer_through(Shift::new(1), recorder);
    reactor.stop();
    reactor.settle();
    let failure = connecting.into_result().unwrap().err().unwrap();
    let reason = failure.downcast_ref::<ConnectionClosed>().unwrap();
    assert!(
        matches!(reason, ConnectionClosed::ReactorStopped),
        "{reason}"
    );
    assert!(log.events().is_empty());
}

#[test]
fn each_side_ends_by_itself() {
    testing::run(|reactor| {
        let log = Log::default();
        let recorder = RawRecorder::new(&log).on_read_closed(|cx| {
            cx.write("the last word");
            Ok(())
        });
        let (connecting, peer) = reactor.connect_to_peer_through(Shift::new(1), recorder);
        peer.send([GREETING]);
        let connection = connecting.into_result().unwrap().unwrap();
        peer.finish();
        assert_eq!(
            peer.received(),
            [&[GREETING][..], &shifted(b"the last word")].concat()
        );
        connection.lose_write_connection();
        assert_eq!(peer.received(), shifted(b"."));
        assert!(peer.is_closed());
        assert_eq!(log.events(), ["made", "read closed", "lost: done"]);
    });
}

/// A filter whose `receive_end` returns the given result.
struct Ends(std::result::Result<(), &'static str>);

impl Filter for Ends {
    fn receive(&mut self, input: &mut [u8], link: &mut Link<'_>) -> Result<usize> {
        match input.split_last() {
            Some((b'.', rest)) => {
                link.deliver(rest);
                link.end();
            }
            _ => link.deliver(input),
        }
        Ok(input.len())
    }

    fn receive_end(&mut self, link: &mut Link<'_>) -> Result<()> {
        link.end();
        self.0.map_err(Failure::msg)
    }

    fn send(&mut self, bytes: &[u8], link: &mut Link<'_>) -> Result<usize> {
        link.send(bytes);
        Ok(bytes.len())
    }

    fn finish(&mut self, link: &mut Link<'_>) -> Result<bool> {
        link.send(b".");
        Ok(true)
    }
}

#[test]
fn input_that_is_cut_off_is_a_loss() {
    testing::run(|reactor| {
        let log = Log::default();
        let cut_off = Ends(Err("cut off"));
        let (connecting, peer) = reactor.connect_to_peer_through(cut_off, RawRecorder::new(&log));
        peer.send("hello");
        peer.finish();
        assert!(connecting.into_result().unwrap().unwrap().is_gone());
        assert_eq!(log.events(), ["made", "received hello", "lost: broken"]);
    });
}

#[test]
fn an_end_that_a_filter_tells_is_one() {
    testing::run(|reactor| {
        let log = Log::default();
        let filter = Ends(Err("cut off"));
        let (connecting, peer) = reactor.connect_to_peer_through(filter, RawRecorder::new(&log));
        peer.send("hello.");
        assert_eq!(peer.received(), b".");
        assert!(connecting.into_result().unwrap().unwrap().is_gone());
        let expected = ["made", "received hello", "read closed", "lost: done"];
        assert_eq!(log.events(), expected);
    });
}

#[test]
fn an_error_after_both_ends_is_no_loss() {
    testing::run(|reactor| {
        let log = Log::default();
        let recorder = RawRecorder::new(&log).on_read_closed(|_| Ok(()));
        let (connecting, peer) = reactor.connect_to_peer_through(Ends(Ok(())), recorder);
        let connection = connecting.into_result().unwrap().unwrap();
        peer.set_reading(false);
        peer.send(".");
        // Nothing but the end waits: it cannot be sent any more.
        connection.lose_connection();
        peer.reset();
        assert_eq!(log.events(), ["made", "read closed", "lost: done"]);
    });
}

#[test]
fn a_timer_of_a_filter_is_the_clock_of_the_loop() {
    testing::run(|reactor| {
        let log = Log::default();
        let header = ProxyProtocol::from_any()
            .timeout(Duration::from_secs(3))
            .filter();
        let (connecting, peer) = reactor.connect_to_peer_through(header, RawRecorder::new(&log));
        reactor.advance(Duration::from_millis(2999));
        deferred::assertions::assert_no_result(&connecting);
        reactor.advance(Duration::from_millis(1));
        let failure = connecting.into_result().unwrap().err().unwrap();
        assert!(failure.message().contains("in time"), "{failure}");
        assert!(peer.is_closed());
        assert!(log.events().is_empty());
    });
}

/// A filter that panics in the named method.
struct Panics(&'static str);

impl Panics {
    fn here(&self, name: &str) {
        assert_ne!(self.0, name, "as it should");
    }
}

impl Filter for Panics {
    fn start(&mut self, link: &mut Link<'_>) -> Result<()> {
        self.here("start");
        link.wake_after(Duration::from_secs(1));
        link.open();
        Ok(())
    }

    fn receive(&mut self, input: &mut [u8], link: &mut Link<'_>) -> Result<usize> {
        self.here("receive");
        link.deliver(input);
        Ok(input.len())
    }

    fn receive_end(&mut self, link: &mut Link<'_>) -> Result<()> {
        self.here("receive_end");
        link.end();
        Ok(())
    }

    fn send(&mut self, bytes: &[u8], link: &mut Link<'_>) -> Result<usize> {
        self.here("send");
        link.send(bytes);
        Ok(bytes.len())
    }

    fn finish(&mut self, _: &mut Link<'_>) -> Result<bool> {
        self.here("finish");
        Ok(true)
    }

    fn wake(&mut self, _: &mut Link<'_>) -> Result<()> {
        self.here("wake");
        Ok(())
    }

    fn info(&self, _: &mut InfoRequest<'_>) {
        self.here("info");
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        self.here("drop");
    }
}

#[test]
fn a_panic_ends_its_connection_and_no_other() {
    for name in [
        "start",
        "receive",
        "receive_end",
        "send",
        "finish",
        "wake",
        "info",
        "drop",
    ] {
        testing::run(|reactor| {
            let (log, other_log) = (Log::default(), Log::default());
            let (other, _other_peer) = reactor.connect_to_peer(RawRecorder::new(&other_log));
            let (connection, peer) = reactor.connect_to_peer(RawRecorder::new(&log));
            let opening = connection.insert_filter(Panics(name));
            reactor.settle();
            opening.ignore();
            peer.try_send(b"hello");
            let _ = connection.write("hello");
            assert_eq!(connection.filter_info::<u8>(), None);
            reactor.advance(Duration::from_secs(1));
            peer.finish();
            reactor.settle();
            assert!(connection.is_gone(), "{name}");
            assert!(log.is_lost() && !other_log.is_lost(), "{name}");
            other.abort();
        });
    }
}

/// Writes to the connection that it is a filter of.
struct Loud(Rc<RefCell<Option<reactor::Connection<RawRecorder>>>>);

impl Filter for Loud {
    fn receive(&mut self, input: &mut [u8], link: &mut Link<'_>) -> Result<usize> {
        if let Some(connection) = &*self.0.borrow() {
            connection.write("from inside").unwrap();
            assert_eq!(connection.filter_info::<u8>(), None);
        }
        link.deliver(input);
        Ok(input.len())
    }

    fn send(&mut self, bytes: &[u8], link: &mut Link<'_>) -> Result<usize> {
        link.send(bytes);
        Ok(bytes.len())
    }
}

#[test]
fn a_filter_may_use_its_own_connection() {
    testing::run(|reactor| {
        let log = Log::default();
        let (connection, peer) = reactor.connect_to_peer(RawRecorder::new(&log));
        let own = Rc::new(RefCell::new(Some(connection.clone())));
        connection.insert_filter(Loud(Rc::clone(&own))).detach();
        reactor.settle();
        peer.send("hello");
        assert_eq!(peer.received(), b"from inside");
        own.take();
        connection.abort();
    });
}

#[test]
fn stacked_filters_whose_drops_panic_end_their_connection_alone() {
    for count in 1..=3 {
        testing::run(|reactor| {
            let log = Log::default();
            let (connection, peer) = reactor.connect_to_peer(RawRecorder::new(&log));
            for _ in 0..count {
                let opening = connection.insert_filter(Panics("drop"));
                reactor.result_of(opening).expect("it opens at once");
            }
            // One that is not started when the connection ends.
            connection.insert_filter(Panics("drop")).ignore();
            connection.abort();
            reactor.settle();
            assert!(log.is_lost() && peer.is_closed(), "{count}");
        });
    }
}

/// Drops the reactor in the named method, and panics when it is dropped itself.
struct EndsTheLoop(&'static str, Rc<RefCell<Option<TestReactor>>>);

impl EndsTheLoop {
    fn here(&self, name: &str) {
        if self.0 == name {
            drop(self.1.take());
        }
    }
}

impl Filter for EndsTheLoop {
    fn receive(&mut self, input: &mut [u8], _: &mut Link<'_>) -> Result<usize> {
        Ok(input.len())
    }

    fn send(&mut self, bytes: &[u8], _: &mut Link<'_>) -> Result<usize> {
        self.here("send");
        Ok(bytes.len())
    }

    fn info(&self, _: &mut InfoRequest<'_>) {
        self.here("info");
    }
}

impl Drop for EndsTheLoop {
    fn drop(&mut self) {
        self.1.borrow_mut().take();
        panic!("in a drop");
    }
}

#[test]
fn a_filter_that_drops_the_reactor_and_panics_in_its_drop_hurts_no_caller() {
    for name in ["send", "info"] {
        let log = Log::default();
        let reactor = Rc::new(RefCell::new(Some(TestReactor::new())));
        let connection = {
            let held = reactor.borrow();
            let held = held.as_ref().expect("it is not dropped yet");
            let (connection, _peer) = held.connect_to_peer(RawRecorder::new(&log));
            let opening = connection.insert_filter(EndsTheLoop(name, Rc::clone(&reactor)));
            held.result_of(opening).expect("it opens at once");
            connection
        };
        match name {
            // So much is given to the filter at once, outside of the loop.
            "send" => drop(connection.write(vec![0; 300_000])),
            _ => assert_eq!(connection.filter_info::<u8>(), None),
        }
        assert!(reactor.borrow().is_none(), "the filter was called");
        assert!(connection.is_gone() && log.is_lost(), "{name}");
    }
}

// --- on sockets ---

/// Gives each connection a filter.
struct Through<F, P>(F, P);

impl<F, P, Q> Factory for Through<F, P>
where
    F: FnMut(&Address) -> Box<dyn Filter> + 'static,
    P: FnMut() -> Q + 'static,
    Q: Protocol,
{
    type Protocol = Q;

    fn filter(&mut self, peer: &Address) -> Option<Box<dyn Filter>> {
        Some((self.0)(peer))
    }

    fn build_protocol(&mut self, _: &Address) -> Option<Q> {
        Some((self.1)())
    }
}

struct Echo;

impl Protocol for Echo {
    type Framing = Raw;

    fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        cx.write(data);
        Ok(())
    }
}

#[test]
fn a_server_on_sockets_has_filters() {
    let reactor = reactor();
    let stack =
        |_: &Address| -> Box<dyn Filter> { Box::new(Pair::new(Shift::new(1), Shift::new(1))) };
    let port = reactor
        .listen_tcp("127.0.0.1:0", Through(stack, || Echo))
        .unwrap();
    let address = port.address();
    let client = std::thread::spawn(move || {
        let mut socket = TcpStream::connect(address).unwrap();
        let data: Vec<u8> = (0..3_000_000).map(|i| (i % 251) as u8).collect();
        socket.write_all(&[GREETING]).unwrap();
        socket.write_all(&shifted(&[GREETING])).unwrap();
        let mut writer = socket.try_clone().unwrap();
        let to_send = data.clone();
        let sender = std::thread::spawn(move || {
            writer.write_all(&to_send).unwrap();
            writer.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut received = Vec::new();
        socket.read_to_end(&mut received).unwrap();
        sender.join().unwrap();
        assert_eq!(received[..2], [GREETING, HELLO + 2]);
        // The data, and the ends of the two.
        assert_eq!(received.len(), 2 + data.len() + 2);
        assert!(received[2..2 + data.len()] == data[..]);
    });
    turn_until(&reactor, || client.is_finished());
    client.join().unwrap();
}

#[test]
fn the_peer_is_whom_the_header_names() {
    let reactor = reactor();
    let proxy = ProxyProtocol::from_addresses([[127, 0, 0, 1].into()]);
    let log = Log::default();
    let seen = log.clone();
    let recorder = move || {
        RawRecorder::new(&seen).on_made(|cx| {
            let header = cx.filter_info::<ProxyHeader>().unwrap();
            cx.write(format!("{} {}", cx.peer(), header.destination.unwrap()));
            cx.lose_connection();
            Ok(())
        })
    };
    let filter = move |_: &Address| -> Box<dyn Filter> { Box::new(proxy.filter()) };
    let port = reactor
        .listen_tcp("127.0.0.1:0", Through(filter, recorder))
        .unwrap();
    let mut socket = TcpStream::connect(port.address()).unwrap();
    socket
        .write_all(b"PROXY TCP4 203.0.113.9 192.0.2.1 50000 443\r\n")
        .unwrap();
    turn_until(&reactor, || log.is_lost());
    let mut received = String::new();
    socket.read_to_string(&mut received).unwrap();
    assert_eq!(received, "203.0.113.9:50000 192.0.2.1:443");

    let no_sender = ProxyProtocol::from_addresses([]);
    let refusing = move |_: &Address| -> Box<dyn Filter> { Box::new(no_sender.filter()) };
    let port = reactor
        .listen_tcp("127.0.0.1:0", Through(refusing, || Echo))
        .unwrap();
    let mut socket = TcpStream::connect(port.address()).unwrap();
    socket.set_nonblocking(true).unwrap();
    turn_until(&reactor, || match socket.read(&mut [0; 1]) {
        Ok(received) => received == 0,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    });
}

#[test]
fn unix_sockets_have_filters_and_pass_no_descriptors() {
    let reactor = TestReactor::new();
    let stack = |_: &Address| -> Box<dyn Filter> { Box::new(Shift::new(0)) };
    reactor
        .listen_unix("/run/echo", Through(stack, || Echo))
        .unwrap();
    let log = Log::default();
    let recorder = RawRecorder::new(&log).on_made(|cx| {
        cx.insert_filter(Shift::new(0)).detach();
        Ok(())
    });
    let connecting = reactor.connect_unix(UnixAddress::from("/run/echo"), recorder);
    reactor.settle();
    let connection = connecting.into_result().unwrap().unwrap();
    connection.write("hello").unwrap();
    reactor.settle();
    assert!(log.has("received hello"), "{:?}", log.events());
    let (one, _other) = rustix::pipe::pipe().unwrap();
    assert!(connection.send_descriptor(one, "x").is_err());
}

#[test]
fn a_rate_holds_on_a_connection() {
    let reactor = TestReactor::new();
    let throttle = Throttle::new().bytes_per_second(100_000);
    let received = Rc::new(Cell::new(0));
    let log = Log::default();
    let filter = throttle.filter();
    let (connecting, peer) = reactor.connect_to_peer_through(filter, RawRecorder::new(&log));
    let connection = connecting.into_result().unwrap().unwrap();
    connection.write(vec![0; 2_000_000]).unwrap();
    let mut read = 0;
    for _ in 0..1000 {
        reactor.advance(Duration::from_millis(10));
        received.set(received.get() + peer.received().len());
        read += peer.try_send(&[0; 5000]);
    }
    let kept = 64 * 1024;
    assert!(
        (950_000..=1_050_000).contains(&received.get()),
        "{}",
        received.get()
    );
    assert!((950_000..=1_050_000 + kept).contains(&read), "{read}");
    // It is closed when all of it has gone out, at that rate.
    connection.lose_connection();
    reactor.settle();
    assert!(!connection.is_gone());
    for _ in 0..1100 {
        reactor.advance(Duration::from_millis(10));
        received.set(received.get() + peer.received().len());
    }
    assert_eq!(received.get(), 2_000_000);
    assert!(connection.is_gone());
}

#[test]
fn real_unix_sockets_and_pipes_have_filters_and_a_stop_sends_what_they_hold() {
    use std::os::unix::net::UnixStream;

    for over_pipes in [false, true] {
        let (reactor, log) = (reactor(), Log::default());
        let recorder = RawRecorder::new(&log).on_made(|cx| {
            cx.insert_filter(Shift::new(1)).detach();
            Ok(())
        });
        // What the peer writes to, and what it reads from.
        let (mut to, mut from): (Box<dyn Write>, Box<dyn Read>) = if over_pipes {
            let (input, to) = std::io::pipe().expect("a pipe");
            let (from, output) = std::io::pipe().expect("a pipe");
            let connection = reactor.adopt_pipes(input, output, recorder);
            connection.expect("two pipes");
            (Box::new(to), Box::new(from))
        } else {
            let (near, far) = UnixStream::pair().expect("a pair");
            reactor.adopt_stream(near, recorder).expect("a socket");
            (Box::new(far.try_clone().expect("a clone")), Box::new(far))
        };
        to.write_all(&[GREETING]).expect("it fits");
        to.write_all(&shifted(b"question")).expect("it fits");
        turn_until(&reactor, || log.has("received question"));
        reactor.stop();
        turn_until_stopped(&reactor, || {});
        assert!(log.has("lost: reactor stopped"), "{:?}", log.events());
        let mut all = Vec::new();
        from.read_to_end(&mut all).expect("an end");
        assert_eq!(all.first(), Some(&GREETING));
    }
}

/// Reads two bytes at a time, and changes nothing.
struct ByTwo;

impl Filter for ByTwo {
    fn start(&mut self, link: &mut Link<'_>) -> Result<()> {
        link.limit_reading(2);
        link.open();
        Ok(())
    }

    fn receive(&mut self, input: &mut [u8], link: &mut Link<'_>) -> Result<usize> {
        link.up().extend(input.iter());
        Ok(input.len())
    }

    fn send(&mut self, bytes: &[u8], link: &mut Link<'_>) -> Result<usize> {
        link.down().extend(bytes);
        Ok(bytes.len())
    }
}

#[test]
fn nothing_is_read_ahead_while_reading_is_paused() {
    testing::run(|reactor| {
        let log = Log::default();
        let pausing = RawRecorder::new(&log).on_received(|cx, _| {
            cx.pause_reading();
            Ok(())
        });
        let (connection, peer) = reactor.connect_to_peer_through(ByTwo, pausing);
        let connection = connection
            .into_result()
            .expect("it opens")
            .expect("it works");
        let before = reactor.counters().bytes_received;
        peer.send("abcdef");
        assert_eq!(log.events(), ["made", "received ab"]);
        assert_eq!(reactor.counters().bytes_received - before, 2);
        connection.resume_reading().expect("it is open");
        reactor.settle();
        assert_eq!(log.events(), ["made", "received ab", "received cd"]);
        assert_eq!(reactor.counters().bytes_received - before, 4);
        connection.abort();
    });
}
