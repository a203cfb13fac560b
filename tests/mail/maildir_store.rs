//! Maildirs as the store of an IMAP server.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime};

use deferred::Failure;
use reactor::Reactor;
use reactor::testing::{self, TestReactor};
use reactor_mail::{
    Account, FlagChange, Login, MailFlag, MailFlags, Mailbox, MailboxError, MailboxName, Maildir,
    MaildirAccount, MaildirFlags, MaildirLogin, NewMessage, Uid,
};

use crate::folder::{Folder, files};

const MESSAGE: &str = "Subject: hi\r\n\r\nHello!\r\n";

fn name(name: &str) -> MailboxName {
    MailboxName::new(name).expect("a name")
}

/// The account whose Maildir is `box` in `folder`.
fn account(reactor: &TestReactor, folder: &Folder) -> MaildirAccount {
    MaildirAccount::new(reactor, folder.maildir("box"))
}

/// Calls `test` with a new folder and the account in it.
fn with_account(test: impl FnOnce(&TestReactor, &Folder, &MaildirAccount)) {
    testing::run(|reactor| {
        let folder = Folder::new();
        let account = account(reactor, &folder);
        test(reactor, &folder, &account);
    });
}

fn create(reactor: &TestReactor, account: &MaildirAccount, mailbox: &str) {
    let created = account.create(&name(mailbox));
    reactor.block_on(created).expect("it is made");
}

/// Adds a message, and gives its UID.
fn add(reactor: &TestReactor, mailbox: &Rc<dyn Mailbox>) -> Uid {
    let added = mailbox.append(NewMessage::new(MESSAGE));
    reactor.block_on(added).expect("it is added")
}

fn open(reactor: &TestReactor, account: &dyn Account, mailbox: &str) -> Rc<dyn Mailbox> {
    reactor
        .block_on(account.open(&name(mailbox)))
        .expect("it is there")
}

/// UIDs and flags, as in `1 Seen`.
fn messages(reactor: &TestReactor, mailbox: &Rc<dyn Mailbox>) -> Vec<String> {
    let snapshot = reactor.block_on(mailbox.messages()).expect("it is read");
    let messages = snapshot.messages.iter();
    let line = |m: &reactor_mail::MessageInfo| format!("{} {}", m.uid, m.flags).trim().to_owned();
    messages.map(line).collect()
}

fn refused<T>(result: Result<T, Failure>) -> MailboxError {
    let failure = result.map(drop).expect_err("it is refused");
    failure
        .check::<MailboxError>()
        .cloned()
        .unwrap_or_else(|| panic!("{failure}"))
}

fn uid(number: u32) -> Uid {
    Uid::new(number).expect("not 0")
}

#[test]
fn messages_are_kept_with_flags_and_dates() {
    with_account(|reactor, _, account| {
        let inbox = open(reactor, account, "INBOX");
        let mut message = NewMessage::new(MESSAGE);
        message.date = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
        message.flags = MailFlags::from_iter([MailFlag::Seen, MailFlag::Deleted]);
        message.flags.insert_keyword("$Junk");
        let date = message.date;
        assert_eq!(
            reactor
                .block_on(inbox.append(message))
                .expect("it is added"),
            uid(1)
        );
        add(reactor, &inbox);
        assert_eq!(messages(reactor, &inbox), ["1 Deleted Seen $Junk", "2"]);
        let snapshot = reactor.block_on(inbox.messages()).expect("it is read");
        assert_eq!(
            (Some(snapshot.messages[0].date), snapshot.messages[0].size),
            (date, 23)
        );
        assert_eq!(snapshot.uid_next, uid(3));
        let body = reactor.block_on(inbox.body(uid(1))).expect("it is read");
        assert_eq!(body.as_deref(), Some(MESSAGE.as_bytes()));
        assert_eq!(
            reactor.block_on(inbox.body(uid(9))).expect("no failure"),
            None
        );

        for (change, flags, expected) in [
            (FlagChange::Add, "Flagged work", "2 Flagged work"),
            (
                FlagChange::Add,
                "Answered Draft",
                "2 Answered Draft Flagged work",
            ),
            (FlagChange::Remove, "Flagged WORK", "2 Answered Draft"),
            (FlagChange::Replace, "Seen $junk", "2 Seen $Junk"),
            (FlagChange::Replace, "", "2"),
        ] {
            let mut set = MailFlags::new();
            for word in flags.split_whitespace() {
                let flag = MailFlag::ALL
                    .into_iter()
                    .find(|flag| format!("{flag:?}") == word);
                match flag {
                    Some(flag) => set.insert(flag),
                    None => set.insert_keyword(word),
                }
            }
            let changed = inbox.change_flags(&[uid(2), uid(7)], change, &set);
            reactor.block_on(changed).expect("it is changed");
            assert_eq!(messages(reactor, &inbox)[1], expected, "{change:?} {flags}");
        }
        reactor
            .block_on(inbox.expunge(&[uid(1), uid(7)]))
            .expect("it is removed");
        assert_eq!(messages(reactor, &inbox), ["2"]);
    });
}

