//! Testing without sockets: what the tools themselves promise.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use deferred::sleep;
use reactor::testing::{self, TestReactor};

use crate::support::{LineRecorder, Log, RawRecorder};

#[test]
fn time_goes_from_call_to_call() {
    let (reactor, log) = (TestReactor::new(), Log::default());
    let (handle, noting) = (reactor.handle(), log.clone());
    let second = Duration::from_secs(1);
    let sleeping = reactor.spawn(async move {
        for _ in 0..3 {
            sleep(&handle, second).await?;
            noting.note(format!("{:?}", handle.now()));
        }
        Ok(())
    });
    reactor.advance(Duration::from_millis(3500));
    assert_eq!(log.events(), ["1s", "2s", "3s"]);
    assert_eq!(reactor.now(), Duration::from_millis(3500));
    deferred::testing::success_result_of(sleeping);
}

#[test]
fn input_may_come_byte_by_byte() {
    testing::run(|reactor| {
        reactor.set_largest_read(1);
        let log = Log::default();
        let (_, peer) = reactor.connect_to_peer(LineRecorder::new(&log));
        peer.send("one\r\ntwo\r\n");
        peer.close();
        let expected = [
            "made",
            "received one",
            "received two",
            "read closed",
            "lost: done",
        ];
        assert_eq!(log.events(), expected);
    });
}

#[test]
fn two_protocols_talk_to_each_other() {
    testing::run(|reactor| {
        let (one, other) = (Log::default(), Log::default());
        let asking = LineRecorder::new(&one).on_made(|cx| {
            cx.send_line("how are you?");
            Ok(())
        });
        let answering = LineRecorder::new(&other).on_received(|cx, _| {
            cx.send_line("fine");
            cx.lose_connection();
            Ok(())
        });
        reactor.connect_pair(asking, answering);
        assert!(one.has("received fine"));
        assert_eq!(one.events().last().map(String::as_str), Some("lost: done"));
        assert!(other.is_lost());
    });
}

#[test]
fn ports_and_clients_find_one_another_by_address() {
    testing::run(|reactor| {
        let (server, client) = (Log::default(), Log::default());
        let recorder = RawRecorder::new(&server);
        let port = reactor
            .listen_tcp("0.0.0.0:80", move || recorder.clone())
            .expect("it is free");
        assert!(
            reactor
                .listen_tcp("0.0.0.0:80", || RawRecorder::new(&Log::default()))
                .is_err()
        );
        let connecting = reactor.connect_tcp("127.0.0.1:80", RawRecorder::new(&client));
        reactor.settle();
        let connection = deferred::testing::success_result_of(connecting);
        connection.write("hello").expect("it is there");
        reactor.settle();
        assert!(server.has("received hello"));
        connection.abort().expect("it is there");
        reactor.settle();
        assert!(server.has("lost: broken"));
        port.stop_listening().ignore();
    });
}

#[test]
fn what_was_read_before_a_close_is_delivered_after_a_pause() {
    testing::run(|reactor| {
        let log = Log::default();
        let recorder = RawRecorder::new(&log).on_made(|cx| {
            cx.pause_reading();
            Ok(())
        });
        let (connection, peer) = reactor.connect_to_peer(recorder);
        peer.send("the last words");
        peer.close();
        assert_eq!(log.events(), ["made"]);
        connection.resume_reading().expect("it is there");
        reactor.settle();
        let expected = [
            "made",
            "received the last words",
            "read closed",
            "lost: done",
        ];
        assert_eq!(log.events(), expected);
    });
}

#[test]
fn what_is_left_behind_fails_the_test() {
    let fails = |test: fn(&TestReactor)| {
        let outcome = catch_unwind(AssertUnwindSafe(|| testing::run(test)));
        let message = outcome.expect_err("it fails");
        message
            .downcast_ref::<String>()
            .cloned()
            .unwrap_or_default()
    };
    let timer = fails(|reactor| {
        reactor.call_later(Duration::from_secs(1), || ());
    });
    assert!(timer.contains("1 delayed calls, due at [1s]"), "{timer}");
    let port = fails(|reactor| {
        let port = reactor.listen_tcp("127.0.0.1:80", || RawRecorder::new(&Log::default()));
        port.expect("it is free");
    });
    assert!(port.contains("1 connections and ports"), "{port}");
    let failure = fails(|_| drop(deferred::fail::<()>(deferred::Failure::msg("nobody looks"))));
    assert!(failure.contains("nobody looks"), "{failure}");
    testing::run(|reactor| {
        reactor
            .listen_tcp("127.0.0.1:80", || RawRecorder::new(&Log::default()))
            .expect("free");
        reactor.shut_down();
    });
}

#[test]
fn descriptors_of_the_system_are_refused() {
    let reactor = TestReactor::new();
    let (pipe, _writer) = std::io::pipe().expect("a pipe");
    let error = reactor
        .add_reader(pipe, |_| ())
        .expect_err("it watches none");
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
}
