//! The IMAP server: mailboxes, and messages that are appended.

use std::time::Instant;

use reactor::testing;
use reactor_mail::{MailFlag, MailboxName, NewMessage};

use crate::imap_support::{Client, Mail, now};

#[test]
fn mailboxes_are_made_listed_renamed_and_deleted() {
    testing::run(|reactor| {
        let client = Client::log_in(reactor, &Mail::new());
        client.ok("CREATE Lists/rust/");
        client.ok("CREATE Lists/c");
        let (inbox, rust) = (
            "* LIST () \"/\" INBOX\r\n",
            "* LIST () \"/\" Lists/rust\r\n",
        );
        let c = "* LIST () \"/\" Lists/c\r\n";
        assert_eq!(client.ok("LIST \"\" *"), format!("{inbox}{c}{rust}"));
        // The name between is no mailbox, but a client must find it.
        let above = "* LIST (\\Noselect) \"/\" Lists\r\n";
        assert_eq!(client.ok("LIST \"\" %"), format!("{inbox}{above}"));
        assert_eq!(client.ok("LIST Lists/ %"), format!("{c}{rust}"));
        assert_eq!(
            client.ok("LIST \"\" \"\""),
            "* LIST (\\Noselect) \"/\" \"\"\r\n"
        );
        assert_eq!(client.ok("LIST \"\" inbox"), inbox);
        assert_eq!(
            client.say("x CREATE Lists/c"),
            "x NO [ALREADYEXISTS] the mailbox exists\r\n"
        );
    });
}

#[test]
fn renaming_and_deleting() {
    testing::run(|reactor| {
        let mail = Mail::new();
        mail.add("x");
        let client = Client::log_in(reactor, &mail);
        client.ok("CREATE a");
        client.ok("CREATE a/b");
        client.ok("RENAME a z");
        assert_eq!(
            client.ok("LIST z *"),
            "* LIST () \"/\" z\r\n* LIST () \"/\" z/b\r\n"
        );
        client.ok("DELETE z");
        assert_eq!(
            client.say("x DELETE z"),
            "x NO [NONEXISTENT] no such mailbox\r\n"
        );
        assert_eq!(
            client.say("x DELETE inbox"),
            "x NO [NOPERM] not permitted\r\n"
        );
        client.ok("RENAME inbox Old");
        let status = client.ok("STATUS Old (MESSAGES)");
        assert_eq!(status, "* STATUS Old (MESSAGES 1)\r\n");
    });
}

#[test]
fn subscriptions_are_names() {
    testing::run(|reactor| {
        let client = Client::log_in(reactor, &Mail::new());
        client.ok("CREATE a/b");
        client.ok("SUBSCRIBE a/b");
        assert_eq!(client.ok("LSUB \"\" *"), "* LSUB () \"/\" a/b\r\n");
        assert_eq!(client.ok("LSUB \"\" %"), "* LSUB (\\Noselect) \"/\" a\r\n");
        client.ok("DELETE a/b");
        assert_eq!(
            client.ok("LSUB \"\" *"),
            "* LSUB (\\Noselect) \"/\" a/b\r\n"
        );
        assert_eq!(client.ok("LIST \"\" a*"), "");
        client.ok("UNSUBSCRIBE a/b");
        assert_eq!(client.ok("LSUB \"\" *"), "");
    });
}

#[test]
fn names_are_in_modified_utf_7() {
    testing::run(|reactor| {
        let mail = Mail::new();
        let client = Client::log_in(reactor, &mail);
        client.ok("CREATE \"Entw&APw-rfe &- Rest\"");
        let name = MailboxName::new("Entwürfe & Rest").expect("a good name");
        now(mail.account().open(&name));
        let listed = client.ok("LIST \"\" \"Entw&APw-*\"");
        assert_eq!(listed, "* LIST () \"/\" \"Entw&APw-rfe &- Rest\"\r\n");
        assert_eq!(client.ok("LIST \"\" &AP-"), "");
    });
}

#[test]
fn a_name_that_leaves_the_account_is_refused() {
    testing::run(|reactor| {
        let mail = Mail::new();
        let client = Client::log_in(reactor, &mail);
        for bad in [
            "..",
            "../x",
            "a/../b",
            "/etc/passwd",
            "a//b",
            ".",
            "\"\"",
            // A slash, dots and a NUL in UTF-7.
            "&AC8-etc",
            "&AC4ALg-/x",
            "a&AAA-",
            "&AP-",
            "{3+}\r\na\nb",
        ] {
            for command in ["CREATE", "DELETE", "SELECT", "SUBSCRIBE", "RENAME inbox"] {
                let answer = client.say(&format!("x {command} {bad}"));
                assert!(answer.starts_with("x NO ["), "{command} {bad}: {answer}");
            }
            let answer = client.say(&format!("x APPEND {bad} {{1+}}\r\nx"));
            assert!(answer.starts_with("x NO [CANNOT]"), "{bad}: {answer}");
        }
        assert_eq!(mail.control.count("create"), 0);
        assert_eq!(mail.control.count("open"), 0);
    });
}

#[test]
fn the_namespace_is_one() {
    testing::run(|reactor| {
        let client = Client::log_in(reactor, &Mail::new());
        assert_eq!(
            client.ok("NAMESPACE"),
            "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"
        );
    });
}