#[test]
fn uids_stay_whatever_other_programs_do() {
    testing::run(|reactor| {
        let folder = Folder::new();
        let maildir = folder.maildir("box");
        // One that an old program has delivered: its name tells no size.
        fs::write(maildir.path().join("new/1.a.host"), "a\nb\r\n").expect("it is written");
        maildir
            .deliver(MESSAGE.as_bytes())
            .expect("it is delivered");
        let before = account(reactor, &folder);
        let inbox = open(reactor, &before, "INBOX");
        assert_eq!(messages(reactor, &inbox), ["1", "2"]);
        let validity = inbox.uid_validity();
        let snapshot = reactor.block_on(inbox.messages()).expect("it is read");
        assert_eq!(snapshot.messages[0].size, 6);
        let body = reactor.block_on(inbox.body(uid(1))).expect("it is read");
        assert_eq!(body.as_deref(), Some(&b"a\r\nb\r\n"[..]));

        // Another program marks one, which has a letter of its own, and removes one.
        let entry = maildir.find("1.a.host").expect("it is there");
        maildir
            .set_flags(&entry, "Saz".parse().expect("letters"))
            .expect("it is renamed");
        assert_eq!(messages(reactor, &inbox), ["1 Seen", "2"]);
        let mut work = MailFlags::new();
        work.insert_keyword("work");
        let changed = inbox.change_flags(&[uid(1)], FlagChange::Replace, &work);
        reactor.block_on(changed).expect("it is changed");
        assert_eq!(messages(reactor, &inbox), ["1 work", "2"]);
        // The letters of the other program stay, and none of them is taken.
        assert_eq!(files(&maildir, "cur"), ["1.a.host:2,abz"]);
        let second = maildir
            .list()
            .expect("it is read")
            .pop()
            .expect("it is there");
        maildir.remove(&second).expect("it is removed");
        assert_eq!(messages(reactor, &inbox), ["1 work"]);
        maildir
            .deliver(MESSAGE.as_bytes())
            .expect("it is delivered");

        // After a restart.
        let after = account(reactor, &folder);
        let inbox = open(reactor, &after, "INBOX");
        assert_eq!(inbox.uid_validity(), validity);
        assert_eq!(messages(reactor, &inbox), ["1 work", "3"]);
    });
}

#[test]
fn mailboxes_of_one_name_have_different_uid_validities() {
    with_account(|reactor, _, account| {
        let mut last = 0;
        for _ in 0..3 {
            create(reactor, account, "Sent");
            let exists = reactor.block_on(account.create(&name("Sent")));
            assert_eq!(refused(exists), MailboxError::AlreadyExists);
            let sent = open(reactor, account, "Sent");
            assert!(sent.uid_validity().get() > last);
            last = sent.uid_validity().get();
            add(reactor, &sent);
            reactor
                .block_on(account.delete(&name("Sent")))
                .expect("it is removed");
            let gone = reactor.block_on(sent.messages());
            assert_eq!(refused(gone), MailboxError::NoSuchMailbox);
            let gone = reactor.block_on(account.open(&name("Sent")));
            assert_eq!(refused(gone), MailboxError::NoSuchMailbox);
        }
        // A session of the old mailbox does not get messages of the new one.
        create(reactor, account, "Sent");
        let old = open(reactor, account, "Sent");
        reactor
            .block_on(account.delete(&name("Sent")))
            .expect("it is removed");
        create(reactor, account, "Sent");
        let gone = reactor.block_on(old.append(NewMessage::new(MESSAGE)));
        assert_eq!(refused(gone), MailboxError::NoSuchMailbox);
        assert_eq!(messages(reactor, &open(reactor, account, "Sent")), [""; 0]);
    });
}

