//! A framing that is changed in the middle of the input: raw mode, limits, delimiters, and what
//! follows input that was refused.

use std::cell::RefCell;
use std::rc::Rc;

use deferred::{Deferred, Failure, Trigger};
use reactor::framing::{Delimited, FrameTooLong, LengthPrefixed, Netstrings, U16};
use reactor::testing::{self, Peer};
use reactor::{
    ConnectionClosed, ConnectionClosedKind, Context, Decoded, Framing, LineTooLong, Lines, Protocol,
};

use crate::support::Bytes;

// --- a program: a mail server ---

/// Receives mails: by lines (`DATA`), whose end is a dot, or by their size in bytes (`BDAT`).
struct Smtp {
    state: State,
    mail: Vec<u8>,
    mails: Rc<RefCell<Vec<String>>>,
}

enum State {
    Commands,
    /// The lines of a mail.
    Data,
    /// The bytes of a part of a mail.
    Chunk {
        left: usize,
        is_last: bool,
    },
}

impl Smtp {
    fn new(mails: &Rc<RefCell<Vec<String>>>) -> Self {
        Self {
            state: State::Commands,
            mail: Vec::new(),
            mails: Rc::clone(mails),
        }
    }

    fn command(&mut self, cx: &mut Context<'_, Self>, line: &str) {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["EHLO", _] => cx.send_line("250 CHUNKING"),
            ["DATA"] => {
                self.state = State::Data;
                cx.send_line("354 Go ahead");
            }
            ["BDAT", size, ref last @ ..] => match size.parse() {
                Ok(left) => {
                    let is_last = *last == ["LAST"];
                    self.state = State::Chunk { left, is_last };
                    cx.framing().set_raw_mode();
                }
                Err(_) => cx.send_line("501 What size?"),
            },
            ["QUIT"] => {
                cx.send_line("221 Bye");
                cx.lose_connection();
            }
            _ => cx.send_line("500 Unknown command"),
        }
    }

    fn accept(&mut self, cx: &mut Context<'_, Self>) {
        let mail = String::from_utf8_lossy(&std::mem::take(&mut self.mail)).into_owned();
        self.mails.borrow_mut().push(mail);
        cx.send_line("250 Accepted");
    }
}

impl Protocol for Smtp {
    type Framing = Lines;

    fn framing(&self) -> Lines {
        Lines::with_max_length(60).crlf()
    }

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
        cx.send_line("220 Hello");
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
        match (&self.state, line) {
            (State::Data, b".") => {
                self.state = State::Commands;
                self.accept(cx);
            }
            (State::Data, line) => {
                self.mail.extend(line.strip_prefix(b".").unwrap_or(line));
                self.mail.extend(b"\r\n");
            }
            (_, line) => self.command(cx, std::str::from_utf8(line)?),
        }
        Ok(())
    }

    fn raw_received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> deferred::Result<usize> {
        let State::Chunk { left, is_last } = &mut self.state else {
            return Err(Failure::msg("raw bytes outside of a chunk"));
        };
        let taken = data.len().min(*left);
        self.mail.extend(&data[..taken]);
        *left -= taken;
        if *left == 0 {
            let is_last = *is_last;
            self.state = State::Commands;
            cx.framing().set_line_mode();
            if is_last {
                self.accept(cx);
            } else {
                cx.send_line("250 Go on");
            }
        }
        Ok(taken)
    }

    fn framing_failed(
        &mut self,
        cx: &mut Context<'_, Self>,
        failure: Failure,
        _input: &[u8],
    ) -> deferred::Result<()> {
        failure.trap::<LineTooLong>()?;
        cx.send_line("500 Line too long");
        Ok(())
    }
}

const SESSION: &[u8] = b"EHLO me\r\nDATA\r\nHello,\r\n..dots\r\nbare\nnewline\r\n.\r\n\
    BDAT 6\r\na\r\n.\r\nBDAT 4 LAST\r\nQUITNOOP\r\n\
    MAIL FROM:<a-very-long-address-which-does-not-fit-into-a-line@example.org>\r\n\
    BDAT x\r\nQUIT\r\nEHLO ignored\r\n";

