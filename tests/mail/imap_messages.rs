//! The IMAP server: STORE, COPY, MOVE, EXPUNGE, IDLE, and news of other sessions.

use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use deferred::Deferred;
use reactor::testing;
use reactor_mail::{
    Account, CopiedMessages, FlagChange, ImapServer, Login, MailFlag, MailFlags, Mailbox,
    MailboxEntry, MailboxName, MailboxSnapshot, MailboxWatch, NewMessage, Uid,
};

use crate::imap_support::{Client, Mail, now};

fn with_messages(count: usize) -> Mail {
    let mail = Mail::new();
    for number in 1..=count {
        mail.add(&format!("Subject: {number}\r\n\r\n"));
    }
    mail
}

#[test]
fn flags_are_stored() {
    testing::run(|reactor| {
        let mail = with_messages(3);
        let client = Client::select(reactor, &mail);
        let flags = |number: u32, flags: &str| {
            format!("* {number} FETCH (UID {number} FLAGS ({flags}))\r\n")
        };
        let answer = client.ok("STORE 1,3 +FLAGS (\\Seen $Junk)");
        assert_eq!(answer, flags(1, "\\Seen $Junk") + &flags(3, "\\Seen $Junk"));
        assert_eq!(client.ok("STORE 1 -FLAGS \\Seen"), flags(1, "$Junk"));
        assert_eq!(client.ok("STORE 1 FLAGS (\\Draft)"), flags(1, "\\Draft"));
        // Also for a message that has them already.
        assert_eq!(client.ok("STORE 1 FLAGS (\\Draft)"), flags(1, "\\Draft"));
        assert_eq!(client.ok("STORE 2 +FLAGS.SILENT (\\Flagged)"), "");
        assert_eq!(client.ok("UID STORE 2 FLAGS ()"), flags(2, ""));
        assert_eq!(client.ok("STORE 7:9 FLAGS ()"), "");
        assert_eq!(client.ok("UID STORE 7:9 FLAGS ()"), "");
        assert_eq!(
            client.ok("FETCH 3 FLAGS"),
            "* 3 FETCH (FLAGS (\\Seen $Junk))\r\n"
        );
    });
}

#[test]
fn a_silent_store_tells_what_others_have_changed() {
    testing::run(|reactor| {
        let mail = with_messages(1);
        let client = Client::select(reactor, &mail);
        let flagged = MailFlags::from_iter([MailFlag::Flagged]);
        let uids: Vec<_> = now(mail.inbox().messages())
            .messages
            .iter()
            .map(|m| m.uid)
            .collect();
        now(mail.inbox().change_flags(&uids, FlagChange::Add, &flagged));
        let answer = client.ok("STORE 1 +FLAGS.SILENT (\\Seen)");
        assert_eq!(answer, "* 1 FETCH (UID 1 FLAGS (\\Flagged \\Seen))\r\n");
    });
}

#[test]
fn messages_are_copied_and_moved() {
    testing::run(|reactor| {
        let mail = with_messages(4);
        let client = Client::select(reactor, &mail);
        client.ok("CREATE a");
        client.ok("STORE 2 +FLAGS.SILENT (\\Seen)");
        assert_eq!(
            client.say("x COPY 1:2,4 a"),
            "x OK [COPYUID 2 1:2,4 1:3] done\r\n"
        );
        assert_eq!(
            client.say("x COPY 1 none"),
            "x NO [TRYCREATE] no such mailbox\r\n"
        );
        let answer = client.say("x UID MOVE 1:3 a");
        let expected = "* OK [COPYUID 2 1:3 4:6] moved\r\n* 1 EXPUNGE\r\n* 1 EXPUNGE\r\n\
                        * 1 EXPUNGE\r\nx OK done\r\n";
        assert_eq!(answer, expected);
        assert_eq!(
            client.say("x MOVE 1 none"),
            "x NO [TRYCREATE] no such mailbox\r\n"
        );
        assert_eq!(client.say("x UID COPY 1 a"), "x OK nothing to copy\r\n");
        assert_eq!(
            client.say("x COPY 1 inbox"),
            "* 2 EXISTS\r\n* 1 RECENT\r\nx OK [COPYUID 1 4 5] done\r\n"
        );
        let copies = now(mail.mailbox("a").messages()).messages;
        assert_eq!(copies.len(), 6);
        assert!(copies[1].flags.contains(MailFlag::Seen));
        assert_eq!(
            copies[1].date,
            now(mail.inbox().messages()).messages[0].date
        );
    });
}