#[test]
fn messages_in_new_are_recent_until_they_are_claimed() {
    with_account(|reactor, folder, account| {
        let inbox = open(reactor, account, "INBOX");
        let maildir = Maildir::new(folder.0.join("box"));
        maildir
            .deliver(MESSAGE.as_bytes())
            .expect("it is delivered");
        maildir
            .deliver(MESSAGE.as_bytes())
            .expect("it is delivered");
        add(reactor, &inbox);
        let recent = || {
            let snapshot = reactor.block_on(inbox.messages()).expect("it is read");
            let messages = snapshot.messages.iter();
            messages
                .map(|m| (m.uid.get(), m.is_recent))
                .collect::<Vec<_>>()
        };
        assert_eq!(recent(), [(1, true), (2, true), (3, false)]);
        let claim = |uids: &[Uid]| {
            reactor
                .block_on(inbox.claim_recent(uids))
                .expect("it is moved")
        };
        assert_eq!(claim(&[uid(2), uid(3), uid(9)]), [uid(2)]);
        assert_eq!(claim(&[uid(2), uid(3), uid(9)]), []);
        assert_eq!(recent(), [(1, true), (2, false), (3, false)]);
        assert_eq!(files(&maildir, "new").len(), 1);
        assert_eq!(files(&maildir, "cur").len(), 2);
    });
}

/// Also in the same second: what the Maildir knew of the last one is gone with it.
#[test]
fn a_maildir_that_is_made_anew_has_another_uid_validity() {
    with_account(|reactor, folder, account| {
        let mut last = 0;
        for _ in 0..5 {
            let inbox = open(reactor, account, "INBOX");
            assert!(inbox.uid_validity().get() > last);
            last = inbox.uid_validity().get();
            add(reactor, &inbox);
            fs::remove_dir_all(folder.0.join("box")).expect("it is removed");
            folder.maildir("box");
            let gone = reactor.block_on(inbox.messages());
            assert_eq!(refused(gone), MailboxError::NoSuchMailbox);
        }
    });
}

/// As several processes do, which do not know what the others have given.
#[test]
fn a_maildir_that_another_process_makes_anew_has_another_uid_validity() {
    const IN_CHILD: &str = "MAIL_TESTS_OPEN_AN_INBOX";
    const NAME: &str =
        "maildir_store::a_maildir_that_another_process_makes_anew_has_another_uid_validity";
    if let Some(path) = std::env::var_os(IN_CHILD) {
        testing::run(|reactor| {
            let account = MaildirAccount::new(reactor, Maildir::new(path));
            let inbox = open(reactor, &account, "INBOX");
            println!("UIDVALIDITY {}", inbox.uid_validity());
        });
        return;
    }
    let folder = Folder::new();
    let maildir = folder.0.join("box");
    let mut last = 0_u32;
    for _ in 0..4 {
        let output = Command::new(std::env::current_exe().expect("it runs"))
            .args(["--exact", NAME, "--nocapture"])
            .env(IN_CHILD, &maildir)
            .output()
            .expect("it starts");
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).expect("it is text");
        let (_, rest) = text.split_once("UIDVALIDITY ").expect("it is said");
        let given = rest
            .lines()
            .next()
            .expect("a line")
            .parse()
            .expect("a number");
        assert!(given > last, "{given} after {last}");
        last = given;
        fs::remove_dir_all(&maildir).expect("it is removed");
    }
}