#[test]
fn status_counts() {
    testing::run(|reactor| {
        let mail = Mail::new();
        mail.add("1");
        mail.add("2");
        let mut seen = NewMessage::new("3");
        seen.flags.insert(MailFlag::Seen);
        seen.flags.insert(MailFlag::Deleted);
        now(mail.inbox().append(seen));
        let client = Client::log_in(reactor, &mail);
        let status = client.ok("STATUS inbox (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)");
        let counts = "MESSAGES 3 RECENT 1 UIDNEXT 4 UIDVALIDITY 1 UNSEEN 2";
        assert_eq!(status, format!("* STATUS INBOX ({counts})\r\n"));
        let answer = client.say("x STATUS none (MESSAGES)");
        assert_eq!(answer, "x NO [NONEXISTENT] no such mailbox\r\n");
    });
}

#[test]
fn select_tells_of_the_mailbox() {
    testing::run(|reactor| {
        let mail = Mail::new();
        let mut seen = NewMessage::new("1");
        seen.flags.insert(MailFlag::Seen);
        seen.flags.insert_keyword("$Junk");
        now(mail.inbox().append(seen));
        mail.add("2");
        let client = Client::log_in(reactor, &mail);
        let flags = "\\Answered \\Deleted \\Draft \\Flagged \\Seen $Junk";
        let expected = format!(
            "* 2 EXISTS\r\n* 1 RECENT\r\n* OK [UNSEEN 2] the first one\r\n* FLAGS ({flags})\r\n\
             * OK [PERMANENTFLAGS ({flags} \\*)] what can be set\r\n\
             * OK [UIDNEXT 3] the next one\r\n* OK [UIDVALIDITY 1] they are valid\r\n"
        );
        assert_eq!(client.ok("SELECT INBOX"), expected);
        let answer = client.say("x EXAMINE inbox");
        assert!(answer.contains("[PERMANENTFLAGS ()]"), "{answer}");
        assert!(answer.ends_with("x OK [READ-ONLY] done\r\n"), "{answer}");
        for command in ["STORE 1 FLAGS ()", "EXPUNGE", "MOVE 1 x", "UID EXPUNGE 1"] {
            let answer = client.say(&format!("x {command}"));
            assert_eq!(answer, "x NO [READ-ONLY] opened with EXAMINE\r\n");
        }
        // A SELECT that fails leaves no mailbox open.
        client.say("x SELECT none");
        assert_eq!(
            client.say("x FETCH 1 UID"),
            "x BAD select a mailbox first\r\n"
        );
    });
}

#[test]
fn messages_are_appended() {
    testing::run(|reactor| {
        let mail = Mail::new();
        let client = Client::select(reactor, &mail);
        let date = "\"07-Feb-1994 21:52:25 -0800\"";
        client.say(&format!("x APPEND inbox (\\Seen $Junk) {date} {{5}}"));
        let answer = client.say("hello");
        assert_eq!(
            answer,
            "* 1 EXISTS\r\n* 1 RECENT\r\nx OK [APPENDUID 1 1] done\r\n"
        );
        let fetched = client.ok("FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE)");
        let date = "\"08-Feb-1994 05:52:25 +0000\"";
        let expected = format!("FLAGS (\\Seen $Junk \\Recent) INTERNALDATE {date} RFC822.SIZE 5");
        assert_eq!(fetched, format!("* 1 FETCH ({expected})\r\n"));

        let answer = client.say("x APPEND none {1+}\r\nx");
        assert_eq!(answer, "x NO [TRYCREATE] no such mailbox\r\n");
        let answer = client.say("x APPEND inbox {0+}\r\n");
        assert_eq!(answer, "x NO [CANNOT] an empty message\r\n");
        let keywords: Vec<_> = (0..33).map(|number| format!("k{number}")).collect();
        let keywords = keywords.join(" ");
        let answer = client.say(&format!("x APPEND inbox ({keywords}) {{1+}}\r\nx"));
        assert_eq!(answer, "x NO [LIMIT] too many keywords\r\n");
        let answer = client.say(&format!("x STORE 1 FLAGS ({keywords})"));
        assert_eq!(answer, "x NO [LIMIT] too many keywords\r\n");
    });
}

#[test]
fn a_message_that_is_too_large_is_refused() {
    testing::run(|reactor| {
        let mail = Mail::new();
        let client = Client::connect(reactor, &mail.server().with_max_size(1000));
        client.say("a LOGIN bob sesame");
        let literal = "x".repeat(1001);
        let answer = client.say(&format!("x APPEND inbox {{1001+}}\r\n{literal}"));
        assert_eq!(answer, "x NO [TOOBIG] the message is too large\r\n");
        // More than a command may have: refused before it is sent.
        let answer = client.say("x APPEND inbox {1000000}");
        assert_eq!(answer, "x BAD longer than 66536 bytes\r\n");
        let literal = "x".repeat(1000);
        let answer = client.say(&format!("x APPEND inbox {{1000+}}\r\n{literal}"));
        assert!(answer.starts_with("x OK [APPENDUID"), "{answer}");
    });
}

#[test]
fn long_names_and_patterns_cost_little() {
    testing::run(|reactor| {
        let mail = Mail::new();
        for number in 0..50 {
            let name = format!("{number}{}", "/a".repeat(500));
            let name = MailboxName::new(&name).expect("a good name");
            now(mail.account().create(&name));
        }
        let client = Client::log_in(reactor, &mail);
        let start = Instant::now();
        let pattern = format!("{}y", "%".repeat(255));
        assert_eq!(client.ok(&format!("LIST \"\" {pattern}")), "");
        // The names above, each once.
        let answer = client.ok("LIST \"\" 7/%");
        assert_eq!(answer, "* LIST (\\Noselect) \"/\" 7/a\r\n");
        let took = start.elapsed();
        println!("{took:?}");
        assert!(took.as_secs() < 10, "it took {took:?}");
    });
}
