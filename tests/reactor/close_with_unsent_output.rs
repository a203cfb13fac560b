//! Closing with much unsent: both sides at once, a peer that is slow, a peer that takes nothing.

use std::os::unix::net::UnixStream;
use std::time::Duration;

use reactor::testing::{self, TestReactor};
use reactor::{Connection, Context, Producer, PushProducer, Reactor};

use crate::support::{Log, Peer, RawRecorder, assert_sleeps, reactor, serve, turn_until};

const SECOND: Duration = Duration::from_secs(1);

/// More than all buffers on the way hold.
const MUCH: usize = 20 * 1024 * 1024;

/// Writes much, closes, and wants to hear nothing.
fn closer(log: &Log) -> RawRecorder {
    RawRecorder::new(log)
        .on_made(|cx| {
            cx.write(vec![0; MUCH]);
            cx.lose_connection();
            Ok(())
        })
        .on_received(|_, _| unreachable!("it has closed"))
}

fn both_finish(reactor: &Reactor, logs: &[Log; 2]) {
    turn_until(reactor, || logs.iter().all(Log::is_lost));
    for log in logs {
        assert_eq!(log.events(), ["made", "lost: done"]);
    }
}

#[test]
fn two_ends_that_close_both_finish_over_tcp() {
    let logs = [Log::default(), Log::default()];
    let reactor = reactor();
    let server = closer(&logs[0]);
    let port = reactor
        .listen_tcp("127.0.0.1:0", move || server.clone())
        .expect("a port");
    reactor
        .connect_tcp(port.address(), closer(&logs[1]))
        .ignore();
    both_finish(&reactor, &logs);
}

#[test]
fn two_ends_that_close_both_finish_over_unix_sockets() {
    let logs = [Log::default(), Log::default()];
    let reactor = reactor();
    let (near, far) = UnixStream::pair().expect("two sockets");
    for (socket, log) in [near, far].into_iter().zip(&logs) {
        reactor
            .adopt_stream(socket, closer(log))
            .expect("a connection");
    }
    both_finish(&reactor, &logs);
}

#[test]
fn two_ends_that_close_both_finish_over_pipes() {
    let logs = [Log::default(), Log::default()];
    let reactor = reactor();
    let (from_there, there) = std::io::pipe().expect("a pipe");
    let (from_here, here) = std::io::pipe().expect("a pipe");
    for (input, output, log) in [(from_there, here, &logs[0]), (from_here, there, &logs[1])] {
        reactor
            .adopt_pipes(input, output, closer(log))
            .expect("a connection");
    }
    turn_until(&reactor, || logs.iter().all(Log::is_lost));
    // The first to finish closes both pipes, so the last bytes of the other may stay unread.
    assert!(logs.iter().any(|log| log.has("lost: done")));
}

#[test]
fn two_ends_that_close_both_finish_in_memory() {
    testing::run(|reactor| {
        let logs = [Log::default(), Log::default()];
        let _pair = reactor.connect_pair(closer(&logs[0]), closer(&logs[1]));
        reactor.settle();
        for log in &logs {
            assert_eq!(log.events(), ["made", "lost: done"]);
        }
    });
}

#[test]
fn one_that_closes_takes_what_its_peer_sends_however_much_that_is() {
    // The peer reads only when it has sent everything.
    const UPLOAD: usize = 64 * 1024 * 1024;
    let log = Log::default();
    let (reactor, address) = serve(closer(&log));
    let mut peer = Peer::connect(address);
    let mut sent = 0;
    let chunk = vec![0; 1024 * 1024];
    turn_until(&reactor, || {
        sent += peer.try_send(&chunk);
        sent >= UPLOAD
    });
    assert_eq!(peer.receive_all(&reactor).len(), MUCH);
    turn_until(&reactor, || log.is_lost());
    assert_eq!(log.events(), ["made", "lost: done"]);
}

#[test]
fn one_that_closes_takes_what_comes_although_it_was_paused_or_the_peer_has_finished() {
    for finishes in [false, true] {
        let log = Log::default();
        let recorder = closer(&log).on_made(|cx| {
            cx.write(vec![0; MUCH]);
            cx.pause_reading();
            cx.lose_connection();
            Ok(())
        });
        let (reactor, address) = serve(recorder);
        let mut peer = Peer::connect(address);
        turn_until(&reactor, || log.has("made"));
        peer.send(vec![0; 100_000]);
        if finishes {
            peer.0
                .shutdown(std::net::Shutdown::Write)
                .expect("a socket");
        }
        for _ in 0..10 {
            reactor.turn(Some(Duration::ZERO)).expect("it turns");
        }
        assert_sleeps(&reactor);
        assert_eq!(peer.receive_all(&reactor).len(), MUCH);
        turn_until(&reactor, || log.is_lost());
        assert_eq!(log.events(), ["made", "lost: done"]);
    }
}

