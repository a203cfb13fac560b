//! A stop while connections are closing: what is left is sent, for a limited time.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use deferred::Deferred;
use reactor::endpoint::AnyPort;
use reactor::testing::{self, TestReactor};
use reactor::{Address, Connection, Factory, Listen, Phase, Producer, PushProducer, SystemEvent};

use crate::support::{Log, Peer, RawRecorder, serve, turn_until};

const SECOND: Duration = Duration::from_secs(1);
const MUCH: usize = 300_000;

/// A connection that is closing, and its peer, which does not read.
fn closing(reactor: &TestReactor, log: &Log) -> (Connection<RawRecorder>, testing::Peer) {
    let (connection, peer) = reactor.connect_to_peer(RawRecorder::new(log));
    peer.set_reading(false);
    connection.write(vec![0; MUCH]).expect("it is there");
    connection.lose_connection();
    reactor.settle();
    (connection, peer)
}

/// Notes when the loop has stopped: a peer that goes on reading would start it anew.
fn note_the_end(reactor: &TestReactor, order: &Log) {
    let noted = order.clone();
    reactor.add_system_event_trigger(Phase::After, SystemEvent::Shutdown, move || {
        noted.note("stopped");
    });
}

#[test]
fn what_is_left_of_a_closing_connection_is_sent_before_the_loop_has_stopped() {
    testing::run(|reactor| {
        let (log, open_log, order) = (Log::default(), Log::default(), Log::default());
        let (_connection, peer) = closing(reactor, &log);
        let (_open, _open_peer) = reactor.connect_to_peer(RawRecorder::new(&open_log));
        let port = reactor
            .listen_tcp("127.0.0.1:80", || RawRecorder::new(&Log::default()))
            .expect("a port");
        note_the_end(reactor, &order);
        reactor.stop();
        reactor.settle();
        // Connections that are not closing end at once.
        assert_eq!(open_log.events(), ["made", "lost: reactor stopped"]);
        assert!(!port.is_listening());
        assert!(reactor.is_running());
        assert_eq!((log.len(), order.len()), (1, 0));
        peer.set_reading(true);
        assert_eq!(peer.received().len(), MUCH);
        assert_eq!(log.events(), ["made", "lost: done"]);
        assert_eq!(order.events(), ["stopped"]);
        assert!(reactor.delayed_calls().is_empty());
    });
}

#[test]
fn the_time_for_that_is_limited_however_much_is_taken_meanwhile() {
    testing::run(|reactor| {
        let (log, slow) = (Log::default(), Log::default());
        let (_stuck, _peer) = closing(reactor, &log);
        // This one would go on for ever: it has something to say each second.
        let (connection, peer) = reactor.connect_to_peer(RawRecorder::new(&slow));
        let producer = Producer::push(Endless);
        connection
            .register_producer(producer)
            .expect("it is the first");
        connection.lose_connection();
        reactor.stop();
        for _ in 0..9 {
            reactor.advance(SECOND);
            connection.write("news").expect("it may finish");
            assert_eq!(peer.received(), b"news");
        }
        assert!(reactor.is_running());
        reactor.advance(SECOND);
        assert!(!reactor.is_running());
        for log in [&log, &slow] {
            assert_eq!(log.events(), ["made", "lost: reactor stopped"]);
        }
    });
}

struct Endless;

impl PushProducer for Endless {
    fn pause_producing(&self) {}
    fn resume_producing(&self) {}
    fn stop_producing(&self) {}
}

#[test]
fn no_time_at_all_may_be_given() {
    testing::run(|reactor| {
        let log = Log::default();
        let (_connection, _peer) = closing(reactor, &log);
        reactor.set_shutdown_timeout(Duration::ZERO);
        reactor.stop();
        reactor.settle();
        assert!(!reactor.is_running());
        assert_eq!(log.events(), ["made", "lost: reactor stopped"]);
    });
}

#[test]
fn triggers_of_the_first_phase_come_before_and_the_reactor_runs_again_after_it() {
    testing::run(|reactor| {
        let (log, order) = (Log::default(), Log::default());
        note_the_end(reactor, &order);
        let (_connection, peer) = closing(reactor, &log);
        let (finish, finished) = Deferred::<()>::pair();
        let finished = Cell::new(Some(finished));
        reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || {
            finished.take().expect("it is called once")
        });
        reactor.stop();
        // That time does not count.
        reactor.advance(20 * SECOND);
        assert!(reactor.is_running() && !log.is_lost());
        finish.callback(()).expect("it is the first");
        reactor.advance(9 * SECOND);
        assert!(reactor.is_running() && !log.is_lost());
        assert_eq!(order.len(), 0);
        peer.set_reading(true);
        assert_eq!(order.events(), ["stopped"]);
        let ran = Rc::new(Cell::new(false));
        let runs = Rc::clone(&ran);
        reactor.call_when_running(move || runs.set(true));
        reactor.settle();
        assert!(ran.get());
        reactor.stop();
        reactor.settle();
        assert!(!reactor.is_running());
    });
}

