//! The SMTP receiver: transactions, extensions, limits and lost connections.

use std::time::Duration;

use deferred::assertions::with_no_unhandled;
use reactor::testing;
use reactor_mail::{DsnReturn, MailAddress, SmtpReply};

use crate::support::{BEGIN, codes, greeted, server, text};

#[test]
fn a_pipelined_transaction_is_answered_in_order_byte_by_byte() {
    testing::run(|reactor| {
        reactor.set_largest_read(1);
        let (inbox, server) = server();
        let (_connection, peer) = greeted(reactor, &server);
        inbox.0.wait_at.set("to");
        peer.send(BEGIN);
        peer.send("Subject: hi\r\n\r\n..dot\r\n.\r\nNOOP\r\nQUIT\r\n");
        reactor.settle();
        assert_eq!(
            codes(&peer),
            [250],
            "nothing overtakes the check of the recipient"
        );
        inbox.go_on();
        reactor.settle();
        assert_eq!(codes(&peer), [250, 354, 250, 250, 221]);
        assert!(peer.is_closed());
        assert_eq!(inbox.messages(), [b"Subject: hi\r\n\r\n.dot\r\n"]);
    });
}

#[test]
fn extensions_are_listed_and_helo_has_none() {
    testing::run(|reactor| {
        let (_inbox, server) = server();
        let (_connection, peer) = reactor.connect_to_peer(server.receiver());
        peer.received();
        peer.send("EHLO client\r\n");
        let expected = "250-mx.example.org\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n\
            250-CHUNKING\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE 33554432\r\n";
        assert_eq!(text(&peer), expected);
        peer.send("helo client\r\n");
        assert_eq!(text(&peer), "250 mx.example.org\r\n");
        peer.send("vrfy bob\r\nnoop\r\n");
        assert_eq!(codes(&peer), [252, 250]);
    });
}

#[test]
fn commands_out_of_order_and_bad_parameters_are_refused() {
    testing::run(|reactor| {
        let (_inbox, server) = server();
        let server = server.with_max_errors(100);
        let (_connection, peer) = reactor.connect_to_peer(server.receiver());
        peer.received();
        peer.send("MAIL FROM:<eve@example.org>\r\n");
        assert_eq!(codes(&peer), [503]);
        peer.send("EHLO client\r\n");
        peer.received();
        for (line, code) in [
            ("RCPT TO:<bob@example.org>", 503),
            ("DATA", 503),
            ("BDAT x", 501),
            ("BDAT 99999999999999999999999", 501),
            ("WHAT", 500),
            ("", 500),
            ("STARTTLS", 502),
            ("AUTH PLAIN", 502),
            ("EHLO", 501),
            ("MAIL FROM:eve@example.org", 501),
            ("MAIL FROM:<eve@example.org", 501),
            ("MAIL FROM:<eve>", 501),
            ("MAIL FROM:<eve@example.org>x", 501),
            ("MAIL FROM:<eve@example.org> WHAT=1", 555),
            ("MAIL FROM:<eve@example.org> BODY=16BIT", 501),
            ("MAIL FROM:<eve@example.org> SIZE=-1", 501),
            ("MAIL FROM:<eve@example.org> SIZE=33554433", 552),
            ("MAIL FROM:<eve@example.org> ENVID=a+0Ab", 501),
            ("MAIL FROM:<\u{fc}@example.org>", 553),
            ("MAIL FROM:<eve@example.org> SIZE=33554432", 250),
            ("MAIL FROM:<eve@example.org>", 503),
            ("RCPT TO:<>", 501),
            ("RCPT TO:<bob@example.org> NOTIFY=SOMETIMES", 501),
            ("RCPT TO:<nobody@example.org>", 550),
            ("DATA", 503),
            ("RSET", 250),
            ("RCPT TO:<bob@example.org>", 503),
        ] {
            peer.send(format!("{line}\r\n"));
            assert_eq!(codes(&peer), [code], "{line}");
        }
    });
}

#[test]
fn an_address_cannot_leave_its_brackets() {
    for text in [
        "a\rb@example.org",
        "a\nb@example.org",
        "a<b@example.org",
        "a>b@example.org",
        "\"a>b\"@example.org",
        "\"a\\\rb\"@example.org",
        "\"a\"b\"@example.org",
        "a b@example.org",
        "a@b@example.org",
        "@example.org",
        "a@",
        "a@example..org",
        "a@[127.0.0.1]]",
        "a@example.org> SIZE=1",
        "a\0@example.org",
        "",
    ] {
        assert!(text.parse::<MailAddress>().is_err(), "{text:?}");
    }
    let long = format!("{}@example.org", "x".repeat(65));
    assert!(long.parse::<MailAddress>().is_err());
    for text in [
        "a+b@example.org",
        "\"a b@c\"@example.org",
        "a@[127.0.0.1]",
        "a@[IPv6:::1]",
        "gr\u{fc}\u{df}e@example.org",
        "Postmaster",
    ] {
        assert!(text.parse::<MailAddress>().is_ok(), "{text:?}");
    }
}

