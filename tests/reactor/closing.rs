//! How connections end: once, with the reason, and without harm to others.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use deferred::Failure;
use reactor::testing::{self, Peer as TestPeer};
use reactor::{Connection, ConnectionClosedKind, Gone};
use socket2::SockRef;

use crate::support::{
    LineRecorder, Log, Peer, RawRecorder, assert_sleeps, reactor, serve, turn_a_few_times,
    turn_until,
};

#[test]
fn lose_connection_sends_everything_first() {
    const SIZE: usize = 8 * 1024 * 1024;
    let log = Log::default();
    let (reactor, address) = serve(RawRecorder::new(&log).on_made(|cx| {
        cx.write(vec![b'x'; SIZE]);
        cx.lose_connection();
        cx.write("dropped: the connection is on its way out");
        Ok(())
    }));
    let mut peer = Peer::connect(address);
    let all = peer.receive_all(&reactor);
    assert_eq!(all.len(), SIZE);
    assert!(all.iter().all(|byte| *byte == b'x'));
    turn_until(&reactor, || log.is_lost());
    assert_eq!(log.events(), ["made", "lost: done"]);
}

#[test]
fn abort_discards_and_resets() {
    let log = Log::default();
    let (reactor, address) = serve(RawRecorder::new(&log).on_made(|cx| {
        cx.write("never sent");
        cx.abort();
        Ok(())
    }));
    let mut peer = Peer::connect(address);
    turn_until(&reactor, || log.is_lost());
    assert_eq!(log.events(), ["made", "lost: aborted"]);
    peer.0.set_nonblocking(false).expect("a socket");
    let error = peer.0.read(&mut [0; 16]).expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn abort_wins_over_lose_connection() {
    let log = Log::default();
    let (reactor, address) = serve(RawRecorder::new(&log).on_made(|cx| {
        cx.lose_connection();
        cx.abort();
        cx.lose_connection();
        Ok(())
    }));
    let _peer = Peer::connect(address);
    turn_until(&reactor, || log.is_lost());
    assert_eq!(log.events(), ["made", "lost: aborted"]);
}

#[test]
fn a_reset_by_the_peer_is_a_loss() {
    let log = Log::default();
    let (reactor, address) = serve(RawRecorder::new(&log));
    let peer = Peer::connect(address);
    turn_until(&reactor, || log.has("made"));
    SockRef::from(&peer.0)
        .set_linger(Some(Duration::ZERO))
        .expect("a socket");
    drop(peer);
    turn_until(&reactor, || log.is_lost());
    assert_eq!(log.events(), ["made", "lost: broken"]);
}

#[test]
fn a_reset_in_the_middle_of_a_write_is_a_loss() {
    let log = Log::default();
    let (reactor, address) = serve(RawRecorder::new(&log).on_made(|cx| {
        cx.write(vec![0; 15 * 1024 * 1024]);
        Ok(())
    }));
    let mut peer = Peer::connect(address);
    turn_until(&reactor, || log.has("made"));
    peer.receive_some(&reactor, 100_000);
    // It closes with input unread: that is a reset.
    drop(peer);
    turn_until(&reactor, || log.is_lost());
    assert_eq!(log.events(), ["made", "lost: broken"]);
}

#[test]
fn a_reset_is_noticed_while_reading_is_paused_and_nothing_spins() {
    let log = Log::default();
    let (reactor, address) = serve(RawRecorder::new(&log).on_made(|cx| {
        cx.pause_reading();
        Ok(())
    }));
    let peer = Peer::connect(address);
    turn_until(&reactor, || log.has("made"));
    SockRef::from(&peer.0)
        .set_linger(Some(Duration::ZERO))
        .expect("a socket");
    drop(peer);
    turn_until(&reactor, || log.is_lost());
    assert_eq!(log.events(), ["made", "lost: broken"]);
}

#[test]
fn an_end_of_input_waits_for_a_paused_reader_without_spinning() {
    let log = Log::default();
    let handle = Rc::new(Cell::new(None));
    let keep = Rc::clone(&handle);
    let (reactor, address) = serve(RawRecorder::new(&log).on_made(move |cx| {
        cx.pause_reading();
        keep.set(Some(cx.connection()));
        Ok(())
    }));
    let mut peer = Peer::connect(address);
    turn_until(&reactor, || log.has("made"));
    peer.send("read me");
    peer.0.shutdown(Shutdown::Write).expect("a socket");
    turn_a_few_times(&reactor);
    assert_sleeps(&reactor);
    assert_eq!(log.events(), ["made"]);
    handle
        .take()
        .expect("it was kept")
        .resume_reading()
        .expect("it is there");
    turn_until(&reactor, || log.is_lost());
    assert_eq!(
        log.events(),
        ["made", "received read me", "read closed", "lost: done"]
    );
}

#[test]
fn an_error_closes_its_own_connection_only_and_is_the_reason() {
    let log = Log::default();
    let (reactor, address) = serve(LineRecorder::new(&log).on_received(|cx, line| {
        cx.write_sequence([line, b"\n"]);
        match line {
            b"fail" => Err(Failure::msg("as asked")),
            b"panic" => panic!("as asked"),
            _ => Ok(()),
        }
    }));
    let mut neighbour = Peer::connect(address);
    neighbour.send("first\n");
    assert_eq!(neighbour.receive_some(&reactor, 6), b"first\n");
    for (what, reason) in [
        ("fail", "lost: failed: as asked"),
        ("panic", "lost: failed: panicked: as asked"),
    ] {
        let mut peer = Peer::connect(address);
        peer.send(format!("{what}\nnever delivered\n"));
        let sent = peer.receive_all(&reactor);
        assert_eq!(
            sent,
            format!("{what}\n").as_bytes(),
            "what was written is sent"
        );
        turn_until(&reactor, || log.has(reason));
        assert!(!log.has("received never delivered"));
    }
    neighbour.send("still here\n");
    assert_eq!(neighbour.receive_some(&reactor, 11), b"still here\n");
    let lost = log
        .events()
        .iter()
        .filter(|event| event.starts_with("lost"))
        .count();
    assert_eq!(lost, 2, "each once");
}

#[test]
fn a_panic_in_the_last_handler_is_contained() {
    let log = Log::default();
    let (reactor, address) = serve(RawRecorder::new(&log).on_lost(|_| panic!("to the last")));
    drop(Peer::connect(address));
    turn_until(&reactor, || log.is_lost());
    let _next = Peer::connect(address);
    turn_until(&reactor, || log.len() == 4);
    assert_eq!(log.events(), ["made", "read closed", "lost: done", "made"]);
}

#[test]
fn who_keeps_writing_after_the_peer_has_finished_sending_is_heard() {
    let log = Log::default();
    let (reactor, address) = serve(RawRecorder::new(&log).on_read_closed(|cx| {
        cx.call_later(Duration::from_millis(2), |_this, cx| {
            cx.write("the answer");
            cx.lose_connection();
        });
        Ok(())
    }));
    let mut peer = Peer::connect(address);
    peer.send("the question");
    peer.0.shutdown(Shutdown::Write).expect("a socket");
    assert_eq!(peer.receive_all(&reactor), b"the answer");
    turn_until(&reactor, || log.is_lost());
    let expected = ["made", "received the question", "read closed", "lost: done"];
    assert_eq!(log.events(), expected);
}

#[test]
fn the_descriptor_is_closed_when_the_connection_is_lost() {
    let log = Log::default();
    let (reactor, address) = serve(RawRecorder::new(&log).on_received(|cx, _| {
        cx.lose_connection();
        Ok(())
    }));
    let mut peer = Peer::connect(address);
    peer.send("bye");
    assert_eq!(peer.receive_all(&reactor), b"");
}

#[test]
fn closing_a_client_whose_server_never_answers_is_orderly() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let (reactor, log) = (reactor(), Log::default());
    let client = RawRecorder::new(&log).on_made(|cx| {
        cx.write("hello");
        cx.lose_connection();
        Ok(())
    });
    let address = listener.local_addr().expect("it listens");
    reactor.connect_tcp(address, client).detach();
    turn_until(&reactor, || log.is_lost());
    assert_eq!(log.events(), ["made", "lost: done"]);
    let (mut accepted, _) = listener.accept().expect("a connection");
    let mut text = String::new();
    accepted.read_to_string(&mut text).expect("an end");
    assert_eq!(text, "hello");
    let _ = accepted.write(b"discarded");
}

