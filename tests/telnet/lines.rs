//! Lines that the peer edits itself: prompts, questions, passwords, waiting.

use std::time::Duration;

use deferred::Deferred;
use reactor::testing;
use reactor_telnet::{InputMode, TelnetError};

use crate::support::{seen, server};

#[test]
fn lines_end_in_each_of_the_usual_ways() {
    for size in [1, 2, 3, 100] {
        testing::run(|reactor| {
            reactor.set_largest_read(size);
            let (recorder, _, peer) = server(reactor, InputMode::Lines);
            peer.send("a\r\nb\r\0c\nd\re\r\n\r\n");
            let expected = ["line a", "line b", "line c", "line d", "line e", "line "];
            assert_eq!(recorder.take(), expected, "{size} bytes at a time");
        });
    }
}

#[test]
fn a_line_is_given_at_its_cr() {
    testing::run(|reactor| {
        let (recorder, _, peer) = server(reactor, InputMode::Lines);
        peer.send("a\r");
        assert_eq!(recorder.take(), ["line a"]);
        peer.send("\nb\r");
        assert_eq!(recorder.take(), ["line b"]);
        peer.send("\r");
        assert_eq!(recorder.take(), ["line "]);
    });
}

#[test]
fn a_prompt_follows_each_line_and_each_output_in_between() {
    testing::run(|reactor| {
        let (_, connection, peer) = server(reactor, InputMode::Lines);
        assert_eq!(seen(&peer), "> ");
        peer.send("a\r\nb\r\n");
        assert_eq!(seen(&peer), "<a>\\r\\n> <b>\\r\\n> ");
        let told = connection.post(|telnet, cx| {
            telnet.run(cx, |_, cx| {
                cx.write("news");
                Ok(())
            })
        });
        told.unwrap();
        assert_eq!(seen(&peer), "\\r\\nnews\\r\\n> ");
    });
}

#[test]
fn erase_commands_are_obeyed() {
    testing::run(|reactor| {
        let (recorder, _, peer) = server(reactor, InputMode::Lines);
        peer.send(b"abc\xff\xf7d\xc3\xa9\xff\xf7\r\ngone\xff\xf8kept\r\n");
        let log = recorder.take();
        let lines: Vec<_> = log.iter().filter(|text| text.starts_with("line")).collect();
        assert_eq!(lines, ["line abd", "line kept"]);
    });
}

#[test]
fn a_password_is_not_echoed_by_the_client() {
    testing::run(|reactor| {
        let (recorder, _, peer) = server(reactor, InputMode::Lines);
        seen(&peer);
        peer.send("secret\r\n");
        assert_eq!(seen(&peer), "\\xff\\xfb\\x01password: ");
        peer.send(b"\xff\xfd\x01pass word\r\n");
        assert_eq!(seen(&peer), "\\r\\n\\xff\\xfc\\x01> ");
        peer.send(b"\xff\xfe\x01");
        assert_eq!(
            recorder.take(),
            [
                "line secret",
                "Local echo (1): true",
                "password pass word",
                "Local echo (1): false"
            ]
        );
    });
}

/// All lines in one packet: the answer of a question is the next line, not a command.
#[test]
fn answers_may_be_sent_ahead() {
    testing::run(|reactor| {
        let (recorder, _, peer) = server(reactor, InputMode::Lines);
        peer.send("ask\r\nwait\r\nsecret\r\nbye\r\nplain\r\n");
        assert_eq!(
            recorder.take(),
            [
                "line ask",
                "answer wait",
                "line secret",
                "password bye",
                "line plain"
            ]
        );
    });
}

#[test]
fn a_password_that_comes_too_late_is_dropped() {
    testing::run(|reactor| {
        let (recorder, _, peer) = server(reactor, InputMode::Lines);
        peer.send("secret\r\n");
        reactor.advance(Duration::from_secs(60));
        peer.send("too late\r\nplain\r\n");
        let log = recorder.take();
        assert_eq!(log.len(), 3, "{log:?}");
        assert_eq!(
            (log[0].as_str(), log[2].as_str()),
            ("line secret", "line plain")
        );
    });
}

#[test]
fn lines_wait_for_the_deferred_of_the_one_before() {
    testing::run(|reactor| {
        let (recorder, _, peer) = server(reactor, InputMode::Lines);
        seen(&peer);
        peer.send("wait\r\na\r\n");
        peer.send("b\r\n");
        assert_eq!(recorder.take(), ["line wait"]);
        assert_eq!(seen(&peer), "");
        recorder.end_wait();
        reactor.settle();
        assert_eq!(recorder.take(), ["waited", "line a", "line b"]);
        assert_eq!(seen(&peer), "done\\r\\n> <a>\\r\\n> <b>\\r\\n> ");
    });
}