// --- the close timeout ---

/// A protocol that pauses at the start and after each piece, until the test resumes it.
fn slow(log: &Log) -> RawRecorder {
    RawRecorder::new(log)
        .on_made(|cx| {
            cx.pause_reading();
            Ok(())
        })
        .on_received(|cx, _| {
            cx.pause_reading();
            Ok(())
        })
}

/// One that is closing, with 200,000 bytes unsent, and its slow peer.
fn closing(reactor: &TestReactor, log: &Log) -> [Connection<RawRecorder>; 2] {
    let (near, far) = reactor.connect_pair(RawRecorder::new(log), slow(&Log::default()));
    near.write(vec![0; 200_000]).expect("it is there");
    near.lose_connection();
    reactor.settle();
    [near, far]
}

#[test]
fn a_close_is_given_up_when_the_peer_takes_nothing_for_thirty_seconds() {
    testing::run(|reactor| {
        let log = Log::default();
        let _pair = closing(reactor, &log);
        reactor.advance(29 * SECOND);
        assert!(!log.is_lost());
        reactor.advance(SECOND);
        assert_eq!(log.events(), ["made", "lost: aborted"]);
    });
}

#[test]
fn a_close_may_take_as_long_as_the_peer_takes_something() {
    testing::run(|reactor| {
        let log = Log::default();
        let [near, far] = closing(reactor, &log);
        let mut rounds = 0;
        while !log.is_lost() {
            reactor.advance(29 * SECOND);
            let before = near.buffered().expect("it is there");
            far.resume_reading().expect("it is there");
            reactor.settle();
            rounds += 1;
            assert!(near.buffered().is_ok_and(|now| now < before) || near.is_gone());
        }
        assert!(rounds > 2, "it took {rounds} rounds");
        assert_eq!(log.events(), ["made", "lost: done"]);
        while !far.is_gone() {
            far.resume_reading().expect("it is there");
            reactor.settle();
        }
    });
}

#[test]
fn a_close_timeout_can_be_set_and_taken_away_while_it_closes() {
    testing::run(|reactor| {
        let log = Log::default();
        let [near, _far] = closing(reactor, &log);
        near.set_close_timeout(None).expect("it is there");
        reactor.advance(1000 * SECOND);
        assert!(!log.is_lost());
        near.set_close_timeout(60 * SECOND).expect("it is there");
        reactor.advance(50 * SECOND);
        assert!(!log.is_lost());
        // It has waited longer than that already.
        near.set_close_timeout(10 * SECOND).expect("it is there");
        reactor.settle();
        reactor.advance(Duration::ZERO);
        assert_eq!(log.events(), ["made", "lost: aborted"]);
    });
}

#[test]
fn a_failure_of_a_handler_is_still_the_reason_when_the_close_is_given_up() {
    testing::run(|reactor| {
        let (log, peer_log) = (Log::default(), Log::default());
        let (near, far) = reactor.connect_pair(RawRecorder::new(&log), slow(&peer_log));
        let fail = |_: &mut RawRecorder, cx: &mut Context<'_, RawRecorder>| {
            cx.write(vec![0; 200_000]);
            Err(deferred::Failure::msg("as asked"))
        };
        near.post(fail).expect("it is there");
        reactor.settle();
        assert!(!log.is_lost());
        reactor.advance(30 * SECOND);
        assert_eq!(log.events(), ["made", "lost: failed: as asked"]);
        // The peer is not to take what came for all there was.
        while far.resume_reading().is_ok() {
            reactor.settle();
        }
        assert!(peer_log.has("lost: broken"), "{:?}", peer_log.events());
    });
}

struct Idle;

impl PushProducer for Idle {
    fn pause_producing(&self) {}
    fn resume_producing(&self) {}
    fn stop_producing(&self) {}
}

#[test]
fn a_producer_that_thinks_is_not_the_fault_of_the_peer() {
    testing::run(|reactor| {
        let log = Log::default();
        let (connection, peer) = reactor.connect_to_peer(RawRecorder::new(&log));
        connection
            .register_producer(Producer::push(Idle))
            .expect("it is the first");
        connection.write("so far").expect("it is there");
        connection.lose_connection();
        reactor.advance(1000 * SECOND);
        assert!(!log.is_lost());
        connection.write(", so good").expect("it may finish");
        connection.unregister_producer();
        assert_eq!(peer.received(), b"so far, so good");
        assert_eq!(log.events(), ["made", "lost: done"]);
    });
}
