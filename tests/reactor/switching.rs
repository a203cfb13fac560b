//! `switch_to`: another protocol takes over, with the input that was not decoded.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use deferred::assertions::success_result_of;
use deferred::{Deferred, Failure, Result, Trigger};
use reactor::endpoint::{Connect, ConnectionLimits, Listen};
use reactor::filter::throttle::Throttle;
use reactor::filter::{Filter, FilterWaker, Link};
use reactor::framing::{LengthPrefixed, U8};
use reactor::testing::{self, TestReactor};
use reactor::{
    ConnectionClosed, ConnectionClosedKind, Context, Lines, Producer, Production, Protocol, Raw,
    WriteLimits, pump,
};

use crate::filter_pair::{HELLO, Shift};
use crate::support::{Log, Peer, RawRecorder, reactor, turn_until};

/// What a [`First`] does when it is told to switch.
type OnSwitch = fn(&mut First, &mut Context<'_, First>) -> Result<()>;

/// Speaks in lines until `switch`.
struct First {
    log: Log,
    on_switch: OnSwitch,
    /// Of a Deferred that it waits for.
    kept: Option<Trigger<()>>,
}

/// Speaks in frames after their length, and echoes them.
struct Second {
    log: Log,
}

impl First {
    fn new(log: &Log, on_switch: OnSwitch) -> Self {
        Self {
            log: log.clone(),
            on_switch,
            kept: None,
        }
    }

    fn second(&self) -> Second {
        Second {
            log: self.log.clone(),
        }
    }
}

fn switch(this: &mut First, cx: &mut Context<'_, First>) -> Result<()> {
    cx.switch_to(this.second());
    Ok(())
}

impl Protocol for First {
    type Framing = Lines;

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> Result<()> {
        self.log.note(format!("line {}", text(line)));
        match line {
            b"switch" => (self.on_switch)(self, cx),
            _ => Ok(()),
        }
    }

    fn read_closed(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        self.log.note("first read closed");
        (self.on_switch)(self, cx)
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
        self.log.note(format!("first lost: {reason}"));
    }
}

impl Drop for First {
    fn drop(&mut self) {
        self.log.note("first dropped");
    }
}

impl Protocol for Second {
    type Framing = LengthPrefixed<U8>;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        self.log.note("second made");
        cx.write("+");
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, frame: &[u8]) -> Result<()> {
        self.log.note(format!("frame {}", text(frame)));
        cx.write(frame);
        Ok(())
    }

    fn read_closed(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        self.log.note("second read closed");
        cx.close_after_peer();
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
        self.log.note(format!("second lost: {reason}"));
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const LOST: &str = "second lost: the connection was closed cleanly";

const INPUT: &[u8] = b"one\r\nswitch\r\n\x03a\r\n\x05hello";
const EXPECTED: [&str; 8] = [
    "line one",
    "line switch",
    "first dropped",
    "second made",
    "frame a\r\n",
    "frame hello",
    "second read closed",
    LOST,
];

#[test]
fn the_rest_goes_to_the_next_protocol_wherever_the_input_is_split() {
    for at in 0..INPUT.len() {
        testing::run(|reactor| {
            let log = Log::default();
            let (_first, peer) = reactor.connect_to_peer(First::new(&log, switch));
            peer.send(&INPUT[..at]);
            reactor.settle();
            peer.send(&INPUT[at..]);
            assert_eq!(peer.received(), b"+a\r\nhello");
            peer.finish();
            assert_eq!(log.events(), EXPECTED, "split at {at}");
        });
    }
}

#[test]
fn it_works_on_sockets_and_pipes() {
    let (reactor, log) = (reactor(), Log::default());
    let make = log.clone();
    let port = reactor
        .listen_tcp("127.0.0.1:0", move || First::new(&make, switch))
        .expect("a free port");
    let mut peer = Peer::connect(port.address());
    peer.send(INPUT);
    peer.0.shutdown(Shutdown::Write).expect("it is open");
    turn_until(&reactor, || log.len() == EXPECTED.len());
    assert_eq!(log.events(), EXPECTED);

    let (mut near, far) = UnixStream::pair().expect("a pair");
    let log = Log::default();
    reactor
        .adopt_stream(far, First::new(&log, switch))
        .expect("it is adopted");
    near.write_all(INPUT).expect("it is open");
    near.shutdown(Shutdown::Write).expect("it is open");
    turn_until(&reactor, || log.len() == EXPECTED.len());
    assert_eq!(log.events(), EXPECTED);

    let (input, mut to_input) = std::io::pipe().expect("a pipe");
    let (mut from_output, output) = std::io::pipe().expect("a pipe");
    let log = Log::default();
    reactor
        .adopt_pipes(input, output, First::new(&log, switch))
        .expect("they are adopted");
    to_input.write_all(INPUT).expect("it is open");
    drop(to_input);
    turn_until(&reactor, || log.len() == EXPECTED.len());
    assert_eq!(log.events(), EXPECTED);
    let mut echo = Vec::new();
    from_output.read_to_end(&mut echo).expect("it was closed");
    assert_eq!(echo, b"+a\r\nhello");
}

#[test]
fn output_that_waits_is_kept_in_order_and_goes_out_on_pipes_too() {
    fn write_much(this: &mut First, cx: &mut Context<'_, First>) -> Result<()> {
        cx.write(vec![b'x'; 500_000]);
        cx.switch_to(this.second());
        cx.write("y");
        Ok(())
    }
    testing::run(|reactor| {
        let (_first, peer) = reactor.connect_to_peer(First::new(&Log::default(), write_much));
        peer.set_reading(false);
        peer.send("switch\n\x01z");
        peer.set_reading(true);
        let received = peer.received();
        assert_eq!(received.len(), 500_003);
        assert!(received.ends_with(b"xy+z"));
        peer.close();
    });
    let (input, mut to_input) = std::io::pipe().expect("a pipe");
    let (mut from_output, output) = std::io::pipe().expect("a pipe");
    let (reactor, log) = (reactor(), Log::default());
    reactor
        .adopt_pipes(input, output, First::new(&log, write_much))
        .expect("they are adopted");
    to_input.write_all(b"switch\n").expect("it is open");
    drop(to_input);
    turn_until(&reactor, || log.has("second made"));
    let mut received = Vec::new();
    while received.len() < 500_002 {
        let mut piece = [0; 65536];
        let read = from_output.read(&mut piece).expect("it is open");
        received.extend(&piece[..read]);
        reactor.turn(Some(Duration::ZERO)).expect("it turns");
    }
    assert!(received.ends_with(b"xy+"));
    turn_until(&reactor, || log.has(LOST));
}

#[test]
fn what_the_protocol_has_asked_for_ends_with_it() {
    fn busy(this: &mut First, cx: &mut Context<'_, First>) -> Result<()> {
        cx.call_later(Duration::from_secs(1), |this, _cx| this.log.note("timer"));
        let log = this.log.clone();
        let (trigger, waits) = Deferred::with_canceller(move |_| log.note("cancelled"));
        this.kept = Some(trigger);
        cx.when_or_cancel(waits, |_this, _cx, _result: Result<()>| ());
        cx.pause_reading();
        cx.switch_to(this.second());
        // Runs before the switch.
        let job = |this: &mut First, _: &mut Context<'_, First>| this.log.note("job");
        Ok(cx.connection().post(job)?)
    }
    testing::run(|reactor| {
        let log = Log::default();
        let (first, peer) = reactor.connect_to_peer(First::new(&log, busy));
        let closed = first.closed();
        let stopped = log.clone();
        let producer = Producer::pull(move |_: &mut reactor::Consumer<'_>| {
            stopped.note("pulled");
            Ok(Production::More)
        });
        first.register_producer(producer).expect("it is the first");
        reactor.settle();
        peer.send("switch\n\x02hi");
        let events = log.events();
        let expected = [
            "line switch",
            "job",
            "cancelled",
            "first dropped",
            "second made",
            "frame hi",
        ];
        assert_eq!(events[events.len() - 6..], expected);
        assert!(first.is_gone() && first.write("x").is_err());
        reactor.advance(Duration::from_secs(2));
        assert_eq!(log.len(), events.len(), "neither timer nor producer");
        peer.close();
        reactor.settle();
        let reason = success_result_of(closed);
        assert_eq!(reason.kind(), ConnectionClosedKind::Done);
    });
}

#[test]
fn pauses_of_the_protocol_do_not_count_for_the_next_one() {
    fn paused(this: &mut First, cx: &mut Context<'_, First>) -> Result<()> {
        cx.pause_reading();
        cx.pause_reading();
        cx.switch_to(RawRecorder::new(&this.log).on_made(|cx| {
            cx.pause_reading();
            cx.resume_reading();
            Ok(())
        }));
        Ok(())
    }
    testing::run(|reactor| {
        let log = Log::default();
        let (_first, peer) = reactor.connect_to_peer(First::new(&log, paused));
        peer.send("switch\nrest");
        peer.send("more");
        let expected = ["received rest", "received more"];
        assert_eq!(log.events()[3..], expected, "{:?}", log.events());
        peer.close();
    });
}

#[test]
fn a_connection_that_is_closing_keeps_its_protocol() {
    let closes: [OnSwitch; 4] = [
        |this, cx| {
            cx.switch_to(this.second());
            cx.lose_connection();
            Ok(())
        },
        |this, cx| {
            cx.abort();
            cx.switch_to(this.second());
            Ok(())
        },
        |this, cx| {
            cx.switch_to(this.second());
            Err(Failure::msg("no"))
        },
        |this, cx| {
            cx.switch_to(this.second());
            panic!("no")
        },
    ];
    for on_switch in closes {
        testing::run(|reactor| {
            let log = Log::default();
            let (first, peer) = reactor.connect_to_peer(First::new(&log, on_switch));
            peer.send("switch\nmore\n");
            assert!(first.is_gone() && peer.is_closed());
            assert_eq!(log.len(), 3, "{:?}", log.events());
            assert!(log.events()[1].starts_with("first lost"));
        });
    }
}

#[test]
fn a_protocol_may_switch_as_soon_as_it_is_made_and_twice() {
    /// Counts down to an echo.
    struct Countdown(u32, Log);

    impl Protocol for Countdown {
        type Framing = Raw;

        fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
            self.1.note(self.0.to_string());
            match self.0 {
                0 => cx.switch_to(Second {
                    log: self.1.clone(),
                }),
                left => {
                    // The last call counts.
                    cx.switch_to(Second {
                        log: self.1.clone(),
                    });
                    cx.switch_to(Self(left - 1, self.1.clone()));
                }
            }
            Ok(())
        }
    }

    testing::run(|reactor| {
        let log = Log::default();
        let (_connection, peer) = reactor.connect_to_peer(Countdown(2, log.clone()));
        peer.send("\x02hi");
        assert_eq!(log.events(), ["2", "1", "0", "second made", "frame hi"]);
        peer.close();
    });
}