#[test]
fn expunge_removes_what_is_deleted() {
    testing::run(|reactor| {
        let mail = with_messages(5);
        let client = Client::select(reactor, &mail);
        client.ok("STORE 2,3,5 +FLAGS.SILENT (\\Deleted)");
        assert_eq!(client.ok("UID EXPUNGE 4:9"), "* 5 EXPUNGE\r\n");
        assert_eq!(client.ok("EXPUNGE"), "* 2 EXPUNGE\r\n* 2 EXPUNGE\r\n");
        assert_eq!(
            client.ok("FETCH 1:* UID"),
            "* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 4)\r\n"
        );
        assert_eq!(client.ok("EXPUNGE"), "");
        client.ok("STORE 1 +FLAGS.SILENT (\\Deleted)");
        assert_eq!(client.ok("CLOSE"), "");
        assert_eq!(now(mail.inbox().messages()).messages.len(), 1);
        client.ok("SELECT inbox");
        client.ok("STORE 1 +FLAGS.SILENT (\\Deleted)");
        assert_eq!(client.ok("UNSELECT"), "");
        assert_eq!(client.say("x NOOP"), "x OK done\r\n");
        assert_eq!(
            client.say("x FETCH 1 UID"),
            "x BAD select a mailbox first\r\n"
        );
        client.ok("EXAMINE inbox");
        assert_eq!(client.ok("CLOSE"), "");
        assert_eq!(now(mail.inbox().messages()).messages.len(), 1);
        assert_eq!(client.say("x CLOSE"), "x BAD select a mailbox first\r\n");
    });
}

#[test]
fn expunge_is_not_told_during_fetch_store_and_search() {
    testing::run(|reactor| {
        for command in [
            "FETCH 1:3 UID",
            "STORE 3 +FLAGS.SILENT (\\Seen)",
            "SEARCH ALL",
            "UID FETCH 1:3 UID",
            "UID STORE 3 +FLAGS.SILENT (\\Seen)",
            "UID SEARCH ALL",
        ] {
            let mail = with_messages(3);
            let client = Client::select(reactor, &mail);
            let uids: Vec<_> = now(mail.inbox().messages())
                .messages
                .iter()
                .map(|m| m.uid)
                .collect();
            now(mail.inbox().expunge(&uids[..1]));
            mail.add("new");
            let answer = client.ok(command);
            assert!(!answer.contains("EXPUNGE"), "{command}: {answer}");
            // New messages are announced: the gone one still counts.
            assert!(answer.ends_with("* 4 EXISTS\r\n"), "{command}: {answer}");
            assert_eq!(client.ok("NOOP"), "* 1 EXPUNGE\r\n", "{command}");
            assert_eq!(client.ok("FETCH 3 UID"), "* 3 FETCH (UID 4)\r\n");
        }
    });
}

#[test]
fn a_command_brings_the_news() {
    testing::run(|reactor| {
        let mail = with_messages(2);
        let (client, other) = (
            Client::select(reactor, &mail),
            Client::select(reactor, &mail),
        );
        other.ok("STORE 2 +FLAGS.SILENT (\\Seen)");
        other.ok("STORE 1 +FLAGS.SILENT (\\Deleted)");
        other.ok("EXPUNGE");
        mail.add("new");
        assert_eq!(client.received(), "");
        let news = "* 1 EXPUNGE\r\n* 2 EXISTS\r\n* 1 FETCH (UID 2 FLAGS (\\Seen))\r\n";
        assert_eq!(client.ok("CHECK"), news);
        assert_eq!(client.ok("NOOP"), "");
    });
}

