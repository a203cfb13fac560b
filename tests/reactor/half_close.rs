//! Each direction ends by itself.

use reactor::testing;

use crate::support::{Log, RawRecorder};

#[test]
fn one_may_finish_sending_and_go_on_receiving() {
    testing::run(|reactor| {
        let log = Log::default();
        let recorder = RawRecorder::new(&log).on_made(|cx| {
            cx.write("a question");
            cx.lose_write_connection();
            cx.write("too late");
            Ok(())
        });
        let (_, peer) = reactor.connect_to_peer(recorder);
        assert_eq!(peer.received(), b"a question");
        assert!(peer.is_closed());
        peer.send("an answer");
        peer.send("and more");
        assert!(!log.is_lost());
        peer.finish();
        let expected = [
            "made",
            "received an answer",
            "received and more",
            "read closed",
            "lost: done",
        ];
        assert_eq!(log.events(), expected);
    });
}

#[test]
fn one_that_minds_may_send_after_the_peer_has_finished() {
    testing::run(|reactor| {
        let log = Log::default();
        let recorder = RawRecorder::new(&log).on_read_closed(|cx| {
            cx.write("the last word");
            Ok(())
        });
        let (connection, peer) = reactor.connect_to_peer(recorder);
        peer.finish();
        assert_eq!(peer.received(), b"the last word");
        assert!(!log.is_lost());
        connection.lose_write_connection();
        assert!(peer.is_closed());
        assert_eq!(log.events(), ["made", "read closed", "lost: done"]);
    });
}

#[test]
fn a_failing_handler_of_the_end_ends_it_once() {
    testing::run(|reactor| {
        let log = Log::default();
        let recorder = RawRecorder::new(&log)
            .on_made(|cx| {
                cx.lose_write_connection();
                Ok(())
            })
            .on_read_closed(|_| panic!("what a handler may do"));
        let (_, peer) = reactor.connect_to_peer(recorder);
        peer.finish();
        let lost = log
            .events()
            .iter()
            .filter(|event| event.starts_with("lost"))
            .count();
        assert_eq!(lost, 1);
        assert!(
            log.events()
                .last()
                .is_some_and(|event| event.contains("failed"))
        );
    });
}

#[test]
fn it_is_told_when_everything_is_sent() {
    testing::run(|reactor| {
        let log = Log::default();
        let recorder = RawRecorder::new(&log).on_made(|cx| {
            cx.write(vec![b'x'; 200_000]);
            cx.lose_write_connection();
            Ok(())
        });
        let (connection, peer) = reactor.connect_to_peer(recorder);
        peer.set_reading(false);
        let finished = Log::default();
        let noting = finished.clone();
        connection
            .drained()
            .add_callback(move |()| noting.note("drained"))
            .ignore();
        peer.set_reading(true);
        assert_eq!(peer.received().len(), 200_000);
        assert_eq!(finished.events(), ["drained"]);
        assert!(peer.is_closed());
        peer.close();
    });
}