#[test]
fn a_damaged_list_gives_a_new_uid_validity() {
    for damage in [
        "",
        "rubbish\n",
        "reactor-uids 1 7 3\n3 1 1 x\n",
        "reactor-uids 1 7 3\n1 1 1",
        "\u{0}",
    ] {
        with_account(|reactor, folder, account| {
            let inbox = open(reactor, account, "INBOX");
            add(reactor, &inbox);
            let list = folder.0.join("box/reactor-uids");
            fs::write(&list, damage).expect("it is written");
            let gone = reactor.block_on(inbox.messages());
            assert_eq!(refused(gone), MailboxError::NoSuchMailbox, "{damage:?}");
            let again = open(reactor, account, "INBOX");
            assert!(again.uid_validity() > inbox.uid_validity(), "{damage:?}");
            assert_eq!(messages(reactor, &again), ["1"]);
        });
    }
}

#[test]
fn messages_are_copied_with_flags_and_date_or_not_at_all() {
    with_account(|reactor, folder, account| {
        let inbox = open(reactor, account, "INBOX");
        create(reactor, account, "Work");
        let work = open(reactor, account, "Work");
        // The keywords of the two have different letters.
        for (mailbox, keyword) in [(&work, "x"), (&inbox, "y"), (&inbox, "x")] {
            let mut message = NewMessage::new(MESSAGE);
            message.flags.insert_keyword(keyword);
            message.date = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
            reactor
                .block_on(mailbox.append(message))
                .expect("it is added");
        }
        let copied = inbox.copy(&[uid(1), uid(2), uid(2), uid(9)], &name("Work"));
        let copied = reactor.block_on(copied).expect("they are copied");
        assert_eq!(copied.uid_validity, work.uid_validity());
        assert_eq!(copied.uids, [(uid(1), uid(2)), (uid(2), uid(3))]);
        assert_eq!(messages(reactor, &work), ["1 x", "2 y", "3 x"]);
        let snapshot = reactor.block_on(work.messages()).expect("it is read");
        assert_eq!(snapshot.messages[0].date, snapshot.messages[1].date);
        // To the same mailbox.
        let copied = reactor.block_on(inbox.copy(&[uid(1)], &name("INBOX")));
        assert_eq!(copied.expect("it is copied").uids, [(uid(1), uid(3))]);

        let gone = reactor.block_on(inbox.copy(&[uid(1)], &name("No")));
        assert_eq!(refused(gone), MailboxError::NoSuchMailbox);
        // The second one cannot be copied: its file is a folder. So the first one is not, either.
        let inbox_files = folder.0.join("box/cur");
        let entries = Maildir::new(folder.0.join("box"))
            .list()
            .expect("it is read");
        let second = entries
            .iter()
            .find(|entry| entry.flags().to_string() == "b")
            .expect("y's x");
        let path = inbox_files.join(format!("{}:2,b", second.id()));
        fs::remove_file(&path).expect("it is there");
        fs::create_dir(&path).expect("it is made");
        let failed = reactor.block_on(inbox.copy(&[uid(1), uid(2)], &name("Work")));
        failed.expect_err("a folder cannot be copied");
        assert_eq!(messages(reactor, &work).len(), 3);
    });
}

#[test]
fn names_are_those_of_maildir_in_modified_utf7() {
    with_account(|reactor, folder, account| {
        for mailbox in ["Gr\u{f6}\u{df}e/v1.0", "A&B"] {
            create(reactor, account, mailbox);
        }
        let root = Maildir::new(folder.0.join("box"));
        assert_eq!(
            root.folders().expect("it is read"),
            ["A&-B", "Gr&APYA3w-e.v1&AC4-0"]
        );
        // Names that no mailbox can have.
        for other in ["&-&", "a&AC8-b", "INBOX", "&AGE-"] {
            root.create_folder(other).expect("it is made");
        }
        reactor
            .block_on(account.subscribe(&name("Old"), true))
            .expect("it is kept");
        reactor
            .block_on(account.subscribe(&name("A&B"), true))
            .expect("it is kept");
        reactor
            .block_on(account.subscribe(&name("INBOX"), true))
            .expect("it is kept");
        reactor
            .block_on(account.subscribe(&name("INBOX"), false))
            .expect("it is kept");
        let entries = reactor.block_on(account.list()).expect("it is read");
        let line = |entry: &reactor_mail::MailboxEntry| {
            format!(
                "{} {} {}",
                entry.name, entry.is_selectable, entry.is_subscribed
            )
        };
        assert_eq!(
            entries.iter().map(line).collect::<Vec<_>>(),
            [
                "A&B true true",
                "Gr\u{f6}\u{df}e/v1.0 true false",
                "INBOX true false",
                "Old false true"
            ]
        );
        let long = reactor.block_on(account.create(&name(&"\u{f6}".repeat(200))));
        assert!(matches!(refused(long), MailboxError::Refused(_)));
    });
}