#[test]
fn dsn_parameters_reach_the_envelope() {
    testing::run(|reactor| {
        let (inbox, server) = server();
        let (_connection, peer) = greeted(reactor, &server);
        peer.send("MAIL FROM:<@relay:gr\u{fc}n@example.org> SMTPUTF8 BODY=8BITMIME RET=HDRS ENVID=a+2Bb SIZE=3\r\n");
        peer.send(
            "RCPT TO:<bob@example.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+3Db@example.org\r\n",
        );
        peer.send("RCPT TO:<postmaster> NOTIFY=NEVER\r\nDATA\r\n.\r\n");
        assert_eq!(codes(&peer), [250, 250, 250, 354, 250]);
        let delivered = inbox.0.delivered.borrow();
        let (envelope, message) = &delivered[0];
        assert!(message.is_empty());
        assert_eq!(
            envelope.from.as_ref().unwrap().as_str(),
            "gr\u{fc}n@example.org"
        );
        assert_eq!(envelope.hello, "client");
        assert_eq!(envelope.returns, Some(DsnReturn::Headers));
        assert_eq!(envelope.envelope_id.as_deref(), Some("a+b"));
        assert_eq!(envelope.size, Some(3));
        assert!(envelope.is_8bit && envelope.is_utf8 && !envelope.is_encrypted);
        let [bob, postmaster] = &envelope.to[..] else {
            panic!()
        };
        let notify = bob.notify.unwrap();
        assert!(notify.success && notify.delay && !notify.failure);
        assert_eq!(bob.original.as_deref(), Some("rfc822;b=b@example.org"));
        assert_eq!(postmaster.notify, Some(reactor_mail::DsnNotify::default()));
    });
}

#[test]
fn chunks_make_a_message() {
    testing::run(|reactor| {
        let (inbox, server) = server();
        let (_connection, peer) = greeted(reactor, &server);
        peer.send("MAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\n");
        peer.send("BDAT 6\r\na\r\n.\r\nBDAT 0\r\nBDAT 3 LAST\r\nb\r\nNOOP\r\n");
        assert_eq!(codes(&peer), [250, 250, 250, 250, 250, 250]);
        peer.send("MAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nBDAT 2\r\nxx");
        peer.send("DATA\r\nRCPT TO:<eve@example.org>\r\nBDAT 0 LAST\r\n");
        assert_eq!(codes(&peer), [250, 250, 250, 503, 503, 250]);
        assert_eq!(inbox.messages()[1], b"xx");
        // Without a recipient, the chunks are discarded, and never run.
        peer.send("BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n");
        assert_eq!(codes(&peer), [503, 503, 250]);
        assert!(!peer.is_closed());
    });
}

#[test]
fn smuggled_ends_close_the_connection_with_521() {
    for end in [
        "\n.\n",
        "\r.\r",
        "\n.\r\n",
        "\r.\r\n",
        "\r\n.\n",
        "\r\n.\r",
        "\r\r\n.\r\n",
    ] {
        testing::run(|reactor| {
            let (inbox, server) = server();
            let (_connection, peer) = greeted(reactor, &server);
            peer.send(BEGIN);
            peer.received();
            peer.send(format!("hello{end}MAIL FROM:<mallory@example.org>\r\n"));
            assert_eq!(codes(&peer), [521], "{end:?}");
            assert!(peer.is_closed());
            assert!(inbox.messages().is_empty());
            assert_eq!(inbox.0.lost.get(), 1);
        });
    }
}

#[test]
fn a_message_that_is_too_large_is_refused_at_its_end() {
    testing::run(|reactor| {
        let (inbox, server) = server();
        let server = server.with_max_size(10);
        let (_connection, peer) = greeted(reactor, &server);
        peer.send(format!(
            "{BEGIN}0123456789\r\nQUIT\r\n.\r\n{BEGIN}12345678\r\n.\r\n"
        ));
        assert_eq!(codes(&peer), [250, 250, 354, 552, 250, 250, 354, 250]);
        assert_eq!(inbox.messages(), [b"12345678\r\n"]);
    });
}

#[test]
fn recipients_and_errors_have_limits() {
    testing::run(|reactor| {
        let (_inbox, server) = server();
        let server = server.with_max_recipients(2).with_max_errors(3);
        let (_connection, peer) = greeted(reactor, &server);
        peer.send("MAIL FROM:<>\r\n");
        peer.send("RCPT TO:<a@example.org>\r\n".repeat(3));
        assert_eq!(codes(&peer), [250, 250, 250, 452]);
        peer.send("WHAT\r\nWHAT\r\nNOOP\r\n");
        assert_eq!(codes(&peer), [500, 500, 421]);
        assert!(peer.is_closed());
    });
}

