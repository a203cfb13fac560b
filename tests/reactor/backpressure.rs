//! Not too much at once.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use deferred::Abandoned;
use reactor::testing::{self, Peer, TestReactor};
use reactor::{
    Connection, Consumer, Context, Gone, Producer, ProducerError, Production, Protocol,
    PushProducer, Raw, WriteLimits, pump,
};

use crate::support::{Count, Log, RawRecorder};

/// More than the in-memory network and the high-water mark together hold.
const MUCH: usize = 300_000;

struct Noting(Log);

impl PushProducer for Noting {
    fn pause_producing(&self) {
        self.0.note("pause");
    }

    fn resume_producing(&self) {
        self.0.note("resume");
    }

    fn stop_producing(&self) {
        self.0.note("stop");
    }
}

fn connect(reactor: &TestReactor, log: &Log) -> (Connection<RawRecorder>, Peer) {
    reactor.connect_to_peer(RawRecorder::new(log))
}

/// A connection whose peer does not read.
fn stuck(reactor: &TestReactor, log: &Log) -> (Connection<RawRecorder>, Peer) {
    let (connection, peer) = connect(reactor, log);
    peer.set_reading(false);
    (connection, peer)
}

/// A connection with a paused producer, which notes its `pause`, `resume` and `stop` in `told`.
fn with_a_paused_producer(
    reactor: &TestReactor,
    log: &Log,
    told: &Log,
) -> (Connection<RawRecorder>, Peer) {
    let (connection, peer) = stuck(reactor, log);
    connection
        .register_producer(Producer::push(Noting(told.clone())))
        .expect("it is the first");
    connection.write(vec![0; MUCH]).expect("it is there");
    reactor.settle();
    (connection, peer)
}

#[test]
fn a_push_producer_is_paused_and_resumed_in_turns() {
    testing::run(|reactor| {
        let (log, (connection, peer)) = (Log::default(), stuck(reactor, &Log::default()));
        let producer = Producer::push(Noting(log.clone()));
        connection
            .register_producer(producer)
            .expect("it is the first");
        for _ in 0..3 {
            connection.write(vec![0; MUCH]).expect("it is there");
            reactor.settle();
        }
        assert_eq!(log.events(), ["pause"]);
        peer.set_reading(true);
        assert_eq!(log.events(), ["pause", "resume"]);
        peer.set_reading(false);
        connection.write(vec![0; MUCH]).expect("it is there");
        reactor.settle();
        assert_eq!(log.events(), ["pause", "resume", "pause"]);
        peer.reset();
        assert_eq!(log.events(), ["pause", "resume", "pause", "stop"]);
    });
}

/// Twisted's usual push producer: it writes until it is paused.
#[derive(Default)]
struct Eager {
    to: RefCell<Option<Connection<RawRecorder>>>,
    is_paused: Cell<bool>,
    pauses: Cell<usize>,
    left: Cell<usize>,
    most_waiting: Cell<usize>,
}

impl Eager {
    const PIECE: usize = 8192;

    fn write_until_paused(&self) {
        let to = self.to.borrow();
        let to = to.as_ref().expect("it is there");
        while !self.is_paused.get() && self.left.get() > 0 {
            self.left.set(self.left.get() - Self::PIECE);
            to.write([7; Self::PIECE]).expect("it is there");
            let waiting = to.buffered().expect("it is there");
            self.most_waiting.set(self.most_waiting.get().max(waiting));
        }
        if self.left.get() == 0 {
            to.unregister_producer();
            to.lose_connection();
        }
    }
}

struct Shared(Rc<Eager>);

impl PushProducer for Shared {
    fn pause_producing(&self) {
        self.0.is_paused.set(true);
        self.0.pauses.set(self.0.pauses.get() + 1);
    }

    fn resume_producing(&self) {
        self.0.is_paused.set(false);
        self.0.write_until_paused();
    }

    fn stop_producing(&self) {
        unreachable!("it finishes");
    }
}

/// Number of bytes that `Eager` writes; it is paused in between.
const EAGER: usize = 81_920_000;