#[test]
fn idle_brings_the_news_at_once() {
    testing::run(|reactor| {
        let mail = with_messages(1);
        let client = Client::select(reactor, &mail);
        mail.add("2");
        assert_eq!(client.say("x IDLE"), "+ idling\r\n* 2 EXISTS\r\n");
        let uid = mail.add("3");
        reactor.settle();
        assert_eq!(client.received(), "* 3 EXISTS\r\n");
        now(mail.inbox().expunge(&[uid]));
        reactor.settle();
        assert_eq!(client.received(), "* 3 EXPUNGE\r\n");
        assert_eq!(client.say("DONE"), "x OK done\r\n");
        mail.add("4");
        reactor.settle();
        assert_eq!(client.received(), "");
        client.say("y IDLE");
        assert_eq!(client.say("z NOOP"), "y BAD no command of IMAP4rev1\r\n");
        // Without a mailbox there are no news.
        client.ok("UNSELECT");
        assert_eq!(
            client.say("x IDLE\r\nDONE\r\ny NOOP"),
            "+ idling\r\nx OK done\r\ny OK done\r\n"
        );
    });
}

#[test]
fn a_change_during_a_look_is_not_missed() {
    testing::run(|reactor| {
        let mail = with_messages(1);
        let client = Client::select(reactor, &mail);
        client.say("x IDLE");
        mail.control.wait_at("messages");
        mail.add("2");
        reactor.settle();
        assert_eq!(client.say("DONE"), "", "it waits for the look");
        mail.add("3");
        mail.control.go_on();
        assert_eq!(client.received(), "* 3 EXISTS\r\nx OK done\r\n");
    });
}

/// An older look at the mailbox does not take back what a newer one has told.
#[test]
fn one_look_at_a_time_tells_the_news() {
    testing::run(|reactor| {
        let mail = with_messages(1);
        let client = Client::select(reactor, &mail);
        client.say("x IDLE");
        mail.control.wait_at("snapshot");
        mail.add("2");
        reactor.settle();
        mail.add("3");
        reactor.settle();
        assert_eq!(client.received(), "", "the first look is not over");
        mail.control.go_on();
        assert_eq!(client.received(), "* 2 EXISTS\r\n* 3 EXISTS\r\n");
    });
}

#[test]
fn a_session_sees_its_own_changes_before_the_store_tells_of_them() {
    testing::run(|reactor| {
        let mail = with_messages(3);
        mail.control.tells_nothing.set(true);
        let client = Client::select(reactor, &mail);
        client.ok("CREATE a");
        client.ok("STORE 1 +FLAGS.SILENT (\\Deleted)");
        assert_eq!(client.ok("EXPUNGE"), "* 1 EXPUNGE\r\n");
        let moved = client.say("x MOVE 1 a");
        assert!(moved.contains("* 1 EXPUNGE\r\n"), "{moved}");
    });
}

#[test]
fn idle_goes_on_after_a_failure_of_the_store() {
    testing::run(|reactor| {
        let mail = with_messages(1);
        let client = Client::select(reactor, &mail);
        client.say("x IDLE");
        mail.control.fail_at.set("messages");
        mail.add("2");
        reactor.settle();
        assert_eq!(client.received(), "");
        mail.control.fail_at.set("");
        mail.add("3");
        reactor.settle();
        assert_eq!(client.received(), "* 3 EXISTS\r\n");
    });
}

#[test]
fn sessions_learn_that_their_mailbox_is_deleted() {
    testing::run(|reactor| {
        let mail = Mail::new();
        let name = MailboxName::new("a").expect("a good name");
        for is_idle in [true, false] {
            now(mail.account().create(&name));
            let client = Client::log_in(reactor, &mail);
            client.ok("SELECT a");
            if is_idle {
                client.say("x IDLE");
            }
            now(mail.account().delete(&name));
            reactor.settle();
            let answer = match is_idle {
                true => client.received(),
                false => client.say("x NOOP"),
            };
            assert!(
                answer.ends_with("* BYE the mailbox has been deleted\r\n"),
                "{answer}"
            );
            assert!(client.peer.is_closed());
        }
    });
}