#[test]
fn the_end_of_the_input_is_told_to_the_next_protocol_too() {
    testing::run(|reactor| {
        let log = Log::default();
        let (_first, peer) = reactor.connect_to_peer(First::new(&log, switch));
        peer.send("\x02");
        peer.finish();
        let expected = [
            "first read closed",
            "first dropped",
            "second made",
            "second read closed",
            LOST,
        ];
        assert_eq!(log.events(), expected);
    });
}

#[test]
fn bytes_that_were_taken_come_before_those_that_were_not() {
    fn give_back(this: &mut First, cx: &mut Context<'_, First>) -> Result<()> {
        let switched = cx.switch_to_with(this.second(), b"\x03one\x03t".to_vec());
        let log = this.log.clone();
        switched
            .add_callback(move |second| log.note(format!("gone: {}", second.is_gone())))
            .detach();
        Ok(())
    }
    testing::run(|reactor| {
        for split in 0..5 {
            let log = Log::default();
            let (_first, peer) = reactor.connect_to_peer(First::new(&log, give_back));
            let (with_it, later) = b"wo\x01x".split_at(split);
            peer.send([b"switch\n", with_it].concat());
            peer.send(later);
            peer.finish();
            let expected = [
                "line switch",
                "first dropped",
                "second made",
                "frame one",
                "frame two",
                "frame x",
                "second read closed",
                LOST,
            ];
            let mut events = log.events();
            // When it is told depends on the split: after the frames that were taken before.
            let told = events.iter().position(|event| event == "gone: false");
            events.remove(told.expect("the handle is given"));
            assert_eq!(events, expected, "{split}");
        }
    });
}

