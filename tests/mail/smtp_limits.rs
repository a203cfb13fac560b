//! The SMTP receiver: limits on time and logins, line ends in chunks, the `Received` header.

use std::time::Duration;

use deferred::assertions::with_no_unhandled;
use reactor::filter::proxy_protocol::ProxyProtocol;
use reactor::testing;
use reactor_mail::SmtpServer;

use crate::support::{BEGIN, Inbox, codes, greeted, server, text};

const PLAIN: &str = "AUTH PLAIN AGV2ZQBzZXNhbWU=\r\n";
/// `\0eve\0guess`
const WRONG: &str = "AUTH PLAIN AGV2ZQBndWVzcw==\r\n";

#[test]
fn a_message_that_never_ends_is_ended() {
    for chunked in [false, true] {
        testing::run(|reactor| {
            let (inbox, server) = server();
            let (_connection, peer) = greeted(reactor, &server);
            peer.send("MAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\n");
            peer.send(if chunked { "BDAT 100\r\n" } else { "DATA\r\n" });
            peer.received();
            for _ in 0..60 {
                peer.send("x");
                assert!(!peer.is_closed());
                reactor.advance(Duration::from_secs(60));
            }
            assert_eq!(codes(&peer), [421]);
            assert!(peer.is_closed());
            assert_eq!((inbox.messages().len(), inbox.0.lost.get()), (0, 1));
        });
    }
}

#[test]
fn the_time_of_a_message_ends_with_it() {
    testing::run(|reactor| {
        let (_inbox, server) = server();
        let server = server.with_message_timeout(Duration::from_secs(100));
        let (_connection, peer) = greeted(reactor, &server);
        for end in [".\r\n", "BDAT 0 LAST\r\n", "RSET\r\n"] {
            let begin = if end == ".\r\n" { "DATA" } else { "BDAT 0" };
            peer.send(format!(
                "MAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\n{begin}\r\n{end}"
            ));
            reactor.advance(Duration::from_secs(101));
            assert!(!peer.is_closed(), "{end}");
        }
    });
}

#[test]
fn a_session_that_never_ends_is_ended() {
    testing::run(|reactor| {
        let (_inbox, server) = server();
        let (_connection, peer) = greeted(reactor, &server);
        for _ in 0..120 {
            peer.send("NOOP\r\n");
            assert_eq!(codes(&peer), [250]);
            reactor.advance(Duration::from_secs(60));
        }
        assert_eq!(codes(&peer), [421]);
        assert!(peer.is_closed());
    });
}

#[test]
fn what_is_being_delivered_when_the_time_is_over_is_delivered() {
    with_no_unhandled(|| {
        testing::run(|reactor| {
            let (inbox, server) = server();
            let (_connection, peer) = greeted(reactor, &server);
            inbox.0.wait_at.set("end");
            peer.send(format!("{BEGIN}hello\r\n.\r\nNOOP\r\n"));
            reactor.advance(Duration::from_secs(7201));
            assert_eq!(codes(&peer), [250, 250, 354]);
            assert!(!peer.is_closed());
            inbox.go_on();
            reactor.settle();
            // Nothing that was sent ahead is run.
            assert_eq!(codes(&peer), [250, 421]);
            assert!(peer.is_closed());
            assert_eq!(inbox.messages(), [b"hello\r\n"]);
        });
    });
}

#[test]
fn a_failed_login_is_answered_late_and_the_third_is_the_last() {
    testing::run(|reactor| {
        let (_inbox, server) = server();
        let server = server.dangerously_with_login_in_the_clear();
        let (_connection, peer) = greeted(reactor, &server);
        for attempt in 1..=3 {
            peer.send(WRONG);
            peer.send("NOOP\r\n");
            reactor.advance(Duration::from_millis(1999));
            assert_eq!(text(&peer), "", "the reply and what is behind it wait");
            reactor.advance(Duration::from_millis(1));
            let expected = if attempt < 3 { [535, 250] } else { [535, 421] };
            assert_eq!(codes(&peer), expected);
        }
        assert!(peer.is_closed());
    });
}

#[test]
fn failed_logins_are_counted_across_good_ones_and_their_limits_are_set() {
    testing::run(|reactor| {
        let (_inbox, server) = server();
        let server = server.dangerously_with_login_in_the_clear();
        let server = server
            .with_max_failed_logins(2)
            .with_failed_login_delay(Duration::ZERO);
        let (connection, peer) = greeted(reactor, &server);
        peer.send(WRONG);
        reactor.settle();
        peer.send(PLAIN);
        assert_eq!(codes(&peer), [535, 235]);
        drop(connection);
        let (connection, peer) = greeted(reactor, &server);
        for _ in 0..2 {
            peer.send(WRONG);
            reactor.settle();
        }
        assert_eq!(codes(&peer), [535, 535, 421]);
        // A hang-up while the reply waits leaves nothing behind.
        let server = server.with_failed_login_delay(Duration::from_secs(9));
        drop(connection);
        let (_connection, peer) = greeted(reactor, &server);
        peer.send(WRONG);
        peer.reset();
        reactor.settle();
    });
}