#[test]
fn a_mail_server_takes_lines_and_chunks_wherever_the_session_is_split() {
    for at in 0..SESSION.len() {
        testing::run(|reactor| {
            let mails = Rc::default();
            let (_connection, peer) = reactor.connect_to_peer(Smtp::new(&mails));
            peer.send(&SESSION[..at]);
            reactor.settle();
            peer.send(&SESSION[at..]);
            let answers = String::from_utf8(peer.received()).expect("text");
            let codes: Vec<_> = answers.lines().map(|line| &line[..3]).collect();
            let expected = [
                "220", "250", "354", "250", "250", "250", "500", "500", "501", "221",
            ];
            assert_eq!(codes, expected, "split at {at}: {answers}");
            assert!(peer.is_closed());
            let expected = ["Hello,\r\n.dots\r\nbare\nnewline\r\n", "a\r\n.\r\nQUIT"];
            assert_eq!(*mails.borrow(), expected, "split at {at}");
        });
    }
}

#[test]
fn a_mail_server_may_be_sent_byte_by_byte() {
    testing::run(|reactor| {
        reactor.set_largest_read(1);
        let mails = Rc::default();
        let (_connection, peer) = reactor.connect_to_peer(Smtp::new(&mails));
        peer.send(SESSION);
        assert!(peer.received().ends_with(b"221 Bye\r\n"));
        assert_eq!(mails.borrow().len(), 2);
    });
}

// --- raw mode ---

/// What a [`Recorder`] does with raw bytes.
type OnRaw<F> = Box<dyn FnMut(&mut Context<'_, Recorder<F>>, &[u8]) -> deferred::Result<usize>>;

/// Writes down its frames and raw bytes; a frame `raw` begins raw mode.
struct Recorder<F: Bytes + Clone> {
    log: Rc<RefCell<Vec<String>>>,
    framing: F,
    set_raw_mode: fn(&mut F),
    on_raw: OnRaw<F>,
}

impl<F: Bytes + Clone> Protocol for Recorder<F> {
    type Framing = F;

    fn framing(&self) -> F {
        self.framing.clone()
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, frame: &[u8]) -> deferred::Result<()> {
        if frame == b"raw" {
            (self.set_raw_mode)(cx.framing());
        }
        self.note("frame", frame);
        Ok(())
    }

    fn raw_received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> deferred::Result<usize> {
        let taken = (self.on_raw)(cx, data)?;
        self.note("raw", &data[..taken.min(data.len())]);
        Ok(taken)
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, reason: ConnectionClosed) {
        self.note("lost", reason.to_string().as_bytes());
    }
}

impl<F: Bytes + Clone> Recorder<F> {
    fn note(&self, what: &str, bytes: &[u8]) {
        let bytes = String::from_utf8_lossy(bytes);
        self.log.borrow_mut().push(format!("{what} {bytes}"));
    }
}

/// Calls `f` with a connection in lines, what happens on it, and its peer.
fn with_lines(
    on_raw: impl FnMut(&mut Context<'_, Recorder<Lines>>, &[u8]) -> deferred::Result<usize> + 'static,
    f: impl FnOnce(&reactor::Connection<Recorder<Lines>>, &Peer, &dyn Fn() -> Vec<String>),
) {
    testing::run(|reactor| {
        let log = Rc::new(RefCell::new(Vec::new()));
        let (connection, peer) = reactor.connect_to_peer(Recorder {
            log: Rc::clone(&log),
            framing: Lines::default(),
            set_raw_mode: Lines::set_raw_mode,
            on_raw: Box::new(on_raw),
        });
        f(&connection, &peer, &|| {
            reactor.settle();
            log.take()
        });
    });
}

#[test]
fn raw_bytes_that_are_not_taken_come_again_with_what_arrives_next() {
    // Takes four at a time.
    let on_raw = |_: &mut Context<'_, _>, data: &[u8]| Ok(data.len() / 4 * 4);
    with_lines(on_raw, |_connection, peer, log| {
        peer.send("raw\n123");
        assert_eq!(log(), ["frame raw", "raw "]);
        peer.send("45");
        assert_eq!(log(), ["raw 1234", "raw "]);
        peer.send("678");
        assert_eq!(log(), ["raw 5678"]);
    });
}

#[test]
fn raw_mode_may_end_before_anything_is_taken() {
    let on_raw = |cx: &mut Context<'_, Recorder<Lines>>, _: &[u8]| {
        cx.framing().set_line_mode();
        assert!(!cx.framing().is_raw());
        Ok(0)
    };
    with_lines(on_raw, |_connection, peer, log| {
        peer.send("raw\nraw\none\n");
        let expected = ["frame raw", "raw ", "frame raw", "raw ", "frame one"];
        assert_eq!(log(), expected);
    });
}

#[test]
fn a_pause_in_raw_mode_keeps_the_rest() {
    let on_raw = |cx: &mut Context<'_, _>, data: &[u8]| {
        cx.pause_reading();
        Ok(data.len().min(2))
    };
    with_lines(on_raw, |connection, peer, log| {
        peer.send("raw\n12345");
        assert_eq!(log(), ["frame raw", "raw 12"]);
        connection.resume_reading().expect("it is open");
        assert_eq!(log(), ["raw 34"]);
        connection.resume_reading().expect("it is open");
        assert_eq!(log(), ["raw 5"]);
        connection.abort();
    });
}