fn eager(connection: &Connection<RawRecorder>) -> Rc<Eager> {
    let eager = Rc::new(Eager::default());
    eager.to.replace(Some(connection.clone()));
    eager.left.set(EAGER);
    connection
        .register_producer(Producer::push(Shared(Rc::clone(&eager))))
        .expect("it is the first");
    eager
}

fn assert_was_paused_in_time(eager: &Eager) {
    let high_water = WriteLimits::default().high_water;
    assert!(eager.pauses.get() > 1000, "{} pauses", eager.pauses.get());
    assert!(eager.most_waiting.get() <= high_water + Eager::PIECE);
}

#[test]
fn a_push_producer_that_writes_until_it_is_paused_is_paused_in_time() {
    testing::run(|reactor| {
        let log = Log::default();
        let (connection, peer) = connect(reactor, &log);
        let eager = eager(&connection);
        // First from outside of all handlers, then from `resume_producing`.
        eager.write_until_paused();
        assert!(eager.is_paused.get());
        assert_eq!(peer.received().len(), EAGER);
        assert_was_paused_in_time(&eager);
        assert_eq!(log.events(), ["made", "lost: done"]);
    });
}

#[test]
fn a_push_producer_is_paused_in_time_over_tcp_and_in_a_handler() {
    let (reactor, log) = (crate::support::reactor(), Log::default());
    let kept = Rc::new(RefCell::new(None));
    let keep = Rc::clone(&kept);
    let recorder = RawRecorder::new(&log).on_made(move |cx| {
        let eager = eager(&cx.connection());
        eager.write_until_paused();
        assert!(eager.is_paused.get());
        keep.replace(Some(eager));
        Ok(())
    });
    let port = reactor
        .listen_tcp("127.0.0.1:0", move || recorder.clone())
        .expect("a port");
    let mut peer = crate::support::Peer::connect(port.address());
    assert_eq!(peer.receive_all(&reactor).len(), EAGER);
    assert_was_paused_in_time(kept.borrow().as_ref().expect("it was kept"));
}

#[test]
fn a_mark_below_what_is_sent_at_once_holds_for_a_producer_too() {
    testing::run(|reactor| {
        let (log, (connection, _peer)) = (Log::default(), stuck(reactor, &Log::default()));
        let limits = WriteLimits::default().with_high_water(1000);
        connection.set_write_limits(limits).expect("it is there");
        connection
            .register_producer(Producer::push(Noting(log.clone())))
            .expect("it is the first");
        connection.write([0; 1000]).expect("it is there");
        assert_eq!(log.len(), 0);
        connection.write("x").expect("it is there");
        assert_eq!(log.events(), ["pause"]);
        connection.abort();
    });
}

#[test]
fn a_pull_producer_is_asked_when_there_is_room() {
    testing::run(|reactor| {
        let (connection, peer) = stuck(reactor, &Log::default());
        let asked = Count::default();
        let counting = asked.clone();
        let producer = Producer::pull(move |consumer: &mut Consumer<'_>| {
            let times = counting.add();
            consumer.write(vec![0; 10_000]);
            Ok(if times == 100 {
                Production::Done
            } else {
                Production::More
            })
        });
        connection
            .register_producer(producer)
            .expect("it is the first");
        connection.lose_connection();
        reactor.settle();
        // As much as the network holds, and the piece that did not fit.
        assert!(asked.get() < 10, "{}", asked.get());
        peer.set_reading(true);
        assert_eq!(peer.received().len(), 1_000_000);
        assert_eq!(asked.get(), 100);
        assert!(peer.is_closed());
    });
}

#[test]
fn a_pull_producer_that_fails_ends_its_connection() {
    testing::run(|reactor| {
        let log = Log::default();
        let (connection, peer) = connect(reactor, &log);
        let producer = Producer::pull(|consumer: &mut Consumer<'_>| {
            consumer.write("the beginning");
            Err(deferred::Failure::msg("the disk is broken"))
        });
        connection
            .register_producer(producer)
            .expect("it is the first");
        assert_eq!(peer.received(), b"the beginning");
        assert_eq!(log.events(), ["made", "lost: failed: the disk is broken"]);
    });
}

