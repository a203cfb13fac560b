//! What a handler asks for applies before the next frame.

use std::cell::Cell;
use std::rc::Rc;

use deferred::Failure;
use reactor::{
    Connection, ConnectionClosed, Context, Decoded, Framing, LineTooLong, Lines, Protocol, testing,
};

use crate::support::{LineRecorder, Log, Peer, reactor, serve, turn_until};

#[test]
fn frames_that_come_together_are_delivered_one_by_one() {
    let log = Log::default();
    let (reactor, address) = serve(LineRecorder::new(&log));
    let mut peer = Peer::connect(address);
    peer.send("one\r\ntwo\n\nfo");
    turn_until(&reactor, || log.len() == 4);
    peer.send("ur\r");
    peer.send("\nrest without an end");
    turn_until(&reactor, || log.len() == 5);
    drop(peer);
    turn_until(&reactor, || log.is_lost());
    let expected = [
        "made",
        "received one",
        "received two",
        "received ",
        "received four",
        "read closed",
        "lost: done",
    ];
    assert_eq!(log.events(), expected);
}

#[test]
fn one_byte_at_a_time_gives_the_same_frames() {
    let log = Log::default();
    let (reactor, address) = serve(LineRecorder::new(&log));
    let mut peer = Peer::connect(address);
    peer.0.set_nodelay(true).expect("a socket");
    for byte in b"ab\r\n\nc\rd\n" {
        peer.send([*byte]);
        reactor
            .turn(Some(std::time::Duration::from_millis(1)))
            .expect("it turns");
    }
    turn_until(&reactor, || log.len() == 4);
    assert_eq!(
        log.events(),
        ["made", "received ab", "received ", "received c\rd"]
    );
}

#[test]
fn after_lose_connection_no_frame_is_delivered() {
    let log = Log::default();
    let (reactor, address) = serve(LineRecorder::new(&log).on_received(|cx, line| {
        if line == b"quit" {
            cx.lose_connection();
        }
        Ok(())
    }));
    let mut peer = Peer::connect(address);
    peer.send("one\nquit\ntwo\n");
    turn_until(&reactor, || log.is_lost());
    assert_eq!(
        log.events(),
        ["made", "received one", "received quit", "lost: done"]
    );
}

#[test]
fn after_an_error_no_frame_is_delivered() {
    let log = Log::default();
    let (reactor, address) =
        serve(LineRecorder::new(&log).on_received(|_, _| Err(Failure::msg("enough"))));
    let mut peer = Peer::connect(address);
    peer.send("one\ntwo\n");
    turn_until(&reactor, || log.is_lost());
    assert_eq!(
        log.events(),
        ["made", "received one", "lost: failed: enough"]
    );
}

#[test]
fn after_a_pause_the_rest_waits_and_comes_without_new_input() {
    let log = Log::default();
    let kept = Rc::new(Cell::new(None::<Connection<LineRecorder>>));
    let keep = Rc::clone(&kept);
    let (reactor, address) = serve(LineRecorder::new(&log).on_received(move |cx, line| {
        if line == b"pause" {
            cx.pause_reading();
            keep.set(Some(cx.connection()));
        }
        Ok(())
    }));
    let mut peer = Peer::connect(address);
    peer.send("pause\ntwo\npause\nfour\nhal");
    turn_until(&reactor, || log.has("received pause"));
    for _ in 0..3 {
        reactor
            .turn(Some(std::time::Duration::from_millis(1)))
            .expect("it turns");
    }
    assert_eq!(log.events(), ["made", "received pause"]);

    kept.take()
        .expect("it was kept")
        .resume_reading()
        .expect("it is there");
    turn_until(&reactor, || log.len() == 4);
    assert_eq!(log.events()[2..], ["received two", "received pause"]);

    kept.take()
        .expect("it was kept")
        .resume_reading()
        .expect("it is there");
    peer.send("f\n");
    turn_until(&reactor, || log.len() == 6);
    assert_eq!(log.events()[4..], ["received four", "received half"]);
}

#[test]
fn what_a_handler_writes_for_many_frames_goes_out_in_order() {
    let log = Log::default();
    let (reactor, address) = serve(LineRecorder::new(&log).on_received(|cx, line| {
        cx.write_sequence([b"<", line, b">"]);
        Ok(())
    }));
    let mut peer = Peer::connect(address);
    let lines: String = (0..1000).map(|n| format!("{n}\n")).collect();
    let expected: String = (0..1000).map(|n| format!("<{n}>")).collect();
    peer.send(lines);
    let answer = peer.receive_some(&reactor, expected.len());
    assert_eq!(answer, expected.as_bytes());
}

/// A framing that says it found a frame and takes nothing.
#[derive(Default)]
struct Stuck;

impl Framing for Stuck {
    type Frame<'a> = ();

    fn decode(&mut self, _input: &[u8]) -> deferred::Result<Decoded<()>> {
        Ok(Decoded::Frame {
            frame: (),
            consumed: 0,
        })
    }
}

struct Patient(Log);

impl Protocol for Patient {
    type Framing = Stuck;

    fn received(&mut self, _cx: &mut Context<'_, Self>, _frame: ()) -> deferred::Result<()> {
        self.0.note("received");
        Ok(())
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, reason: ConnectionClosed) {
        self.0.note(format!("lost: {reason}"));
    }
}

#[test]
fn a_framing_that_makes_no_progress_ends_its_connection() {
    let (reactor, log) = (reactor(), Log::default());
    let note = log.clone();
    let port = reactor
        .listen_tcp("127.0.0.1:0", move || Patient(note.clone()))
        .expect("a free port");
    let mut peer = Peer::connect(port.address());
    peer.send("x");
    turn_until(&reactor, || log.is_lost());
    assert_eq!(log.len(), 1);
    assert!(log.events()[0].contains("framing"), "{:?}", log.events());
}

/// Says why it hangs up.
struct Terse;

impl Protocol for Terse {
    type Framing = Lines;

    fn framing(&self) -> Lines {
        Lines::with_max_length(5)
    }

    fn framing_failed(
        &mut self,
        cx: &mut Context<'_, Self>,
        failure: Failure,
        input: &[u8],
    ) -> deferred::Result<()> {
        assert!(failure.is::<LineTooLong>());
        assert_eq!(input, b"far too long\r\n");
        cx.send_line("keep it short");
        Err(failure)
    }
}

#[test]
fn a_protocol_may_say_what_was_wrong_with_a_frame() {
    testing::run(|reactor| {
        let (connection, peer) = reactor.connect_to_peer(Terse);
        peer.send("short\r\n");
        assert_eq!(peer.received(), b"");
        peer.send("far too long\r\n");
        assert_eq!(peer.received(), b"keep it short\r\n");
        assert!(peer.is_closed() && connection.is_gone());
    });
}