/// An error that panics when it is dropped.
#[derive(Debug)]
struct Touchy;

impl std::fmt::Display for Touchy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("touchy")
    }
}

impl std::error::Error for Touchy {}

impl Drop for Touchy {
    fn drop(&mut self) {
        panic!("do not touch");
    }
}

#[test]
fn a_failure_that_panics_when_it_is_dropped_does_not_harm_the_loop() {
    let log = Log::default();
    let (reactor, address) = serve(RawRecorder::new(&log).on_received(|cx, _| {
        cx.abort();
        Err(Failure::new(Touchy))
    }));
    let mut peer = Peer::connect(address);
    peer.send("x");
    turn_until(&reactor, || log.is_lost());
    assert_eq!(log.events(), ["made", "received x", "lost: aborted"]);
}

#[test]
fn what_was_written_arrives_although_the_peer_keeps_sending() {
    const SIZE: usize = 2_000_000;
    let log = Log::default();
    let (reactor, address) = serve(RawRecorder::new(&log).on_received(|cx, _| {
        cx.write(vec![7; SIZE]);
        cx.lose_connection();
        Ok(())
    }));
    let mut peer = Peer::connect(address);
    peer.send("an upload");
    turn_until(&reactor, || log.has("received an upload"));
    let mut sent = 0;
    let mut all = Vec::new();
    turn_until(&reactor, || {
        // It takes no notice of the answer before it has sent much.
        if sent < 1_000_000 {
            sent += peer.try_send(&[0; 100_000]);
            return false;
        }
        match peer.receive() {
            Some(bytes) => {
                all.extend(bytes);
                false
            }
            None => true,
        }
    });
    assert_eq!(all.len(), SIZE);
    turn_until(&reactor, || log.is_lost());
    assert!(log.has("lost: done"), "{:?}", log.events());
}