#[test]
fn raw_mode_may_take_a_line_of_which_the_end_was_searched_for() {
    let on_raw = |cx: &mut Context<'_, Recorder<Lines>>, data: &[u8]| {
        cx.framing().set_line_mode();
        Ok(data.len())
    };
    with_lines(on_raw, |connection, peer, log| {
        peer.send("incomplete");
        assert!(log().is_empty());
        connection
            .post(|_this, cx| cx.framing().set_raw_mode())
            .expect("it is open");
        assert_eq!(log(), ["raw incomplete"]);
        // Shorter than what was searched.
        peer.send("one\ntwo\n");
        assert_eq!(log(), ["frame one", "frame two"]);
    });
}

#[test]
fn what_is_kept_is_cut_anew_when_a_job_changes_the_framing() {
    with_lines(
        |_, _| Ok(0),
        |connection, peer, log| {
            peer.send("raw\none\ntwo\n");
            assert_eq!(log(), ["frame raw", "raw "]);
            connection
                .post(|_this, cx| cx.framing().set_line_mode())
                .expect("it is open");
            assert_eq!(log(), ["frame one", "frame two"]);
        },
    );
}

#[test]
fn a_protocol_that_takes_more_than_there_is_has_failed() {
    with_lines(
        |_, data| Ok(data.len() + 1),
        |connection, peer, log| {
            peer.send("raw\nabc");
            let lost = "lost the protocol failed: `raw_received` took 4 bytes where there were 3";
            assert_eq!(log(), ["frame raw", "raw abc", lost]);
            assert!(connection.is_gone());
        },
    );
}

#[test]
fn an_error_or_a_panic_of_the_raw_handler_ends_the_connection() {
    with_lines(
        |_, _| Err(Failure::msg("no")),
        |_connection, peer, log| {
            peer.send("raw\nabc");
            assert_eq!(log(), ["frame raw", "lost the protocol failed: no"]);
        },
    );
    with_lines(
        |_, _| panic!("raw"),
        |_connection, peer, log| {
            peer.send("raw\nabc");
            assert!(log()[1].contains("raw"));
        },
    );
}

#[test]
fn raw_bytes_are_ignored_unless_a_protocol_wants_them() {
    struct Deaf(Rc<RefCell<usize>>);

    impl Protocol for Deaf {
        type Framing = Lines;

        fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
            cx.framing().set_raw_mode();
            Ok(())
        }

        fn received(&mut self, _cx: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> {
            *self.0.borrow_mut() += 1;
            Ok(())
        }
    }

    testing::run(|reactor| {
        let lines = Rc::default();
        let (connection, peer) = reactor.connect_to_peer(Deaf(Rc::clone(&lines)));
        peer.send("a\nb\n");
        reactor.settle();
        connection
            .post(|_this, cx| cx.framing().set_line_mode())
            .expect("it is open");
        peer.send("c\n");
        reactor.settle();
        assert_eq!(*lines.borrow(), 1);
    });
}

#[test]
fn delimited_frames_have_a_raw_mode_and_another_delimiter() {
    testing::run(|reactor| {
        let log = Rc::new(RefCell::new(Vec::new()));
        let (_connection, peer) = reactor.connect_to_peer(Recorder {
            log: Rc::clone(&log),
            framing: Delimited::by("--"),
            set_raw_mode: Delimited::set_raw_mode,
            on_raw: Box::new(|cx, _| {
                cx.framing().set_line_mode();
                cx.framing().set_delimiter("|");
                Ok(3)
            }),
        });
        peer.send("one--raw--a-btwo--|three|");
        reactor.settle();
        let expected = [
            "frame one",
            "frame raw",
            "raw a-b",
            "frame two--",
            "frame three",
        ];
        assert_eq!(*log.borrow(), expected);
    });
}