#[test]
fn mailboxes_are_renamed_with_those_below() {
    with_account(|reactor, _, account| {
        for mailbox in ["a", "a/b", "ab", "c"] {
            create(reactor, account, mailbox);
        }
        let below = open(reactor, account, "a/b");
        add(reactor, &below);
        let rename =
            |from: &str, to: &str| reactor.block_on(account.rename(&name(from), &name(to)));
        rename("a", "d").expect("it is renamed");
        assert_eq!(messages(reactor, &open(reactor, account, "d/b")), ["1"]);
        assert_eq!(
            refused(reactor.block_on(below.messages())),
            MailboxError::NoSuchMailbox
        );
        assert_eq!(refused(rename("a", "e")), MailboxError::NoSuchMailbox);
        assert_eq!(refused(rename("d", "c")), MailboxError::AlreadyExists);
        assert_eq!(refused(rename("d", "INBOX")), MailboxError::AlreadyExists);
        assert_eq!(refused(rename("d", "d/x")), MailboxError::NotPermitted);
        assert_eq!(
            refused(reactor.block_on(account.delete(&name("INBOX")))),
            MailboxError::NotPermitted
        );
        assert_eq!(
            refused(reactor.block_on(account.create(&name("INBOX")))),
            MailboxError::AlreadyExists
        );

        let inbox = open(reactor, account, "INBOX");
        let mut message = NewMessage::new(MESSAGE);
        message.flags.insert_keyword("work");
        reactor
            .block_on(inbox.append(message))
            .expect("it is added");
        rename("INBOX", "old").expect("it is emptied");
        assert_eq!(messages(reactor, &inbox), [""; 0]);
        assert_eq!(
            messages(reactor, &open(reactor, account, "old")),
            ["1 work"]
        );
        let next = reactor.block_on(inbox.append(NewMessage::new(MESSAGE)));
        assert_eq!(next.expect("it is added"), uid(2));
    });
}

/// Puts a folder in the place of a message, which then can neither be copied nor removed.
fn block(maildir: &Maildir, at: usize) {
    let entry = &maildir.list().expect("it is read")[at];
    let path = maildir
        .path()
        .join("cur")
        .join(format!("{}:2,", entry.id()));
    fs::remove_file(&path).expect("it is there");
    fs::create_dir(&path).expect("it is made");
}

#[test]
fn a_renaming_of_inbox_that_fails_takes_the_copies_back() {
    // The message that cannot be removed, what is left in INBOX, and in the new mailbox.
    for (blocked, left, moved) in [
        (0, &["1", "2", "3"][..], None),
        (1, &["2", "3"][..], Some(&["1"][..])),
        (2, &["3"][..], Some(&["1", "2"][..])),
    ] {
        with_account(|reactor, folder, account| {
            let inbox = open(reactor, account, "INBOX");
            for _ in 0..3 {
                add(reactor, &inbox);
            }
            let renamed = account.rename(&MailboxName::inbox(), &name("old"));
            // Its job comes after the one that makes the mailbox.
            let old = open(reactor, account, "old");
            let maildir = Maildir::new(folder.0.join("box"));
            let is_blocked = Cell::new(false);
            // Called when the copies are there, and nothing was removed yet.
            let watch = old.watch(Rc::new(move || {
                if !is_blocked.replace(true) {
                    block(&maildir, blocked);
                }
            }));
            reactor.block_on(renamed).expect_err("it cannot be removed");
            drop(watch);
            assert_eq!(messages(reactor, &inbox), left, "{blocked}");
            match moved {
                Some(moved) => assert_eq!(messages(reactor, &old), moved, "{blocked}"),
                None => {
                    let gone = reactor.block_on(account.open(&name("old")));
                    assert_eq!(refused(gone), MailboxError::NoSuchMailbox);
                }
            }
        });
    }
}