#[test]
fn ranges_cost_by_messages() {
    testing::run(|reactor| {
        let mail = with_messages(100);
        let client = Client::select(reactor, &mail);
        let start = Instant::now();
        let all = client.ok("UID FETCH 1:4294967295 UID");
        assert_eq!(all.lines().count(), 100);
        assert_eq!(client.ok("FETCH 4294967295:1 UID").lines().count(), 100);
        assert_eq!(client.ok("FETCH 3:1,2,2,1:3 UID").lines().count(), 3);
        assert_eq!(client.ok("FETCH 4000000000:4294967295 UID"), "");
        // `*` is the last one, also in a range that begins behind it.
        assert_eq!(
            client.ok("UID FETCH 4000:* UID"),
            "* 100 FETCH (UID 100)\r\n"
        );
        let many = vec!["1:*"; 15_000].join(",");
        assert_eq!(
            client.ok(&format!("UID FETCH {many} UID")).lines().count(),
            100
        );
        assert_eq!(
            client
                .ok(&format!("UID SEARCH UID {many}"))
                .split(' ')
                .count(),
            102
        );
        assert!(start.elapsed().as_secs() < 5);
    });
}

#[test]
fn an_empty_mailbox_has_no_last_message() {
    testing::run(|reactor| {
        let client = Client::select(reactor, &Mail::new());
        for command in [
            "FETCH * UID",
            "FETCH 1:* UID",
            "UID FETCH 1:* UID",
            "UID FETCH * UID",
        ] {
            assert_eq!(client.ok(command), "");
        }
        assert_eq!(client.ok("SEARCH 1:*"), "* SEARCH\r\n");
    });
}

/// A store whose copies leave out the first message, as if it had not been there for a moment.
struct Leaky<T: ?Sized>(Rc<T>);

impl Login for Leaky<Mail> {
    fn login(&self, name: &str, password: &str) -> Deferred<Rc<dyn Account>> {
        let account = self.0.login(name, password);
        account.map_ok(|account| Rc::new(Leaky(account)) as Rc<dyn Account>)
    }
}

impl Account for Leaky<dyn Account> {
    fn list(&self) -> Deferred<Vec<MailboxEntry>> {
        self.0.list()
    }

    fn open(&self, name: &MailboxName) -> Deferred<Rc<dyn Mailbox>> {
        let mailbox = self.0.open(name);
        mailbox.map_ok(|mailbox| Rc::new(Leaky(mailbox)) as Rc<dyn Mailbox>)
    }

    fn create(&self, name: &MailboxName) -> Deferred<()> {
        self.0.create(name)
    }

    fn delete(&self, name: &MailboxName) -> Deferred<()> {
        self.0.delete(name)
    }

    fn rename(&self, from: &MailboxName, to: &MailboxName) -> Deferred<()> {
        self.0.rename(from, to)
    }

    fn subscribe(&self, name: &MailboxName, is_subscribed: bool) -> Deferred<()> {
        self.0.subscribe(name, is_subscribed)
    }
}

impl Mailbox for Leaky<dyn Mailbox> {
    fn uid_validity(&self) -> NonZeroU32 {
        self.0.uid_validity()
    }

    fn messages(&self) -> Deferred<MailboxSnapshot> {
        self.0.messages()
    }

    fn body(&self, uid: Uid) -> Deferred<Option<Bytes>> {
        self.0.body(uid)
    }

    fn append(&self, message: NewMessage) -> Deferred<Uid> {
        self.0.append(message)
    }

    fn change_flags(&self, uids: &[Uid], change: FlagChange, flags: &MailFlags) -> Deferred<()> {
        self.0.change_flags(uids, change, flags)
    }

    fn copy(&self, uids: &[Uid], to: &MailboxName) -> Deferred<CopiedMessages> {
        self.0.copy(&uids[1..], to)
    }

    fn expunge(&self, uids: &[Uid]) -> Deferred<()> {
        self.0.expunge(uids)
    }

    fn watch(&self, changed: Rc<dyn Fn()>) -> MailboxWatch {
        self.0.watch(changed)
    }
}