#[test]
fn closing_waits_for_a_producer_of_either_kind() {
    testing::run(|reactor| {
        let log = Log::default();
        let (connection, peer) = connect(reactor, &log);
        let producer = Producer::push(Noting(Log::default()));
        connection
            .register_producer(producer)
            .expect("it is the first");
        connection.lose_connection();
        reactor.settle();
        assert!(!log.is_lost());
        connection
            .write("the producer's last piece")
            .expect("it may finish");
        connection.unregister_producer();
        assert_eq!(peer.received(), b"the producer's last piece");
        assert_eq!(log.events(), ["made", "lost: done"]);
        assert!(connection.write("too late").is_err());
    });
}

#[test]
fn closing_waits_for_a_producer_that_is_paused_and_has_it_resumed() {
    testing::run(|reactor| {
        let (lost, log) = (Log::default(), Log::default());
        let (connection, peer) = with_a_paused_producer(reactor, &lost, &log);
        connection.lose_connection();
        reactor.settle();
        assert_eq!(log.events(), ["pause"]);
        peer.set_reading(true);
        assert_eq!(log.events(), ["pause", "resume"]);
        assert!(!lost.is_lost());
        connection.write("the rest").expect("it may finish");
        connection.unregister_producer();
        let received = peer.received();
        assert_eq!(received.len(), MUCH + 8);
        assert!(received.ends_with(b"the rest"));
        assert_eq!(lost.events(), ["made", "lost: done"]);
        // It unregistered itself, so `stop_producing` was not called.
        assert_eq!(log.events(), ["pause", "resume"]);
    });
}

#[test]
fn a_producer_that_gives_up_while_it_is_paused_holds_up_no_close() {
    testing::run(|reactor| {
        let (lost, log) = (Log::default(), Log::default());
        let (connection, peer) = with_a_paused_producer(reactor, &lost, &log);
        connection.unregister_producer();
        connection.lose_connection();
        peer.set_reading(true);
        assert_eq!(peer.received().len(), MUCH);
        assert_eq!(lost.events(), ["made", "lost: done"]);
        assert_eq!(log.events(), ["pause"]);
    });
}

#[test]
fn unregistering_does_nothing_when_the_connection_is_gone() {
    testing::run(|reactor| {
        let log = Log::default();
        let (connection, peer) = connect(reactor, &Log::default());
        let producer = Producer::push(Noting(log.clone()));
        connection
            .register_producer(producer)
            .expect("it is the first");
        peer.reset();
        assert!(connection.is_gone());
        connection.unregister_producer();
        reactor.settle();
        assert_eq!(log.events(), ["stop"]);
    });
}