#[test]
fn a_renaming_of_inbox_that_copies_nothing_leaves_no_mailbox() {
    with_account(|reactor, folder, account| {
        let inbox = open(reactor, account, "INBOX");
        for _ in 0..2 {
            add(reactor, &inbox);
        }
        let maildir = Maildir::new(folder.0.join("box"));
        block(&maildir, 1);
        let rename = || reactor.block_on(account.rename(&MailboxName::inbox(), &name("old")));
        rename().expect_err("the second one cannot be copied");
        assert_eq!(messages(reactor, &inbox), ["1", "2"]);
        let gone = reactor.block_on(account.open(&name("old")));
        assert_eq!(refused(gone), MailboxError::NoSuchMailbox);
        let entry = maildir.list().expect("it is read").remove(1);
        fs::remove_dir(
            maildir
                .path()
                .join("cur")
                .join(format!("{}:2,", entry.id())),
        )
        .expect("it is empty");
        rename().expect("the name is free");
        assert_eq!(messages(reactor, &open(reactor, account, "old")), ["1"]);
    });
}

#[test]
fn sessions_and_other_programs_wake_a_watch() {
    testing::run(|reactor| {
        let folder = Folder::new();
        let maildir = folder.maildir("box");
        let login = MaildirLogin::new(reactor, {
            let maildir = maildir.clone();
            move |name, password| ((name, password) == ("bob", "sesame")).then(|| maildir.clone())
        });
        let refusal = reactor.block_on(login.login("bob", "guess")).map(drop);
        assert_eq!(refused(refusal), MailboxError::WrongLogin);
        let [one, other] = ["first", "second"].map(|_| {
            let account = reactor
                .block_on(login.login("bob", "sesame"))
                .expect("it is right");
            (open(reactor, &*account, "INBOX"), account)
        });
        let times = Rc::new(Cell::new(0));
        let count = Rc::clone(&times);
        let watch = one.0.watch(Rc::new(move || count.set(count.get() + 1)));
        let second = other.0.watch(Rc::new(|| {}));
        reactor
            .block_on(other.0.append(NewMessage::new(MESSAGE)))
            .expect("it is added");
        assert_eq!(
            times.get(),
            1,
            "a change by another session wakes it at once"
        );
        assert_eq!(messages(reactor, &one.0), ["1"]);
        assert_eq!(times.get(), 1);

        for _ in 0..3 {
            reactor.advance(Duration::from_secs(2));
            reactor.settle();
        }
        assert_eq!(times.get(), 1, "nothing has changed");
        maildir
            .deliver(MESSAGE.as_bytes())
            .expect("it is delivered");
        reactor.advance(Duration::from_secs(2));
        reactor.settle();
        assert_eq!(times.get(), 2);
        let entry = maildir.list().expect("it is read").remove(0);
        maildir
            .add_flags(&entry, MaildirFlags::SEEN)
            .expect("it is renamed");
        reactor.advance(Duration::from_secs(2));
        reactor.settle();
        assert_eq!(times.get(), 3);
        drop(watch);
        maildir
            .deliver(MESSAGE.as_bytes())
            .expect("it is delivered");
        reactor.advance(Duration::from_secs(4));
        assert_eq!(times.get(), 3);
        // No delayed call is left behind.
        drop(second);
    });
}