#[test]
fn filters_stay_and_a_new_one_may_be_put_in_at_the_same_time() {
    fn upgrade(this: &mut First, cx: &mut Context<'_, First>) -> Result<()> {
        cx.insert_filter(Shift::new(1)).detach();
        cx.switch_to(this.second());
        Ok(())
    }
    testing::run(|reactor| {
        let log = Log::default();
        let (_first, peer) = reactor.connect_to_peer(First::new(&log, upgrade));
        peer.send(b"switch\n");
        assert_eq!(peer.received(), [HELLO + 1]);
        peer.send([HELLO + 1, 3]);
        peer.send([b'h' + 1, b'i' + 1]);
        assert_eq!(peer.received(), [b'+' + 1, b'h' + 1, b'i' + 1]);
        peer.close();
        reactor.settle();
        assert!(log.has("frame hi"));
    });
    // The filter was there before.
    testing::run(|reactor| {
        let log = Log::default();
        let (first, peer) = reactor.connect_to_peer(First::new(&log, switch));
        first.insert_filter(Shift::new(1)).detach();
        let shifted: Vec<_> = INPUT.iter().map(|byte| byte.wrapping_add(1)).collect();
        peer.send([HELLO + 1]);
        for byte in shifted {
            peer.send([byte]);
        }
        assert_eq!(log.events(), EXPECTED[..6]);
        // The end, as the filter tells it.
        peer.send([b'.' + 1]);
        peer.finish();
        reactor.settle();
        assert!(log.has("second read closed"), "{:?}", log.events());
    });
}