#[test]
fn a_line_end_that_stands_alone_in_a_chunk_is_refused_however_it_is_cut() {
    for (message, is_good) in [
        ("a\r\nb\r\n", true),
        ("a\r\n.\r\nb", true),
        ("\r\n\r\n", true),
        ("a\nb", false),
        ("a\rb", false),
        ("\nb", false),
        ("a\r", false),
        ("a\n", false),
        ("a\r\r\nb", false),
        ("a\r\n\nb", false),
        ("a\n.\n", false),
        ("a\r.\r", false),
        ("a\n.\r\n", false),
        ("a\r\n.\n", false),
    ] {
        for cut in 0..=message.len() {
            for largest_read in [1, 1000] {
                testing::run(|reactor| {
                    reactor.set_largest_read(largest_read);
                    let (inbox, server) = server();
                    let (_connection, peer) = greeted(reactor, &server);
                    peer.send("MAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\n");
                    let (first, second) = message.split_at(cut);
                    peer.send(format!("BDAT {}\r\n{first}", first.len()));
                    peer.send(format!("BDAT {} LAST\r\n{second}NOOP\r\n", second.len()));
                    reactor.settle();
                    let codes = codes(&peer);
                    let expected = if is_good { 250 } else { 554 };
                    assert_eq!(codes[3..], [expected, 250], "{message:?} {cut}");
                    let messages = inbox.messages();
                    assert_eq!(messages.len(), usize::from(is_good));
                    assert!(messages.iter().all(|text| text == message.as_bytes()));
                });
            }
        }
    }
}

fn received(begin: &str, change: impl FnOnce(SmtpServer) -> SmtpServer) -> String {
    let inbox = Inbox::default();
    testing::run(|reactor| {
        let server = change(SmtpServer::new("mx.example.org", inbox.clone()));
        let (_connection, peer) = reactor.connect_to_peer(server.receiver());
        peer.send(begin);
        peer.send("Subject: hi\r\n.\r\n");
        reactor.settle();
        assert_eq!(codes(&peer).last(), Some(&250));
    });
    let messages = inbox.messages();
    let message = String::from_utf8(messages[0].clone()).expect("it is text");
    let header = message
        .strip_suffix("Subject: hi\r\n")
        .expect("it is at the end");
    header.to_owned()
}

#[test]
fn a_received_header_stands_before_the_message() {
    let header = received(&format!("EHLO client.example.org\r\n{BEGIN}"), |server| {
        server
    });
    let (start, date) = header.split_once(";\r\n\t").expect("a date");
    assert!(
        start.starts_with("Received: from client.example.org"),
        "{header}"
    );
    assert!(
        start.ends_with("\r\n\tby mx.example.org with ESMTP\r\n\tfor <bob@example.org>"),
        "{header}"
    );
    // As in `Sun, 29 Nov 2026 09:11:19 +0000`.
    assert!(date.len() == 33 && date.ends_with(" +0000\r\n"), "{date:?}");

    let header = received(&format!("HELO client\r\n{BEGIN}"), |server| server);
    assert!(header.contains(" with SMTP\r\n"), "{header}");
    let two = "EHLO client\r\nMAIL FROM:<> SMTPUTF8\r\nRCPT TO:<a@example.org>\r\n\
        RCPT TO:<b@example.org>\r\nDATA\r\n";
    let header = received(two, |server| server);
    assert!(
        header.contains(" with UTF8SMTP;\r\n") && !header.contains("for <"),
        "{header}"
    );
    let login = format!("EHLO client\r\n{PLAIN}{BEGIN}");
    let header = received(&login, SmtpServer::dangerously_with_login_in_the_clear);
    assert!(header.contains(" with ESMTPA\r\n"), "{header}");
    let header = received(
        &format!("EHLO client\r\n{BEGIN}"),
        SmtpServer::without_received_header,
    );
    assert_eq!(header, "");
}

#[test]
fn an_ipv4_client_of_a_port_for_both_families_is_shown_by_its_ipv4_address() {
    let inbox = Inbox::default();
    testing::run(|reactor| {
        let receiver = SmtpServer::new("mx.example.org", inbox.clone()).receiver();
        let filter = ProxyProtocol::from_any().filter();
        let (_connecting, peer) = reactor.connect_to_peer_through(filter, receiver);
        peer.send("PROXY TCP6 ::ffff:192.0.2.1 ::1 50000 25\r\n");
        peer.send(format!("EHLO client\r\n{BEGIN}.\r\n"));
        reactor.settle();
    });
    let message = String::from_utf8(inbox.messages()[0].clone()).expect("it is text");
    assert!(
        message.contains("from client ([192.0.2.1])\r\n"),
        "{message}"
    );
}

#[test]
fn a_client_cannot_write_into_the_received_header() {
    let hello = "EHLO a (by b) with ESMTP;\u{fc}<x>\r\n";
    let header = received(&format!("{hello}{BEGIN}"), |server| server);
    assert!(
        header.starts_with("Received: from a??by?b??with?ESMTP???x?"),
        "{header}"
    );
}

/// While the reply waits for the client to read, which may take its time.
#[test]
fn a_message_with_a_bad_line_end_is_dropped_at_once() {
    testing::run(|reactor| {
        let (inbox, server) = server();
        let (_connection, peer) = greeted(reactor, &server);
        peer.set_reading(false);
        // Their replies are a little more than the network of a test takes.
        peer.send("NOOP\r\n".repeat(4800));
        peer.send(format!("{BEGIN}text\nQUIT\r\n"));
        reactor.settle();
        assert!(!peer.is_closed(), "the reply waits");
        assert_eq!(inbox.0.lost.get(), 1);
        peer.set_reading(true);
        assert_eq!(codes(&peer).last(), Some(&521));
        assert!(peer.is_closed());
    });
}