#[test]
fn a_move_keeps_what_was_not_copied() {
    testing::run(|reactor| {
        let mail = with_messages(3);
        let server = ImapServer::new("mail.example.org", Leaky(Rc::new(mail.clone())));
        let client = Client::connect(reactor, &server.dangerously_with_login_in_the_clear());
        for command in ["LOGIN bob sesame", "SELECT inbox", "CREATE a"] {
            client.ok(command);
        }
        let answer = client.say("x MOVE 1:3 a");
        let expected = "* OK [COPYUID 2 2:3 1:2] moved\r\n* 2 EXPUNGE\r\n* 2 EXPUNGE\r\n\
                        x OK done\r\n";
        assert_eq!(answer, expected);
        assert_eq!(client.say("x MOVE 1 a"), "x OK nothing to move\r\n");
        let kept = now(mail.inbox().messages()).messages;
        assert_eq!(kept.iter().map(|m| m.uid.get()).collect::<Vec<_>>(), [1]);
    });
}

/// No message is lost, and none is in both mailboxes (RFC 6851, section 3.3).
#[test]
fn a_move_that_fails_in_the_middle_takes_the_copies_back() {
    testing::run(|reactor| {
        let uids = |mailbox: &Rc<dyn Mailbox>| {
            let messages = now(mailbox.messages()).messages;
            messages.iter().map(|m| m.uid.get()).collect::<Vec<_>>()
        };
        for (removed, told, left, moved) in [
            (0, "", vec![1, 2, 3, 4], vec![1]),
            (
                2,
                "* OK [COPYUID 2 1:2 2:3] moved\r\n* 1 EXPUNGE\r\n* 1 EXPUNGE\r\n",
                vec![3, 4],
                vec![1, 2, 3],
            ),
            (
                3,
                "* OK [COPYUID 2 1:3 2:4] moved\r\n* 1 EXPUNGE\r\n* 1 EXPUNGE\r\n\
                 * 1 EXPUNGE\r\n",
                vec![4],
                vec![1, 2, 3, 4],
            ),
        ] {
            let mail = with_messages(4);
            let client = Client::select(reactor, &mail);
            client.ok("CREATE a");
            client.ok("COPY 4 a");
            mail.control.expunges_only.set(Some(removed));
            let answer = client.say("x MOVE 1:3 a");
            assert_eq!(answer, format!("{told}x NO [SERVERBUG] local error\r\n"));
            assert_eq!(uids(&mail.inbox()), left);
            assert_eq!(uids(&mail.mailbox("a")), moved);
        }
    });
}

/// The messages of another mailbox that has got the name, and the same UIDs, stay.
#[test]
fn nothing_is_taken_back_from_a_mailbox_that_was_made_anew() {
    testing::run(|reactor| {
        let mail = with_messages(2);
        let client = Client::select(reactor, &mail);
        client.ok("CREATE a");
        mail.control.expunges_only.set(Some(0));
        mail.control.wait_at("messages");
        assert_eq!(client.say("x MOVE 1:2 a"), "");
        let name = MailboxName::new("a").expect("a good name");
        now(mail.account().delete(&name));
        now(mail.account().create(&name));
        for text in ["one", "two"] {
            now(mail.mailbox("a").append(NewMessage::new(text)));
        }
        mail.control.go_on();
        assert_eq!(client.received(), "x NO [SERVERBUG] local error\r\n");
        assert_eq!(now(mail.mailbox("a").messages()).messages.len(), 2);
        assert_eq!(now(mail.inbox().messages()).messages.len(), 2);
    });
}

#[test]
fn a_move_that_cannot_be_taken_back_loses_nothing() {
    testing::run(|reactor| {
        for fails in ["messages", "open", "expunge"] {
            let mail = with_messages(2);
            let client = Client::select(reactor, &mail);
            client.ok("CREATE a");
            mail.control.expunges_only.set(Some(1));
            mail.control.fail_at.set(fails);
            let answer = client.say("x MOVE 1:2 a");
            assert!(
                answer.contains("x NO [SERVERBUG] local error\r\n"),
                "{answer}"
            );
            assert_eq!(now(mail.inbox().messages()).messages.len(), 1, "{fails}");
            assert_eq!(
                now(mail.mailbox("a").messages()).messages.len(),
                2,
                "{fails}"
            );
        }
    });
}
