//! Options on a connection: what is asked for, granted and told.

use reactor::testing;
use reactor_telnet::{InputMode, Side, Telnet, TelnetOption, WindowSize};

use crate::support::{Recorder, seen, server};

#[test]
fn a_window_and_a_terminal_are_told() {
    testing::run(|reactor| {
        let (recorder, connection, peer) = server(reactor, InputMode::Lines);
        let asked = connection.call(|telnet, cx| {
            let mut answers = Vec::new();
            let told = telnet.run(cx, |_, cx| {
                for option in [TelnetOption::WINDOW_SIZE, TelnetOption::TERMINAL_TYPE] {
                    answers.push(cx.request(Side::Remote, option, true));
                }
                Ok(())
            });
            told.expect("nothing waits");
            deferred::gather_results(answers)
        });
        reactor.settle();
        assert_eq!(seen(&peer), "> \\xff\\xfd\\x1f\\xff\\xfd\\x18");
        peer.send(b"\xff\xfb\x1f\xff\xfb\x18\xff\xfa\x1f\x00\x84\x00\x2b\xff\xf0");
        assert_eq!(seen(&peer), "\\xff\\xfa\\x18\\x01\\xff\\xf0");
        peer.send(b"\xff\xfa\x18\x00XTERM\xff\xf0");
        assert_eq!(reactor.result_of(asked).unwrap(), [true, true]);
        assert_eq!(
            recorder.take(),
            [
                "Remote window size (31): true",
                "Remote terminal type (24): true",
                "window 132x43"
            ]
        );
        // What is malformed is not lost: the protocol may make something of it.
        peer.send(b"\xff\xfa\x1f\x00\x84\xff\xf0");
        assert_eq!(recorder.take(), ["window size (31) says \\x00\\x84"]);
        let terminal = connection.call(|telnet, cx| {
            let mut name = None;
            let told = telnet.run(cx, |_, cx| {
                name = cx.terminal_type().map(str::to_owned);
                Ok(())
            });
            told.map(|()| name)
        });
        let terminal = reactor.result_of(terminal).unwrap();
        assert_eq!(terminal.as_deref(), Some("xterm"));
    });
}

#[test]
fn a_client_tells_its_window_and_terminal() {
    testing::run(|reactor| {
        let recorder = Recorder::default();
        let size = WindowSize {
            columns: 255,
            rows: 24,
        };
        let client = Telnet::client(recorder.clone()).with_terminal("vt220", size);
        let (connection, peer) = reactor.connect_to_peer(client);
        peer.send(b"\xff\xfd\x1f\xff\xfd\x18\xff\xfa\x18\x01\xff\xf0\xff\xfb\x01hello");
        assert_eq!(
            seen(&peer),
            "\\xff\\xfb\\x1f\\xff\\xfa\\x1f\\x00\\xff\\xff\\x00\\x18\\xff\\xf0\
             \\xff\\xfb\\x18\\xff\\xfa\\x18\\x00vt220\\xff\\xf0\\xff\\xfd\\x01"
        );
        assert_eq!(recorder.take().last().unwrap(), "data hello");
        let resized = connection.post(|telnet, cx| {
            telnet.run(cx, |_, cx| {
                cx.set_window_size(WindowSize {
                    columns: 100,
                    rows: 50,
                });
                Ok(())
            })
        });
        resized.unwrap();
        assert_eq!(seen(&peer), "\\xff\\xfa\\x1f\\x00d\\x002\\xff\\xf0");
    });
}

#[test]
fn what_is_not_acceptable_is_refused() {
    testing::run(|reactor| {
        let (recorder, _, peer) = server(reactor, InputMode::Lines);
        seen(&peer);
        // DO ECHO, WILL LINEMODE, DO STATUS.
        peer.send(b"\xff\xfd\x01\xff\xfb\x22\xff\xfd\x05");
        assert_eq!(seen(&peer), r#"\xff\xfc\x01\xff\xfe\"\xff\xfc\x05"#);
        // What such an option would carry is ignored.
        peer.send(b"\xff\xfa\x22\x01\x02\xff\xf0");
        assert_eq!(recorder.take(), [""; 0]);
    });
}

#[test]
fn each_timing_mark_and_are_you_there_is_answered() {
    testing::run(|reactor| {
        let (_, _, peer) = server(reactor, InputMode::Raw);
        seen(&peer);
        peer.send(b"\xff\xfd\x06\xff\xfd\x06\xff\xf6");
        assert_eq!(seen(&peer), "\\xff\\xfb\\x06\\xff\\xfb\\x06[yes]\\r\\n");
    });
}

#[test]
fn binary_is_passed_on_as_it_is_both_ways() {
    testing::run(|reactor| {
        let (recorder, connection, peer) = server(reactor, InputMode::Raw);
        peer.send(b"a\r\0");
        // WILL BINARY, DO BINARY.
        peer.send(b"\xff\xfb\x00\xff\xfd\x00b\r\0\xff\xff");
        let log = recorder.take();
        assert_eq!(log[0], "data a\\r");
        assert_eq!(log[3..], ["data b\\r\\x00", "data \\xff"]);
        seen(&peer);
        let sent = connection.post(|telnet, cx| {
            telnet.run(cx, |_, cx| {
                cx.write(b"x\ny\rz\xff");
                Ok(())
            })
        });
        sent.unwrap();
        assert_eq!(seen(&peer), "x\\ny\\rz\\xff\\xff");
    });
}

#[test]
fn a_request_that_is_refused_says_so() {
    testing::run(|reactor| {
        let (_, connection, peer) = server(reactor, InputMode::Lines);
        let asked = connection.call(|telnet, cx| {
            let mut answer = None;
            let told = telnet.run(cx, |_, cx| {
                answer = Some(cx.request(Side::Remote, TelnetOption::CHARSET, true));
                Ok(())
            });
            told.expect("nothing waits");
            answer.expect("it was asked")
        });
        peer.send(b"\xff\xfe\x2a\xff\xfc\x2a");
        assert!(!reactor.result_of(asked).unwrap());
    });
}

/// A peer that negotiates without an end and reads nothing is not answered without an end.
#[test]
fn a_storm_does_not_fill_the_memory() {
    testing::run(|reactor| {
        let (_, connection, peer) = server(reactor, InputMode::Lines);
        peer.set_reading(false);
        let storm = [b"\xff\xfb\x18\xff\xfc\x18".as_slice(); 1000].concat();
        for _ in 0..1000 {
            if peer.try_send(&storm) < storm.len() {
                break;
            }
        }
        let waiting = connection.buffered().unwrap_or_default();
        assert!(waiting < 256 * 1024, "{waiting} bytes of answers wait");
    });
}