#[test]
fn writers_at_once_never_give_a_uid_twice() {
    const EACH: usize = 25;
    let folder = Folder::new();
    let maildir = folder.maildir("box");
    thread::scope(|scope| {
        let maildir = &maildir;
        let threads: Vec<_> = (0..2)
            .map(|_| {
                // As if in a process of its own: nothing but the files is shared.
                scope.spawn(move || {
                    let reactor = Reactor::new().expect("a reactor");
                    let account = MaildirAccount::new(&reactor, maildir.clone());
                    let inbox = reactor.block_on(account.open(&MailboxName::inbox()));
                    let inbox = inbox.expect("it is there");
                    let mut uids = Vec::new();
                    for _ in 0..EACH {
                        let added = reactor.block_on(inbox.append(NewMessage::new(MESSAGE)));
                        uids.push(added.expect("it is added"));
                        let seen = MailFlags::from_iter([MailFlag::Seen]);
                        let changed = inbox.change_flags(&uids, FlagChange::Add, &seen);
                        reactor.block_on(changed).expect("it is changed");
                    }
                    (inbox.uid_validity(), uids)
                })
            })
            .collect();
        scope.spawn(move || {
            for _ in 0..EACH {
                maildir
                    .deliver(MESSAGE.as_bytes())
                    .expect("it is delivered");
            }
        });
        let done = threads
            .into_iter()
            .map(|thread| thread.join().expect("it ends"));
        let done: Vec<_> = done.collect();
        assert_eq!(done[0].0, done[1].0);
        let uids: BTreeSet<Uid> = done.into_iter().flat_map(|(_, uids)| uids).collect();
        assert_eq!(uids.len(), 2 * EACH);
    });
    testing::run(|reactor| {
        let account = account(reactor, &folder);
        let inbox = open(reactor, &account, "INBOX");
        let messages = messages(reactor, &inbox);
        assert_eq!(messages.len(), 3 * EACH);
        let seen = messages
            .iter()
            .filter(|line| line.ends_with(" Seen"))
            .count();
        assert_eq!(seen, 2 * EACH);
    });
}

#[test]
fn a_keyword_without_a_letter_leaves_the_list_alone() {
    with_account(|reactor, folder, account| {
        let inbox = open(reactor, account, "INBOX");
        let mut all = NewMessage::new(MESSAGE);
        (0..26).for_each(|number| all.flags.insert_keyword(&format!("k{number}")));
        let added = reactor.block_on(inbox.append(all));
        assert_eq!(added.expect("it is added"), uid(1));
        // Each version of the file has its own inode, since it is replaced; that of an open file is
        // not given again.
        let inode = || {
            let list = fs::metadata(folder.0.join("box/reactor-uids"));
            list.expect("it is there").ino()
        };
        let kept = fs::File::open(folder.0.join("box/reactor-uids")).expect("it is there");
        let before = inode();
        let mut flags = MailFlags::from_iter([MailFlag::Seen]);
        flags.insert_keyword("another");
        let changed = inbox.change_flags(&[uid(1)], FlagChange::Add, &flags);
        reactor.block_on(changed).expect("it is changed");
        let snapshot = reactor.block_on(inbox.messages()).expect("it is read");
        assert!(snapshot.messages[0].flags.contains(MailFlag::Seen));
        assert_eq!(snapshot.messages[0].flags.keywords().len(), 26);
        assert_eq!(inode(), before);
        drop(kept);
    });
}

#[test]
fn a_body_has_the_size_that_was_said_whatever_its_line_ends_are() {
    with_account(|reactor, _, account| {
        let inbox = open(reactor, account, "INBOX");
        for (number, text) in (1..).zip(["a\r\r\n", "\r\r\r\n\n", "a\n\r", "\r\n\r\n"]) {
            let added = reactor.block_on(inbox.append(NewMessage::new(text)));
            assert_eq!(added.expect("it is added"), uid(number));
            let snapshot = reactor.block_on(inbox.messages()).expect("it is read");
            let size = snapshot.messages.last().expect("it is there").size;
            let body = reactor.block_on(inbox.body(uid(number)));
            let body = body.expect("it is read").expect("it is there");
            assert_eq!(body.len(), size as usize, "{text:?}");
            let with_crlf = text.replace("\r\n", "\n").replace('\n', "\r\n");
            assert_eq!(body, with_crlf.as_bytes(), "{text:?}");
        }
    });
}