#[test]
fn a_limit_may_change_between_two_frames() {
    testing::run(|reactor| {
        let log = Rc::new(RefCell::new(Vec::new()));
        let (connection, peer) = reactor.connect_to_peer(Recorder {
            log: Rc::clone(&log),
            framing: LengthPrefixed::<U16>::with_max_length(3),
            set_raw_mode: |framing| framing.set_max_length(5),
            on_raw: Box::new(|_, _| Ok(0)),
        });
        peer.send(b"\0\x03raw\0\x05hello");
        reactor.settle();
        assert_eq!(*log.borrow(), ["frame raw", "frame hello"]);
        peer.send(b"\0\x06");
        reactor.settle();
        assert!(connection.is_gone());
        let mut netstrings = Netstrings::with_max_length(1);
        netstrings.set_max_length(2);
        assert!(netstrings.decode(b"2:").is_ok() && netstrings.decode(b"3:").is_err());
    });
}

// --- input that was refused ---

/// Goes on behind frames that are too long.
struct Lenient<F> {
    framing: F,
    log: Rc<RefCell<Vec<String>>>,
    closed: Option<Trigger<ConnectionClosed>>,
}

impl<F: Bytes + Clone> Protocol for Lenient<F> {
    type Framing = F;

    fn framing(&self) -> F {
        self.framing.clone()
    }

    fn received(&mut self, _cx: &mut Context<'_, Self>, frame: &[u8]) -> deferred::Result<()> {
        let frame = String::from_utf8_lossy(frame).into_owned();
        self.log.borrow_mut().push(frame);
        if self.log.borrow().last().is_some_and(|last| last == "fail") {
            return Err(Failure::msg("asked for"));
        }
        Ok(())
    }

    fn framing_failed(
        &mut self,
        _cx: &mut Context<'_, Self>,
        _failure: Failure,
        _input: &[u8],
    ) -> deferred::Result<()> {
        self.log.borrow_mut().push("refused".to_owned());
        Ok(())
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, reason: ConnectionClosed) {
        let closed = self.closed.take().expect("it is lost once");
        closed.callback(reason).expect("it was not fired");
    }
}

/// What a lenient protocol gets of `input`, split at each byte and byte by byte; the reason of the
/// end, if there is one.
fn lenient<F: Bytes + Clone>(
    framing: F,
    input: &[u8],
) -> (Vec<String>, Option<ConnectionClosedKind>) {
    let run = |pieces: &[&[u8]]| {
        let mut result = None;
        testing::run(|reactor| {
            let log = Rc::new(RefCell::new(Vec::new()));
            let (trigger, closed) = Deferred::pair();
            let (_connection, peer) = reactor.connect_to_peer(Lenient {
                framing: framing.clone(),
                log: Rc::clone(&log),
                closed: Some(trigger),
            });
            for piece in pieces {
                if peer.is_closed() {
                    break;
                }
                peer.send(piece);
                reactor.settle();
            }
            let reason = closed.into_result().ok();
            let kind = reason.map(|reason| reason.expect("it is a reason").kind());
            result = Some((log.take(), kind));
        });
        result.expect("it has run")
    };
    let whole = run(&[input]);
    for at in 0..input.len() {
        let (first, second) = input.split_at(at);
        assert_eq!(run(&[first, second]), whole, "split at {at}");
    }
    let bytes: Vec<_> = input.chunks(1).collect();
    assert_eq!(run(&bytes), whole, "byte by byte");
    whole
}

/// Refuses no frame; calls `set_line_mode` in between, which is no change.
struct Resets(Rc<RefCell<Vec<String>>>);

impl Protocol for Resets {
    type Framing = Lines;

    fn framing(&self) -> Lines {
        Lines::with_max_length(3)
    }

    fn received(&mut self, _: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
        let line = String::from_utf8_lossy(line).into_owned();
        self.0.borrow_mut().push(line);
        Ok(())
    }

    fn framing_failed(
        &mut self,
        cx: &mut Context<'_, Self>,
        _: Failure,
        _: &[u8],
    ) -> deferred::Result<()> {
        self.0.borrow_mut().push("refused".to_owned());
        cx.framing().set_line_mode();
        Ok(())
    }
}