#[test]
fn an_idle_timeout_goes_on() {
    testing::run(|reactor| {
        let log = Log::default();
        let (first, peer) = reactor.connect_to_peer(First::new(&log, switch));
        first
            .set_idle_timeout(Duration::from_secs(60))
            .expect("it is open");
        reactor.advance(Duration::from_secs(59));
        peer.send("switch\n");
        reactor.advance(Duration::from_secs(59));
        assert!(!peer.is_closed());
        reactor.advance(Duration::from_secs(1));
        assert!(peer.is_closed());
        assert!(log.events().last().expect("events").contains("60s"));
    });
}

#[test]
fn a_switch_does_not_put_off_an_idle_timeout() {
    testing::run(|reactor| {
        let log = Log::default();
        let (first, peer) = reactor.connect_to_peer(First::new(&log, switch));
        first
            .set_idle_timeout(Duration::from_secs(60))
            .expect("it is open");
        reactor.advance(Duration::from_secs(30));
        first
            .post(|this, cx| cx.switch_to(RawRecorder::new(&this.log)))
            .expect("it is open");
        reactor.advance(Duration::from_secs(29));
        assert!(first.is_gone() && !peer.is_closed());
        reactor.advance(Duration::from_secs(1));
        assert!(peer.is_closed());
    });
}

#[test]
fn the_timer_of_a_stalled_peer_ends_with_the_protocol() {
    testing::run(|reactor| {
        let log = Log::default();
        let (first, peer) = reactor.connect_to_peer(First::new(&log, switch));
        let limits = WriteLimits::default().with_max_buffered(100_000);
        first.set_write_limits(limits).expect("it is open");
        peer.set_reading(false);
        first.write(vec![0; 300_000]).expect("it is open");
        reactor.settle();
        let timers = reactor.delayed_calls().len();
        assert_ne!(timers, 0, "the peer has to take something");
        first
            .post(|this, cx| cx.switch_to(this.second()))
            .expect("it is open");
        reactor.settle();
        assert!(first.is_gone());
        assert_eq!(reactor.delayed_calls().len(), timers);
        peer.set_reading(true);
        assert_eq!(peer.received().len(), 300_001);
        assert!(reactor.delayed_calls().is_empty());
        peer.close();
    });
}

/// A filter that delivers a frame when it is woken, and passes on the rest as it is.
struct Wakes(Rc<RefCell<Option<FilterWaker>>>);

impl Filter for Wakes {
    fn start(&mut self, link: &mut Link<'_>) -> Result<()> {
        self.0.replace(Some(link.waker()));
        link.open();
        Ok(())
    }