/// Else another message could get the same UID after a restart, or another keyword the same letter.
#[test]
fn what_could_not_be_written_is_written_by_the_next_call() {
    with_account(|reactor, folder, account| {
        let inbox = open(reactor, account, "INBOX");
        let maildir = Maildir::new(folder.0.join("box"));
        maildir
            .deliver(MESSAGE.as_bytes())
            .expect("it is delivered");
        let list = || fs::read_to_string(maildir.path().join("reactor-uids")).expect("text");
        // A directory stands where the new version of the list is to be made.
        let obstacle = maildir.path().join("reactor-uids.tmp");

        fs::create_dir(&obstacle).expect("it is made");
        assert!(reactor.block_on(inbox.messages()).is_err());
        fs::remove_dir(&obstacle).expect("it is removed");
        let entry = &maildir.list().expect("it is there")[0];
        assert!(!list().contains(entry.id()));
        assert_eq!(messages(reactor, &inbox), ["1"]);
        assert!(list().contains(entry.id()), "{}", list());

        let mut flags = MailFlags::default();
        flags.insert_keyword("later");
        let add = || reactor.block_on(inbox.change_flags(&[uid(1)], FlagChange::Add, &flags));
        fs::create_dir(&obstacle).expect("it is made");
        assert!(add().is_err());
        fs::remove_dir(&obstacle).expect("it is removed");
        assert!(!list().contains("later"));
        add().expect("it is changed");
        assert!(list().contains("later"), "{}", list());
    });
}

#[test]
fn an_open_mailbox_that_has_not_changed_is_not_read_again() {
    with_account(|reactor, folder, account| {
        let inbox = open(reactor, account, "INBOX");
        add(reactor, &inbox);
        // A change within a tick of the clock before a look may be missed: this one is long ago.
        for part in ["new", "cur"] {
            let part = fs::File::open(folder.0.join("box").join(part)).expect("it is there");
            let past = SystemTime::now() - Duration::from_secs(60);
            part.set_modified(past).expect("it is set");
        }
        assert_eq!(messages(reactor, &inbox), ["1"]);
        // Whatever reads the folders anew takes the lock, which makes its file.
        let lock = folder.0.join("box/reactor-uids.lock");
        fs::remove_file(&lock).expect("it is there");
        let again = open(reactor, account, "INBOX");
        assert!(Rc::ptr_eq(&again, &inbox));
        assert_eq!(messages(reactor, &again), ["1"]);
        assert!(!lock.exists());
        // But what another program does is seen.
        let maildir = Maildir::new(folder.0.join("box"));
        maildir
            .deliver(MESSAGE.as_bytes())
            .expect("it is delivered");
        let again = open(reactor, account, "INBOX");
        assert_eq!(messages(reactor, &again), ["1", "2"]);
        fs::remove_dir_all(maildir.path().join("cur")).expect("it is removed");
        fs::remove_file(maildir.path().join("reactor-uids")).expect("it is removed");
        let again = open(reactor, account, "INBOX");
        assert!(again.uid_validity() > inbox.uid_validity());
        assert_eq!(messages(reactor, &again), ["1"]);
    });
}

#[test]
fn reads_behind_a_slow_job_leave_the_threads_to_others() {
    let folder = Folder::new();
    let maildir = folder.maildir("box");
    maildir
        .deliver(MESSAGE.as_bytes())
        .expect("it is delivered");
    let reactor = Reactor::new().expect("a reactor");
    let account = MaildirAccount::new(&reactor, maildir.clone());
    let inbox = reactor.block_on(account.open(&MailboxName::inbox()));
    let inbox = inbox.expect("it is there");
    // As if another process had it for long.
    let lock = fs::File::open(maildir.path().join("reactor-uids.lock")).expect("it is there");
    lock.lock().expect("it is locked");
    let added = inbox.append(NewMessage::new(MESSAGE));
    let reads: Vec<_> = (0..50).map(|_| inbox.body(uid(1))).collect();
    let (other_has_run, has_run) = mpsc::channel();
    let holder = thread::spawn(move || {
        let has_run = has_run.recv_timeout(Duration::from_secs(10));
        drop(lock);
        has_run.is_ok()
    });
    let other = reactor.block_on(reactor.defer_to_thread(|| Ok(())));
    other.expect("it runs");
    // Errs if the lock was given back after the deadline, which the holder tells.
    let _ = other_has_run.send(());
    assert!(holder.join().expect("it ends"), "no thread was left");
    for read in reads {
        let body = reactor.block_on(read).expect("it is read");
        assert_eq!(body.as_deref(), Some(MESSAGE.as_bytes()));
    }
    assert_eq!(reactor.block_on(added).expect("it is added"), uid(2));
}