#[test]
fn lines_wait_for_the_last_deferred_that_is_waited_for() {
    testing::run(|reactor| {
        let (recorder, connection, peer) = server(reactor, InputMode::Lines);
        let (first, early) = Deferred::<()>::pair();
        let (second, late) = Deferred::<()>::pair();
        let posted = connection.post(|telnet, cx| {
            telnet.run(cx, |_, cx| {
                cx.wait_for(early, |_, _, _| ());
                cx.wait_for(late, |_, _, _| ());
                Ok(())
            })
        });
        posted.expect("it is open");
        reactor.settle();
        first.callback(()).expect("it waits");
        reactor.settle();
        peer.send("a\r\n");
        assert!(recorder.take().is_empty());
        second.callback(()).expect("it waits");
        reactor.settle();
        assert_eq!(recorder.take(), ["line a"]);
    });
}

#[test]
fn another_input_mode_ends_the_hiding_of_a_password() {
    for (mode, expected) in [
        // The editor echoes by itself, so the offer stays.
        (InputMode::Editor, ""),
        (InputMode::Raw, "\\xff\\xfc\\x01"),
    ] {
        testing::run(|reactor| {
            let (_, connection, peer) = server(reactor, InputMode::Lines);
            peer.send(b"secret\r\n\xff\xfd\x01");
            assert!(seen(&peer).ends_with("password: "));
            let posted = connection.post(move |telnet, cx| {
                telnet.run(cx, |_, cx| {
                    cx.set_input_mode(mode);
                    Ok(())
                })
            });
            posted.expect("it is open");
            reactor.settle();
            peer.send("pass\r");
            let shown = seen(&peer);
            assert_eq!(
                shown.contains("\\xff\\xfc\\x01"),
                !expected.is_empty(),
                "{shown}"
            );
            assert!(!shown.contains("\\r\\n\\r\\n"), "{shown}");
        });
    }
}

#[test]
fn an_interrupt_cancels_what_is_awaited() {
    testing::run(|reactor| {
        let (recorder, _, peer) = server(reactor, InputMode::Lines);
        peer.send(b"wait\r\n\xff\xf4");
        assert_eq!(
            recorder.take(),
            [
                "line wait",
                "cancelled",
                "command interrupt process (244)",
                "waited"
            ]
        );
        peer.send(b"\xff\xf4");
        assert_eq!(
            recorder.take(),
            ["interrupted", "command interrupt process (244)"]
        );
    });
}

/// More than is kept waits at the peer, and all of it comes.
#[test]
fn reading_is_paused_while_much_waits() {
    testing::run(|reactor| {
        let (recorder, _, peer) = server(reactor, InputMode::Lines);
        peer.send("wait\r\n");
        let line = format!("{}\r\n", "x".repeat(998));
        let sent = (0..1000).take_while(|_| peer.try_send(line.as_bytes()) == line.len());
        let sent = sent.count();
        assert!(sent < 1000, "all is read while a line is worked on");
        recorder.end_wait();
        reactor.settle();
        let lines = recorder.take();
        assert!(lines.len() >= 2 + sent, "{} of {sent}", lines.len());
    });
}

#[test]
fn what_was_sent_before_the_end_is_answered() {
    testing::run(|reactor| {
        let (recorder, _, peer) = server(reactor, InputMode::Lines);
        seen(&peer);
        peer.send("wait\r\na\r\n");
        peer.finish();
        assert_eq!(recorder.take(), ["line wait"]);
        recorder.end_wait();
        reactor.settle();
        assert_eq!(seen(&peer), "done\\r\\n> <a>\\r\\n> ");
        assert!(peer.is_closed());
    });
}

#[test]
fn no_line_is_taken_after_the_connection_was_closed() {
    testing::run(|reactor| {
        let (recorder, _, peer) = server(reactor, InputMode::Lines);
        peer.send("bye\r\na\r\n");
        assert!(peer.is_closed());
        assert_eq!(recorder.take()[..1], ["line bye"]);
        assert_eq!(recorder.take(), [""; 0]);
    });
}

#[test]
fn a_failed_handler_and_a_line_too_long_close_the_connection() {
    testing::run(|reactor| {
        let (recorder, _, peer) = server(reactor, InputMode::Lines);
        peer.send("fail\r\n");
        assert!(peer.is_closed());
        assert!(recorder.take()[1].contains("as was asked for"));

        let (recorder, _, peer) = server(reactor, InputMode::Lines);
        peer.send("x".repeat(16 * 1024));
        assert!(!peer.is_closed());
        peer.send("x");
        assert!(peer.is_closed());
        let limit = 16 * 1024;
        let error = TelnetError::LineTooLong { limit }.to_string();
        assert!(recorder.take()[0].contains(&error));
    });
}

#[test]
fn a_question_fails_when_the_connection_ends() {
    testing::run(|reactor| {
        let (recorder, _, peer) = server(reactor, InputMode::Lines);
        peer.send("secret\r\n");
        peer.close();
        let log = recorder.take();
        assert!(log[1].starts_with("lost"), "{log:?}");
        reactor.assert_clean();
    });
}