#[test]
fn a_crash_ends_the_wait_and_leaves_connections_as_they_are() {
    testing::run(|reactor| {
        let log = Log::default();
        let (_connection, peer) = closing(reactor, &log);
        reactor.stop();
        reactor.settle();
        reactor.crash();
        assert!(!reactor.is_running() && !log.is_lost());
        assert_eq!(reactor.delayed_calls().len(), 1, "that of the close");
        peer.set_reading(true);
        assert_eq!(peer.received().len(), MUCH);
        assert_eq!(log.events(), ["made", "lost: done"]);
    });
}

#[test]
fn one_that_breaks_is_not_waited_for() {
    testing::run(|reactor| {
        let (log, order) = (Log::default(), Log::default());
        let (_connection, peer) = closing(reactor, &log);
        reactor.stop();
        reactor.settle();
        assert!(reactor.is_running());
        note_the_end(reactor, &order);
        peer.reset();
        assert_eq!(order.events(), ["stopped"]);
        assert_eq!(log.events(), ["made", "lost: broken"]);
    });
}

#[test]
fn an_answer_is_sent_to_its_end_over_tcp_although_its_handler_stops_the_loop() {
    const SIZE: usize = 20 * 1024 * 1024;
    let log = Log::default();
    let (reactor, address) = serve(RawRecorder::new(&log).on_received(|cx, _| {
        cx.write(vec![0; SIZE]);
        cx.lose_connection();
        cx.reactor().stop();
        Ok(())
    }));
    let mut peer = Peer::connect(address);
    peer.send("all of it");
    let (mut received, mut stopped) = (0, false);
    turn_until(&reactor, || {
        // `turn_until` would start it anew.
        stopped = stopped || !reactor.is_running() && log.is_lost();
        match peer.receive() {
            Some(bytes) => received += bytes.len(),
            None => return true,
        }
        false
    });
    assert_eq!(received, SIZE);
    assert!(stopped);
    assert!(log.has("lost: done"), "{:?}", log.events());
}

/// What `port` is when the next trigger of the phase `Before` is called.
fn see_before(reactor: &TestReactor, port: &AnyPort) -> Rc<Cell<Option<bool>>> {
    let (seen, port) = (Rc::new(Cell::new(None)), port.clone());
    let see = Rc::clone(&seen);
    let (phase, event) = (Phase::Before, SystemEvent::Shutdown);
    reactor.add_system_event_trigger(phase, event, move || see.set(Some(port.is_listening())));
    seen
}

#[test]
fn a_port_is_closed_in_the_phase_before_if_it_was_asked_to() {
    for is_asked in [false, true] {
        let reactor = TestReactor::new();
        // Two sockets: all IPv4 addresses, and all IPv6 addresses.
        let listening = "tcp:80".listen(&reactor, || RawRecorder::new(&Log::default()));
        let port = reactor.result_of(listening).expect("a port");
        if is_asked {
            port.stop_before_shutdown();
            port.stop_before_shutdown();
        }
        let triggers = if is_asked { 2 } else { 0 };
        assert_eq!(reactor.counters().system_event_triggers, triggers);
        let seen = see_before(&reactor, &port);
        reactor.shut_down();
        assert_eq!(seen.get(), Some(!is_asked));
        assert!(!port.is_listening());
        assert_eq!(reactor.counters().system_event_triggers, 0);
    }
}

#[test]
fn a_closed_port_has_no_trigger_and_gets_one_when_it_opens_again() {
    let reactor = TestReactor::new();
    let listening =
        "tcp:80:interface=127.0.0.1".listen(&reactor, || RawRecorder::new(&Log::default()));
    let port = reactor.result_of(listening).expect("a port");
    let triggers = || reactor.counters().system_event_triggers;
    port.stop_listening().ignore();
    port.stop_before_shutdown();
    assert_eq!(triggers(), 0);
    port.start_listening().expect("its address is free");
    assert_eq!(triggers(), 1);
    let seen = see_before(&reactor, &port);
    reactor.shut_down();
    assert_eq!(seen.get(), Some(false));
}

#[test]
fn a_panic_of_a_factory_in_the_phase_before_does_not_end_the_shutdown() {
    struct Panicking;

    impl Factory for Panicking {
        type Protocol = RawRecorder;

        fn build_protocol(&mut self, _: &Address) -> Option<RawRecorder> {
            None
        }

        fn stop_factory(&mut self) {
            panic!("what a factory may do");
        }
    }

    let reactor = TestReactor::new();
    let port = reactor
        .listen_tcp("127.0.0.1:80", Panicking)
        .expect("a port");
    port.stop_before_shutdown();
    let seen = see_before(&reactor, &port.into());
    reactor.shut_down();
    assert_eq!(seen.get(), Some(false));
    assert!(!reactor.is_running());
}
