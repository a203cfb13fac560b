//! Pauses of reading are counted: two parts of a program that pause do not undo each other's.

use reactor::testing::{self, Peer, TestReactor};
use reactor::{Connection, PushProducer, pump};

use crate::support::{LineRecorder, Log, RawRecorder};

fn lines(reactor: &TestReactor) -> (Connection<LineRecorder>, Peer, Log) {
    let log = Log::default();
    let (connection, peer) = reactor.connect_to_peer(LineRecorder::new(&log));
    (connection, peer, log)
}

#[test]
fn a_connection_is_read_when_the_last_pause_has_ended() {
    testing::run(|reactor| {
        let (connection, peer, log) = lines(reactor);
        for _ in 0..3 {
            connection.pause_reading().expect("it is open");
        }
        peer.send("one\n");
        for _ in 0..2 {
            connection.resume_reading().expect("it is open");
            reactor.settle();
            assert_eq!(log.events(), ["made"]);
        }
        connection.resume_reading().expect("it is open");
        reactor.settle();
        assert_eq!(log.events(), ["made", "received one"]);
    });
}

#[test]
fn pauses_of_the_context_and_of_handles_are_counted_together() {
    testing::run(|reactor| {
        let (connection, peer, log) = lines(reactor);
        connection.pause_reading().expect("it is open");
        connection
            .post(|_this, cx| cx.pause_reading())
            .expect("it is open");
        peer.send("one\n");
        reactor.settle();
        connection.resume_reading().expect("it is open");
        reactor.settle();
        assert_eq!(log.events(), ["made"]);
        connection
            .post(|_this, cx| cx.resume_reading())
            .expect("it is open");
        reactor.settle();
        assert_eq!(log.events(), ["made", "received one"]);
    });
}

#[test]
fn a_resume_without_a_pause_does_not_count_against_a_later_one() {
    testing::run(|reactor| {
        let (connection, peer, log) = lines(reactor);
        for _ in 0..3 {
            connection.resume_reading().expect("it is open");
        }
        connection.pause_reading().expect("it is open");
        peer.send("one\n");
        reactor.settle();
        assert_eq!(log.events(), ["made"]);
        connection.abort();
    });
}

#[test]
fn a_pump_that_waits_for_room_and_the_program_do_not_undo_each_other() {
    testing::run(|reactor| {
        let log = Log::default();
        let (front, client) = reactor.connect_to_peer(RawRecorder::new(&log));
        let (back, server) = reactor.connect_to_peer(RawRecorder::new(&log));
        pump(&front, &back).ignore();
        server.set_reading(false);
        // Until the pump has no more room.
        let sent = client.try_send(&vec![7; 4 * 1024 * 1024]);
        front.pause_reading().expect("it is open");
        // It goes on, but the program does not want it to.
        server.set_reading(true);
        let first = server.received().len();
        assert!(first < sent, "the rest is not read: {first} of {sent}");
        reactor.settle();
        assert_eq!(server.received().len(), 0);
        // The pump waits once more; a resume of the program does not end that.
        server.set_reading(false);
        front.resume_reading().expect("it is open");
        reactor.settle();
        let more = client.try_send(&vec![7; 4 * 1024 * 1024]);
        front.pause_reading().expect("it is open");
        front.resume_reading().expect("it is open");
        assert_eq!(client.try_send(&[7; 1024 * 1024]), 0, "there is no room");
        server.set_reading(true);
        assert_eq!(first + server.received().len(), sent + more);
        front.abort();
        back.abort();
    });
}

#[test]
fn a_connection_that_is_a_producer_and_the_program_do_not_undo_each_other() {
    testing::run(|reactor| {
        let (connection, peer, log) = lines(reactor);
        connection.pause_producing();
        connection.pause_reading().expect("it is open");
        peer.send("one\n");
        connection.resume_producing();
        reactor.settle();
        assert_eq!(log.events(), ["made"]);
        connection.resume_reading().expect("it is open");
        reactor.settle();
        assert_eq!(log.events(), ["made", "received one"]);
    });
}