#[test]
fn closed_gives_the_reason_after_connection_lost() {
    let kinds: [(
        fn(&Connection<RawRecorder>, &TestPeer),
        ConnectionClosedKind,
    ); 3] = [
        (
            |connection, _| connection.abort(),
            ConnectionClosedKind::Aborted,
        ),
        (
            |connection, _| connection.lose_connection(),
            ConnectionClosedKind::Done,
        ),
        (|_, peer| peer.finish(), ConnectionClosedKind::Done),
    ];
    for (end, kind) in kinds {
        testing::run(|reactor| {
            let log = Log::default();
            let (connection, peer) = reactor.connect_to_peer(RawRecorder::new(&log));
            let note = log.clone();
            let first = connection.closed().add_callback(move |reason| {
                note.note("closed");
                Ok(reason.kind())
            });
            let second = connection.closed();
            end(&connection, &peer);
            reactor.settle();
            assert_eq!(log.events().last().map(String::as_str), Some("closed"));
            assert!(log.is_lost());
            assert_eq!(first.into_result().unwrap().unwrap(), kind);
            assert_eq!(second.into_result().unwrap().unwrap().kind(), kind);
        });
    }
}

#[test]
fn closed_fires_on_sockets_when_the_peer_or_the_reactor_ends() {
    let log = Log::default();
    let kinds = Rc::new(RefCell::new(Vec::new()));
    let note = Rc::clone(&kinds);
    let (reactor, address) = serve(RawRecorder::new(&log).on_made(move |cx| {
        let note = Rc::clone(&note);
        let closed = cx.connection().closed().add_callback(move |reason| {
            note.borrow_mut().push(reason.kind());
            Ok(())
        });
        closed.detach();
        Ok(())
    }));
    let peer = Peer::connect(address);
    turn_until(&reactor, || log.len() == 1);
    drop(peer);
    turn_until(&reactor, || kinds.borrow().len() == 1);
    let _peer = Peer::connect(address);
    turn_until(&reactor, || log.len() == 4);
    let handle = reactor.handle();
    reactor.call_later(Duration::ZERO, move || handle.stop());
    reactor.run().expect("it ends");
    assert_eq!(
        *kinds.borrow(),
        [
            ConnectionClosedKind::Done,
            ConnectionClosedKind::ReactorStopped
        ]
    );
}

#[test]
fn closed_fails_once_the_connection_is_over() {
    testing::run(|reactor| {
        let log = Log::default();
        let in_handler = Rc::new(Cell::new(false));
        let note = Rc::clone(&in_handler);
        let recorder = RawRecorder::new(&log).on_lost(move |cx| {
            let closed = cx.connection().closed().into_result();
            note.set(closed.is_ok_and(|closed| closed.unwrap_err().is::<Gone>()));
        });
        let (connection, _peer) = reactor.connect_to_peer(recorder);
        connection.abort();
        reactor.settle();
        assert!(in_handler.get(), "`connection_lost` is the end");
        let closed = connection.closed().into_result();
        assert!(closed.unwrap().unwrap_err().is::<Gone>());
    });
}

#[test]
fn closed_that_is_cancelled_leaves_nothing() {
    testing::run(|reactor| {
        let (connection, peer) = reactor.connect_to_peer(RawRecorder::new(&Log::default()));
        let value = Rc::new(());
        for _ in 0..100 {
            let kept = Rc::clone(&value);
            let closed = connection.closed().add_both(move |_| {
                drop(kept);
                Ok(())
            });
            drop(closed.cancel_on_drop());
        }
        assert_eq!(Rc::strong_count(&value), 1);
        drop(peer);
    });
}
