//! `\Recent`: one session shows a message so, and no other.

use reactor::testing;
use reactor_mail::NewMessage;

use crate::imap_support::{Client, Mail, now};

fn append(mail: &Mail, count: usize) {
    for _ in 0..count {
        now(mail
            .inbox()
            .append(NewMessage::new("Subject: x\r\n\r\ny\r\n")));
    }
}

#[test]
fn the_first_session_shows_messages_as_recent() {
    testing::run(|reactor| {
        let mail = Mail::new();
        append(&mail, 2);
        // EXAMINE and STATUS change nothing.
        let client = Client::log_in(reactor, &mail);
        for _ in 0..2 {
            let answer = client.ok("STATUS inbox (RECENT)");
            assert_eq!(answer, "* STATUS INBOX (RECENT 2)\r\n");
            let answer = client.ok("EXAMINE inbox");
            assert!(answer.contains("* 2 EXISTS\r\n* 2 RECENT\r\n"), "{answer}");
        }
        let answer = client.ok("SELECT inbox");
        assert!(answer.contains("* 2 EXISTS\r\n* 2 RECENT\r\n"), "{answer}");
        let other = Client::log_in(reactor, &mail);
        let answer = other.ok("SELECT inbox");
        assert!(answer.contains("* 2 EXISTS\r\n* 0 RECENT\r\n"), "{answer}");

        assert_eq!(
            client.ok("FETCH 1:2 FLAGS"),
            "* 1 FETCH (FLAGS (\\Recent))\r\n* 2 FETCH (FLAGS (\\Recent))\r\n"
        );
        assert_eq!(
            client.ok("STORE 1 +FLAGS (\\Seen)"),
            "* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent))\r\n"
        );
        assert_eq!(other.ok("NOOP"), "* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n");
        // A client cannot set it.
        assert_eq!(
            other.ok("STORE 2 +FLAGS (\\Recent)"),
            "* 2 FETCH (UID 2 FLAGS ())\r\n"
        );
        let found = |client: &Client| {
            ["RECENT", "OLD", "NEW", "NOT RECENT"].map(|key| client.ok(&format!("SEARCH {key}")))
        };
        let expected = [
            "* SEARCH 1 2\r\n",
            "* SEARCH\r\n",
            "* SEARCH 2\r\n",
            "* SEARCH\r\n",
        ];
        assert_eq!(found(&client), expected);
        let expected = [
            "* SEARCH\r\n",
            "* SEARCH 1 2\r\n",
            "* SEARCH\r\n",
            "* SEARCH 1 2\r\n",
        ];
        assert_eq!(found(&other), expected);
        // Another SELECT is another session for this.
        let answer = client.ok("SELECT inbox");
        assert!(answer.contains("* 0 RECENT\r\n"), "{answer}");
    });
}

#[test]
fn one_of_the_sessions_that_wait_shows_a_new_message_as_recent() {
    testing::run(|reactor| {
        let mail = Mail::new();
        let clients = [(); 3].map(|()| Client::select(reactor, &mail));
        let examining = Client::log_in(reactor, &mail);
        examining.ok("EXAMINE inbox");
        for client in &clients {
            assert_eq!(client.say("x IDLE"), "+ idling\r\n");
        }
        append(&mail, 1);
        reactor.settle();
        let mut told = clients.each_ref().map(Client::received);
        told.sort();
        let (old, recent) = ("* 1 EXISTS\r\n", "* 1 EXISTS\r\n* 1 RECENT\r\n");
        assert_eq!(told, [old, old, recent]);
        let flags = clients.each_ref().map(|client| {
            client.say("DONE");
            client.ok("FETCH 1 FLAGS")
        });
        let recent = flags.iter().filter(|flags| flags.contains("\\Recent"));
        assert_eq!(recent.count(), 1, "{flags:?}");
        assert_eq!(examining.ok("NOOP"), old);
    });
}

#[test]
fn copies_are_recent_where_they_come() {
    testing::run(|reactor| {
        let mail = Mail::new();
        append(&mail, 1);
        let client = Client::select(reactor, &mail);
        client.ok("CREATE a");
        client.ok("COPY 1 a");
        assert_eq!(client.ok("STATUS a (RECENT)"), "* STATUS a (RECENT 1)\r\n");
        // A copy that comes into the mailbox which is open.
        assert_eq!(client.ok("COPY 1 inbox"), "* 2 EXISTS\r\n* 2 RECENT\r\n");
        let appended = client.say("x APPEND inbox {2+}\r\nhi");
        assert!(
            appended.starts_with("* 3 EXISTS\r\n* 3 RECENT\r\n"),
            "{appended}"
        );
        // One that is gone does not count.
        client.ok("STORE 1 +FLAGS.SILENT (\\Deleted)");
        client.ok("EXPUNGE");
        append(&mail, 1);
        assert_eq!(client.ok("NOOP"), "* 3 EXISTS\r\n* 3 RECENT\r\n");
    });
}

/// If a store cannot tell, a message counts as recent.
#[test]
fn a_store_that_fails_leaves_messages_recent() {
    testing::run(|reactor| {
        let mail = Mail::new();
        append(&mail, 1);
        for fails in [true, false] {
            let at = if fails { "claim_recent" } else { "" };
            mail.control.fail_at.set(at);
            let client = Client::log_in(reactor, &mail);
            let answer = client.ok("SELECT inbox");
            assert!(answer.contains("* 1 RECENT\r\n"), "{answer}");
        }
        mail.control.fail_at.set("");
        // A hang-up in between breaks nothing.
        append(&mail, 1);
        mail.control.wait_at("claim_recent");
        let client = Client::log_in(reactor, &mail);
        assert_eq!(client.say("x SELECT inbox"), "");
        client.peer.reset();
        reactor.settle();
    });
}
