//! SMTP: STARTTLS and AUTH of the receiver.

use std::time::Duration;

use reactor::testing;

use crate::starttls::{self, Dialect};
use crate::support::{codes, greeted, server, text};

/// `\0eve\0sesame`
const PLAIN: &str = "AGV2ZQBzZXNhbWU=";

#[test]
fn a_login_needs_encryption_unless_it_is_allowed() {
    testing::run(|reactor| {
        let (_inbox, server) = server();
        let server = server.with_login();
        let (_connection, peer) = greeted(reactor, &server);
        peer.send(format!("AUTH PLAIN {PLAIN}\r\n"));
        assert_eq!(codes(&peer), [538]);
    });
}

#[test]
fn plain_and_login_work_and_are_checked() {
    for (lines, expected) in [
        (&["AUTH PLAIN AGV2ZQBzZXNhbWU="][..], &[235][..]),
        (&["auth plain", PLAIN], &[334, 235]),
        (&["AUTH LOGIN", "ZXZl", "c2VzYW1l"], &[334, 334, 235]),
        (&["AUTH LOGIN ZXZl", "c2VzYW1l"], &[334, 235]),
        (&["AUTH LOGIN ZXZl", "c2VzYW1m"], &[334, 535]),
        (&["AUTH PLAIN", "*"], &[334, 501]),
        (&["AUTH PLAIN", "!"], &[334, 501]),
        (&["AUTH PLAIN ="], &[501]),
        (&["AUTH CRAM-MD5"], &[504]),
        // Acts for another: `bob\0eve\0sesame`.
        (&["AUTH PLAIN Ym9iAGV2ZQBzZXNhbWU="], &[535]),
    ] {
        testing::run(|reactor| {
            let (inbox, server) = server();
            let server = server.dangerously_with_login_in_the_clear();
            let (_connection, peer) = greeted(reactor, &server);
            for line in lines {
                peer.send(format!("{line}\r\n"));
            }
            reactor.advance(Duration::from_secs(2));
            assert_eq!(codes(&peer), expected, "{lines:?}");
            peer.send("AUTH PLAIN\r\n");
            let is_in = expected.ends_with(&[235]);
            assert_eq!(codes(&peer), [if is_in { 503 } else { 334 }], "{lines:?}");
            if is_in {
                peer.send(format!("{}.\r\n", crate::support::BEGIN));
                let delivered = inbox.0.delivered.borrow();
                assert_eq!(delivered[0].0.login.as_deref(), Some("eve"));
            }
        });
    }
}

#[test]
fn a_login_waits_for_its_deferred() {
    testing::run(|reactor| {
        let (inbox, server) = server();
        let server = server.dangerously_with_login_in_the_clear();
        let (_connection, peer) = greeted(reactor, &server);
        inbox.0.wait_at.set("login");
        peer.send(format!("AUTH PLAIN {PLAIN}\r\nNOOP\r\n"));
        assert_eq!(text(&peer), "");
        inbox.go_on();
        reactor.settle();
        assert_eq!(codes(&peer), [235, 250]);
    });
}

const SMTP: Dialect = Dialect {
    tag: "",
    go_ahead: "220 2.0.0 go ahead",
    goes_on: |line, _| line.as_bytes()[3] == b'-',
};

fn talk(lines: &[&'static str], injected: &'static str) -> Vec<String> {
    let (_inbox, server) = server();
    let server = |tls| server.with_tls(tls).with_login().receiver();
    starttls::talk(SMTP, server, lines, injected)
}

#[test]
fn starttls_begins_anew_and_allows_a_login() {
    let lines = [
        "EHLO client",
        "MAIL FROM:<>",
        "STARTTLS",
        // Nothing of the time before counts.
        "RCPT TO:<bob@example.org>",
        "MAIL FROM:<>",
        "EHLO client",
        "STARTTLS",
        "AUTH PLAIN AGV2ZQBzZXNhbWU=",
        "QUIT",
    ];
    let replies = talk(&lines, "");
    let offers = |word: &str| replies.iter().filter(|reply| &reply[4..] == word).count();
    assert_eq!(
        (offers("STARTTLS"), offers("AUTH PLAIN LOGIN")),
        (1, 1),
        "{replies:?}"
    );
    let last = replies.iter().filter(|reply| reply.as_bytes()[3] == b' ');
    let codes: Vec<&str> = last.map(|reply| &reply[..3]).collect();
    let expected = [
        "220", "250", "250", "220", "503", "503", "250", "503", "235", "221",
    ];
    assert_eq!(codes, expected, "{replies:?}");
}

#[test]
fn what_is_injected_behind_starttls_is_never_run() {
    let lines = ["EHLO client", "STARTTLS", "NOOP"];
    let replies = talk(&lines, "MAIL FROM:<mallory@example.org>\r\n");
    let last = replies.last().expect("there are some");
    assert_eq!(last, "220 2.0.0 go ahead", "{replies:?}");
}
