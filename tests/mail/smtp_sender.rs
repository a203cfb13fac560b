//! `send_mail`: replies, extensions, line ends and lost servers.

use std::rc::Rc;
use std::time::Duration;

use deferred::Result;
use reactor::testing;
use reactor_mail::{SmtpError, send_mail};

use crate::script::Script;
use crate::support::server;

const AT: &str = "192.0.2.1:25";

#[test]
fn a_message_arrives_with_its_line_ends_and_dots() {
    for (message, expected) in [
        ("", ""),
        (".", ".\r\n"),
        ("a\r\n.\r\nb", "a\r\n.\r\nb\r\n"),
        ("a\n.\nb\n", "a\r\n.\r\nb\r\n"),
        ("a\r.\rb\r", "a\r\n.\r\nb\r\n"),
        ("a\r\r\n..\n\rb", "a\r\n\r\n..\r\n\r\nb\r\n"),
        ("gr\u{fc}n\n.\r\nQUIT\r\n", "gr\u{fc}n\r\n.\r\nQUIT\r\n"),
    ] {
        testing::run(|reactor| {
            let (inbox, server) = server();
            let port = reactor.listen_tcp(AT, server).unwrap();
            let sent = send_mail(reactor, AT, "", &["bob@example.org"], message);
            let sent = reactor.block_on(sent).expect("it is taken");
            assert!(sent.refused.is_empty());
            assert_eq!(inbox.messages(), [expected.as_bytes()], "{message:?}");
            let delivered = inbox.0.delivered.borrow();
            assert_eq!(delivered[0].0.from, None);
            assert_eq!(delivered[0].0.is_8bit, !message.is_ascii());
            port.stop_listening();
        });
    }
}

#[test]
fn some_recipients_may_be_refused_but_not_all() {
    testing::run(|reactor| {
        let (inbox, server) = server();
        let port = reactor.listen_tcp(AT, server).unwrap();
        let to = ["nobody@example.org", "bob@example.org"];
        let sent = send_mail(reactor, AT, "eve@example.org", &to, "hi");
        let sent = reactor.block_on(sent).expect("it is taken");
        assert_eq!(sent.reply.to_string(), "250 2.0.0 delivered");
        let [(address, reply)] = &sent.refused[..] else {
            panic!()
        };
        assert_eq!((address.as_str(), reply.code()), (to[0], 550));
        assert_eq!(inbox.0.delivered.borrow()[0].0.to.len(), 1);

        let sent = send_mail(reactor, AT, "eve@example.org", &to[..1], "hi");
        let failure = reactor.block_on(sent).unwrap_err();
        let error = failure.check::<SmtpError>().expect("it is refused");
        assert!(matches!(error, SmtpError::AllRefused { .. }) && error.is_permanent());
        port.stop_listening();
    });
}

#[test]
fn an_address_that_could_end_a_command_is_never_sent() {
    testing::run(|reactor| {
        for (from, to) in [
            ("eve@example.org\r\nDATA", "bob@example.org"),
            (
                "eve@example.org",
                "bob@example.org>\r\nRCPT TO:<x@example.org",
            ),
            ("eve@example.org", "bob@example.org\n"),
            ("eve@example.org", "bob@example.org>"),
        ] {
            // Nothing listens: an attempt to connect would fail with another error.
            let sent = send_mail(reactor, AT, from, &[to], "hi");
            let failure = reactor.block_on(sent).unwrap_err();
            let error = failure.check::<SmtpError>().expect("it is refused");
            assert!(matches!(error, SmtpError::InvalidAddress { .. }), "{error}");
            assert!(error.is_permanent());
        }
        let failure = reactor
            .block_on(send_mail(reactor, AT, "", &[], "hi"))
            .unwrap_err();
        assert_eq!(failure.check(), Some(&SmtpError::NoRecipient));
    });
}

/// Sends to a server that says `replies`; gives the outcome and the commands.
fn send(replies: &[&'static str], hangs_up: bool, message: &str) -> (Result<()>, Vec<String>) {
    let script = Script::new(replies, hangs_up);
    let (commands, mut outcome) = (Rc::clone(&script.commands), None);
    testing::run(|reactor| {
        let port = reactor.listen_tcp(AT, move || script.clone()).unwrap();
        let sent = send_mail(
            reactor,
            AT,
            "eve@example.org",
            &["bob@example.org"],
            message,
        );
        reactor.settle();
        reactor.advance(Duration::from_secs(600));
        outcome = Some(reactor.block_on(sent.map_ok(drop)));
        port.stop_listening();
        reactor.advance(Duration::from_secs(600));
    });
    (outcome.expect("it has run"), commands.take())
}

#[test]
fn an_old_server_gets_helo_and_one_command_at_a_time() {
    let replies = [
        "220 old\r\n",
        "502 what\r\n",
        "250 hello\r\n",
        "250\r\n",
        "250-a\r\n250 b\r\n",
        "354\r\n",
        "",
        "250 ok\r\n",
    ];
    let (outcome, commands) = send(&replies, false, "hi");
    outcome.expect("it is taken");
    let ends = [
        "MAIL FROM:<eve@example.org>",
        "RCPT TO:<bob@example.org>",
        "DATA",
        "hi",
        ".",
        "QUIT",
    ];
    assert!(commands[0].starts_with("EHLO [") && commands[1].starts_with("HELO ["));
    assert_eq!(commands[2..], ends);
}

#[test]
fn each_reply_may_be_the_end() {
    let good = [
        "220 a\r\n",
        "250 b\r\n",
        "250 c\r\n",
        "250 d\r\n",
        "354 e\r\n",
    ];
    for at in 0..5 {
        for (reply, permanent) in [
            ("421 no\r\n", false),
            ("554 no\r\n", true),
            ("hello\r\n", false),
        ] {
            if at == 1 && permanent {
                continue; // EHLO: HELO follows
            }
            let mut replies = good[..at].to_vec();
            replies.push(reply);
            let failure = send(&replies, true, "hi").0.unwrap_err();
            let error = failure.check::<SmtpError>().expect("an error of SMTP");
            assert_eq!(error.is_permanent(), permanent, "{at}: {error}");
        }
        let failure = send(&good[..=at], true, "hi").0.unwrap_err();
        assert_eq!(failure.check(), Some(&SmtpError::HungUp), "{at}");
        let failure = send(&good[..at], false, "hi").0.unwrap_err();
        let closed = failure.check::<reactor::ConnectionClosed>();
        assert!(
            matches!(closed, Some(reactor::ConnectionClosed::IdleTimeout { .. })),
            "{at}: {failure}"
        );
    }
}

#[test]
fn a_message_that_needs_an_extension_is_not_sent_without() {
    let (outcome, commands) = send(&["220 a\r\n", "250-b\r\n250 SIZE\r\n"], true, "gr\u{fc}n");
    let expected = SmtpError::NotSupported {
        extension: "8BITMIME",
    };
    assert_eq!(outcome.unwrap_err().check(), Some(&expected));
    assert_eq!(commands[1..], ["QUIT"]);
}

#[test]
fn a_reply_without_end_is_bounded() {
    let line: &'static str = Box::leak("250-x\r\n".repeat(200).into_boxed_str());
    let failure = send(&["220 a\r\n", line], false, "hi").0.unwrap_err();
    assert_eq!(failure.check(), Some(&SmtpError::BadReply));
}