#[test]
fn a_producer_that_comes_after_the_close_is_stopped_even_if_something_is_still_sent() {
    testing::run(|reactor| {
        let (lost, log) = (Log::default(), Log::default());
        let (connection, peer) = stuck(reactor, &lost);
        connection.write(vec![0; MUCH]).expect("it is there");
        connection.lose_connection();
        for producer in [
            Producer::push(Noting(log.clone())),
            Producer::pull(|_: &mut Consumer<'_>| unreachable!("it is not asked")),
        ] {
            let refused = connection.register_producer(producer);
            assert_eq!(refused, Err(ProducerError::Gone));
        }
        assert_eq!(log.events(), ["stop"]);
        peer.set_reading(true);
        assert_eq!(peer.received().len(), MUCH);
        assert_eq!(lost.events(), ["made", "lost: done"]);
        assert_eq!(log.events(), ["stop"]);
    });
}

/// Does what a protocol does that says nothing of its peer's end.
struct Plain;

impl Protocol for Plain {
    type Framing = Raw;

    fn received(&mut self, _: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> {
        Ok(())
    }
}

#[test]
fn when_the_peer_has_finished_a_push_producer_is_stopped_and_a_pull_producer_finishes() {
    testing::run(|reactor| {
        let (log, (connection, peer)) = (Log::default(), reactor.connect_to_peer(Plain));
        let producer = Producer::push(Noting(log.clone()));
        connection
            .register_producer(producer)
            .expect("it is the first");
        peer.finish();
        assert_eq!(log.events(), ["stop"]);
        assert!(peer.is_closed());

        let (connection, peer) = reactor.connect_to_peer(Plain);
        peer.set_reading(false);
        let mut pieces = 0..100;
        let producer = Producer::pull(move |consumer: &mut Consumer<'_>| {
            consumer.write(vec![0; 10_000]);
            Ok(if pieces.next().is_some() {
                Production::More
            } else {
                Production::Done
            })
        });
        connection
            .register_producer(producer)
            .expect("it is the first");
        peer.finish();
        peer.set_reading(true);
        assert_eq!(peer.received().len(), 1_010_000);
        assert!(peer.is_closed());
    });
}

#[test]
fn a_second_producer_is_refused_and_the_first_one_stays() {
    testing::run(|reactor| {
        let (first, second) = (Log::default(), Log::default());
        let (connection, peer) = connect(reactor, &Log::default());
        let producer = Producer::push(Noting(first.clone()));
        connection
            .register_producer(producer)
            .expect("it is the first");
        let refused = connection.register_producer(Producer::push(Noting(second.clone())));
        assert_eq!(refused, Err(ProducerError::AlreadyRegistered));
        assert_eq!(second.events(), ["stop"]);
        assert_eq!(first.len(), 0);
        peer.reset();
        let late = connection.register_producer(Producer::push(Noting(second.clone())));
        assert_eq!(late, Err(ProducerError::Gone));
        assert_eq!(first.events(), ["stop"]);
        assert_eq!(second.events(), ["stop", "stop"]);
    });
}

#[test]
fn a_deferred_tells_when_there_is_room() {
    testing::run(|reactor| {
        let (log, (connection, peer)) = (Log::default(), stuck(reactor, &Log::default()));
        assert!(connection.ready().into_result().is_ok(), "at once");
        connection.write(vec![0; MUCH]).expect("it is there");
        reactor.settle();
        for (name, waiting) in [
            ("ready", connection.ready()),
            ("drained", connection.drained()),
        ] {
            let log = log.clone();
            waiting.add_callback(move |()| log.note(name)).ignore();
        }
        assert_eq!(log.len(), 0);
        peer.set_reading(true);
        assert_eq!(log.events(), ["ready", "drained"]);
        peer.set_reading(false);
        connection.write(vec![0; MUCH]).expect("it is there");
        let too_late = connection.drained();
        connection.abort();
        reactor.settle();
        let failure = deferred::assertions::failure_of(too_late);
        assert!(failure.is::<Gone>());
    });
}

#[test]
fn a_close_that_takes_too_long_is_cut_short() {
    testing::run(|reactor| {
        let log = Log::default();
        let (connection, peer) = connect(reactor, &log);
        peer.set_reading(false);
        connection
            .set_close_timeout(Duration::from_secs(5))
            .expect("it is there");
        connection.write(vec![0; MUCH]).expect("it is there");
        connection.lose_connection();
        reactor.advance(Duration::from_secs(4));
        assert!(!log.is_lost());
        reactor.advance(Duration::from_secs(1));
        assert_eq!(log.events(), ["made", "lost: aborted"]);
    });
}

#[test]
fn a_pump_keeps_order_pressure_and_half_closes() {
    testing::run(|reactor| {
        let (front, client) = connect(reactor, &Log::default());
        let (back, server) = connect(reactor, &Log::default());
        let done: Rc<RefCell<Vec<u64>>> = Rc::default();
        for (reader, writer) in [(&front, &back), (&back, &front)] {
            let done = Rc::clone(&done);
            pump(reader, writer)
                .add_callback(move |bytes| done.borrow_mut().push(bytes))
                .ignore();
        }
        client.send("a request");
        assert_eq!(server.received(), b"a request");

        // The server does not read: the client has to stop sooner or later.
        server.set_reading(false);
        let sent = client.try_send(&vec![7; 10 * 1024 * 1024]);
        assert!(sent < 1024 * 1024, "{sent}");
        assert!(back.buffered().expect("it is there") <= 2 * WriteLimits::default().high_water);
        server.set_reading(true);
        assert_eq!(server.received().len(), sent);

        client.finish();
        assert!(server.is_closed());
        assert!(!front.is_gone());
        server.send("the answer comes after the end of the request");
        assert!(client.received().starts_with(b"the answer"));
        server.finish();
        assert!(client.is_closed());
        assert!(front.is_gone() && back.is_gone());
        assert_eq!(*done.borrow(), [9 + sent as u64, 45]);
    });
}

#[test]
fn a_pump_that_breaks_says_so_and_ends_the_other_side() {
    testing::run(|reactor| {
        let (front, client) = connect(reactor, &Log::default());
        let (back, server) = connect(reactor, &Log::default());
        let pumping = pump(&front, &back);
        client.send("some");
        server.reset();
        let failure = deferred::assertions::failure_of(pumping);
        assert!(failure.message().contains("lost"), "{failure}");
        assert!(client.is_closed());
        assert!(front.is_gone() && back.is_gone());
    });
}

#[test]
fn one_connection_can_be_the_producer_of_another() {
    testing::run(|reactor| {
        let (back, server) = connect(reactor, &Log::default());
        let to = back.clone();
        let forwarder = RawRecorder::new(&Log::default()).on_received(move |_, data| {
            to.write(data)?;
            Ok(())
        });
        let (front, client) = reactor.connect_to_peer(forwarder);
        back.register_producer(Producer::push(front))
            .expect("it is the first");
        server.set_reading(false);
        let sent = client.try_send(&vec![7; 10 * 1024 * 1024]);
        assert!(sent < 1024 * 1024, "{sent}");
        server.set_reading(true);
        assert_eq!(server.received().len(), sent);
        server.reset();
        assert!(client.is_closed(), "its producer was stopped");
    });
}

#[test]
fn a_second_pump_replaces_the_first_whose_callback_may_use_the_connections() {
    testing::run(|reactor| {
        let (front, client) = connect(reactor, &Log::default());
        let (stalled, stalled_peer) = stuck(reactor, &Log::default());
        let (back, server) = connect(reactor, &Log::default());
        let log = Log::default();
        let (noted, reader) = (log.clone(), front.clone());
        pump(&front, &stalled)
            .add_errback(move |failure| {
                // Asks for what is kept beside the pump.
                reader.closed().detach();
                noted.note(format!("{}", failure.is::<Abandoned>()));
                Ok(0)
            })
            .ignore();
        let sent = client.try_send(&vec![7; 10 * 1024 * 1024]);
        assert!(sent < 1024 * 1024, "the first pump waits for room: {sent}");

        pump(&front, &back).ignore();
        assert_eq!(log.events(), ["true"]);
        stalled_peer.set_reading(true);
        let first = stalled_peer.received().len();
        client.send("for the second");
        let second = server.received();
        assert!(second.ends_with(b"for the second"), "{}", second.len());
        assert_eq!(first + second.len(), sent + 14);
        server.reset();
        assert!(client.is_closed());
    });
}

#[test]
fn each_pump_into_a_connection_fails_when_that_ends() {
    testing::run(|reactor| {
        let (first, first_client) = connect(reactor, &Log::default());
        let (second, second_client) = connect(reactor, &Log::default());
        let (back, server) = connect(reactor, &Log::default());
        let pumping = [pump(&first, &back), pump(&second, &back)];
        first_client.send("one ");
        second_client.send("two");
        assert_eq!(server.received(), b"one two");
        server.reset();
        for pumping in pumping {
            let failure = deferred::assertions::failure_of(pumping);
            assert!(failure.message().contains("lost"), "{failure}");
        }
        assert!(first_client.is_closed() && second_client.is_closed());
    });
}

#[test]
fn a_pull_producer_may_have_another_one_registered_in_its_place() {
    testing::run(|reactor| {
        let (connection, peer) = connect(reactor, &Log::default());
        let (to, mut pieces) = (connection.clone(), 0..2);
        let second = move |consumer: &mut Consumer<'_>| {
            consumer.write("second ");
            Ok(match pieces.next() {
                Some(_) => Production::More,
                None => Production::Done,
            })
        };
        let mut second = Some(Producer::pull(second));
        let first = move |consumer: &mut Consumer<'_>| {
            consumer.write("first ");
            if let Some(second) = second.take() {
                to.unregister_producer();
                to.register_producer(second).expect("the first has gone");
            }
            Ok(Production::More)
        };
        connection
            .register_producer(Producer::pull(first))
            .expect("it is the first");
        assert_eq!(peer.received(), b"first second second second ");
        connection.lose_connection();
        assert!(peer.is_closed(), "no producer is registered any more");
    });
}