    fn receive(&mut self, input: &mut [u8], link: &mut Link<'_>) -> Result<usize> {
        link.deliver(input);
        Ok(input.len())
    }

    fn send(&mut self, bytes: &[u8], link: &mut Link<'_>) -> Result<usize> {
        link.send(bytes);
        Ok(bytes.len())
    }

    fn wake(&mut self, link: &mut Link<'_>) -> Result<()> {
        link.deliver(b"\x05woken");
        Ok(())
    }
}

#[test]
fn a_filter_wakes_the_connection_of_the_next_protocol() {
    testing::run(|reactor| {
        let log = Log::default();
        let (first, peer) = reactor.connect_to_peer(First::new(&log, switch));
        let waker = Rc::default();
        first.insert_filter(Wakes(Rc::clone(&waker))).detach();
        peer.send("switch\n");
        assert!(first.is_gone());
        waker.borrow().as_ref().expect("it was started").wake();
        reactor.settle();
        assert!(log.has("frame woken"), "{:?}", log.events());
        peer.close();
    });
}

#[test]
fn a_throttle_goes_on_for_the_next_protocol() {
    testing::run(|reactor| {
        let log = Log::default();
        let (first, peer) = reactor.connect_to_peer(First::new(&log, switch));
        let throttle = Throttle::new().bytes_per_second(100);
        first.insert_filter(throttle.filter()).detach();
        let frames = b"\x01x".repeat(300);
        peer.send([b"switch\n", &frames[..]].concat());
        reactor.advance(Duration::from_secs(1));
        assert!(first.is_gone());
        reactor.advance(Duration::from_secs(10));
        let events = log.events();
        let frames = events.iter().filter(|event| *event == "frame x");
        assert_eq!(frames.count(), 300);
        peer.close();
    });
}

#[test]
fn a_place_among_limited_connections_is_kept_until_the_end() {
    let reactor = TestReactor::new();
    let (log, limits) = (Log::default(), ConnectionLimits::new().total(1));
    let make = log.clone();
    limits
        .over("127.0.0.1:80")
        .listen(&reactor, move || First::new(&make, switch))
        .detach();
    let client = "127.0.0.1:80".connect(&reactor, RawRecorder::new(&Log::default()));
    reactor.settle();
    let client = success_result_of(client);
    client.write("switch\n").expect("it is open");
    reactor.settle();
    assert!(log.has("second made"));
    assert_eq!(limits.open(), 1);
    client.lose_connection();
    reactor.settle();
    assert_eq!(limits.open(), 0);
}

#[test]
fn a_pump_ends_with_its_protocol() {
    testing::run(|reactor| {
        let log = Log::default();
        let (first, peer) = reactor.connect_to_peer(First::new(&log, switch));
        let (other, far) = reactor.connect_to_peer(RawRecorder::new(&log));
        let pumping = pump(&other, &first);
        peer.send("switch\n");
        let failure = deferred::assertions::failure_of(pumping);
        assert!(failure.is::<ConnectionClosed>(), "{failure}");
        assert!(far.is_closed() && !peer.is_closed());
        peer.close();
    });
}

#[test]
fn failures_of_the_next_protocol_are_its_own() {
    struct Touchy(Log, bool);

    impl Protocol for Touchy {
        type Framing = Raw;

        fn framing(&self) -> Raw {
            assert!(!self.1, "framing");
            Raw
        }

        fn connection_made(&mut self, _: &mut Context<'_, Self>) -> Result<()> {
            Err(Failure::msg("made"))
        }

        fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
            self.0.note(reason.to_string());
        }
    }

    struct To(Log, bool);

    impl Protocol for To {
        type Framing = Lines;

        fn received(&mut self, cx: &mut Context<'_, Self>, _line: &[u8]) -> Result<()> {
            cx.switch_to(Touchy(self.0.clone(), self.1));
            Ok(())
        }
    }

    for (in_framing, word) in [(false, "made"), (true, "framing")] {
        testing::run(|reactor| {
            let log = Log::default();
            let (_to, peer) = reactor.connect_to_peer(To(log.clone(), in_framing));
            peer.send("x\ny\n");
            assert!(peer.is_closed());
            let reasons = log.events();
            assert!(
                reasons.len() == 1 && reasons[0].contains(word),
                "{reasons:?}"
            );
        });
    }
}