#[test]
fn a_line_without_end_closes_the_connection() {
    testing::run(|reactor| {
        let (_inbox, server) = server();
        let (_connection, peer) = greeted(reactor, &server);
        peer.send("x".repeat(13 * 1024));
        assert_eq!(codes(&peer), [500]);
        assert!(peer.is_closed());
    });
}

#[test]
fn a_silent_client_is_closed_and_one_that_waits_is_not() {
    testing::run(|reactor| {
        let (inbox, server) = server();
        let (_connection, peer) = greeted(reactor, &server);
        reactor.advance(Duration::from_secs(299));
        inbox.0.wait_at.set("from");
        peer.send("MAIL FROM:<>\r\n");
        reactor.advance(Duration::from_secs(1000));
        assert!(!peer.is_closed());
        inbox.go_on();
        reactor.settle();
        assert_eq!(codes(&peer), [250]);
        reactor.advance(Duration::from_secs(299));
        assert!(!peer.is_closed());
        reactor.advance(Duration::from_secs(1));
        assert_eq!(codes(&peer), [421]);
        assert!(peer.is_closed());
    });
}

#[test]
fn a_hang_up_in_the_message_delivers_nothing() {
    testing::run(|reactor| {
        let (inbox, server) = server();
        let (_connection, peer) = greeted(reactor, &server);
        peer.send(format!("{BEGIN}hello\r\n."));
        peer.close();
        reactor.settle();
        assert!(inbox.messages().is_empty());
        assert_eq!(inbox.0.lost.get(), 1);
    });
}

#[test]
fn a_hang_up_after_the_dot_cancels_nothing() {
    with_no_unhandled(|| {
        testing::run(|reactor| {
            let (inbox, server) = server();
            let (connection, peer) = greeted(reactor, &server);
            inbox.0.wait_at.set("end");
            peer.send(format!("{BEGIN}hello\r\n.\r\n"));
            reactor.settle();
            peer.reset();
            reactor.settle();
            connection.abort();
            reactor.settle();
            assert!(connection.is_gone());
            assert_eq!(inbox.0.cancelled.get(), 0);
            inbox.go_on();
            assert_eq!(inbox.messages(), [b"hello\r\n"]);
        });
    });
}

#[test]
fn a_check_is_cancelled_with_the_connection() {
    with_no_unhandled(|| {
        for step in ["from", "to", "begin", "data"] {
            testing::run(|reactor| {
                let (inbox, server) = server();
                let (connection, peer) = greeted(reactor, &server);
                inbox.0.wait_at.set(step);
                peer.send(format!("{BEGIN}hello\r\n.\r\n"));
                reactor.settle();
                assert_eq!(inbox.0.cancelled.get(), 0, "{step}");
                connection.abort();
                reactor.settle();
                assert_eq!(inbox.0.cancelled.get(), 1, "{step}");
                assert!(inbox.messages().is_empty());
            });
        }
    });
}

#[test]
fn a_slow_delivery_holds_the_client_back() {
    testing::run(|reactor| {
        let (inbox, server) = server();
        let (_connection, peer) = greeted(reactor, &server);
        inbox.0.wait_at.set("data");
        let line = format!("{}\r\n", "x".repeat(998));
        peer.send(format!("{BEGIN}{}", line.repeat(8)));
        reactor.settle();
        let megabytes = vec![b'x'; 32 << 20];
        let taken = peer.try_send(&megabytes);
        assert!(taken < 8 << 20, "{taken} bytes were taken");
        inbox.go_on();
        reactor.settle();
        peer.send("\r\n.\r\n");
        assert_eq!(codes(&peer), [250, 250, 354, 250]);
        assert_eq!(inbox.messages()[0].len(), 8000 + taken + 2);
    });
}

#[test]
fn each_step_may_refuse() {
    for (step, expected) in [
        ("from", &[450, 503, 503][..]),
        ("to", &[250, 450, 503]),
        ("begin", &[250, 250, 450]),
        ("data", &[250, 250, 354, 450]),
        ("end", &[250, 250, 354, 450]),
    ] {
        testing::run(|reactor| {
            let (inbox, server) = server();
            let (_connection, peer) = greeted(reactor, &server);
            let reply = SmtpReply::new(450, "4.2.1 later\r\n250 fine");
            inbox.0.fail_at.replace(Some((step, reply)));
            peer.send(BEGIN);
            reactor.settle();
            if expected.len() == 4 {
                peer.send("hello\r\n.\r\n");
            }
            let replies = text(&peer);
            let lines = replies.lines().filter(|line| line.as_bytes()[3] == b' ');
            let codes: Vec<u16> = lines.map(|line| line[..3].parse().unwrap()).collect();
            assert_eq!(codes, *expected, "{step}");
            assert!(
                replies.contains("450-4.2.1 later \r\n450 250 fine\r\n"),
                "{replies}"
            );
            assert!(inbox.messages().is_empty());
        });
    }
}