#[test]
fn line_mode_that_is_set_again_does_not_end_the_skipping_of_a_line() {
    testing::run(|reactor| {
        let log = Rc::new(RefCell::new(Vec::new()));
        let (connection, peer) = reactor.connect_to_peer(Resets(Rc::clone(&log)));
        peer.send("too long");
        reactor.settle();
        let again = connection.post(|_, cx| {
            cx.framing().set_line_mode();
            Ok(())
        });
        again.expect("it is open");
        peer.send(" a\r\nb\r\n");
        reactor.settle();
        assert_eq!(*log.borrow(), ["refused", "b"]);
    });
}

#[test]
fn frames_that_are_too_long_may_be_skipped() {
    let lines = b"ab\nabcdef\ncd\nabcdefg\r\r\n\r\nabcd\nef\n";
    let expected = ["ab", "refused", "cd", "refused", "", "refused", "ef"];
    let (log, closed) = lenient(Lines::with_max_length(3), lines);
    assert_eq!(log, expected);
    assert_eq!(closed, None);

    let crlf = b"ab\r\na\nb\rc\r\ncd\r\n\nabcdefg\r\r\n\nf\r\n";
    let expected = ["ab", "refused", "cd", "refused", "\nf"];
    assert_eq!(lenient(Lines::with_max_length(3).crlf(), crlf).0, expected);

    let delimited = b"ab--abc-d--cd--abcdefg---ef--";
    let expected = ["ab", "refused", "cd", "refused", "-ef"];
    let framing = Delimited::by("--").with_max_length(3);
    assert_eq!(lenient(framing, delimited).0, expected);

    let prefixed = b"\0\x02ab\0\x04abcd\0\x02cd\0\x09abcdefghi\0\0";
    let expected = ["ab", "refused", "cd", "refused", ""];
    let framing = LengthPrefixed::<U16>::with_max_length(3);
    assert_eq!(lenient(framing, prefixed).0, expected);
}

#[test]
fn a_framing_that_refuses_the_same_input_again_ends_its_connection() {
    let (log, closed) = lenient(Netstrings::default(), b"1:a,x");
    assert_eq!(log, ["a", "refused"]);
    assert_eq!(closed, Some(ConnectionClosedKind::Failed));
}

#[test]
fn a_failure_of_the_protocol_behind_skipped_input_is_its_own() {
    let (log, closed) = lenient(Lines::with_max_length(4), b"too long\nfail\nmore\n");
    assert_eq!(log, ["refused", "fail"]);
    assert_eq!(closed, Some(ConnectionClosedKind::Failed));
}

/// Takes what begins as a line that is too long for bytes.
struct Binary(Rc<RefCell<Vec<u8>>>);

impl Protocol for Binary {
    type Framing = Lines;

    fn framing(&self) -> Lines {
        Lines::with_max_length(8)
    }

    fn framing_failed(
        &mut self,
        cx: &mut Context<'_, Self>,
        failure: Failure,
        input: &[u8],
    ) -> deferred::Result<()> {
        failure.trap::<LineTooLong>()?;
        assert!(input.starts_with(b"binary"), "{input:?}");
        cx.framing().set_raw_mode();
        Ok(())
    }

    fn raw_received(&mut self, _: &mut Context<'_, Self>, data: &[u8]) -> deferred::Result<usize> {
        self.0.borrow_mut().extend(data);
        Ok(data.len())
    }
}

#[test]
fn the_hook_gets_what_was_refused_and_what_followed_and_raw_mode_begins_with_it() {
    testing::run(|reactor| {
        let bytes = Rc::default();
        let (_connection, peer) = reactor.connect_to_peer(Binary(Rc::clone(&bytes)));
        peer.send("line\nbinary data\nmore");
        peer.send(" of it");
        reactor.settle();
        assert_eq!(*bytes.borrow(), b"binary data\nmore of it");
    });
}

#[test]
fn a_refused_frame_is_refused_at_its_prefix_and_nothing_of_it_is_stored() {
    let mut framing = LengthPrefixed::<U16>::with_max_length(3);
    let failure = framing.decode(b"\0\x04").unwrap_err();
    assert!(failure.is::<FrameTooLong>());
    assert_eq!(
        framing.decode(b"\0\x04a").unwrap(),
        Decoded::Skip { consumed: 3 }
    );
    assert_eq!(
        framing.decode(b"bcd").unwrap(),
        Decoded::Skip { consumed: 3 }
    );
    assert_eq!(framing.decode(b"").unwrap(), Decoded::Incomplete);
}
