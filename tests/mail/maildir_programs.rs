//! Other programs that work in a Maildir while it is served: mutt, mbsync, dovecot.

use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::{fs, io};

use reactor::testing::{self, TestReactor};
use reactor_mail::{
    Account, FlagChange, MailFlag, MailFlags, Mailbox, MailboxName, Maildir, MaildirAccount,
    NewMessage, Uid,
};
use tests::{Directory, is_there, skip};

/// The inbox of a Maildir, open as for a session of IMAP.
fn open(reactor: &TestReactor, maildir: &Path) -> Rc<dyn Mailbox> {
    let account = MaildirAccount::new(reactor, Maildir::new(maildir));
    let name = MailboxName::new("INBOX").expect("a name");
    let opening = account.open(&name);
    reactor.block_on(opening).expect("it is there")
}

fn add(reactor: &TestReactor, mailbox: &dyn Mailbox, subject: &str) {
    let text = format!("From: eve@example.org\r\nSubject: {subject}\r\n\r\nHello\r\n");
    let message = NewMessage::new(text);
    reactor
        .block_on(mailbox.append(message))
        .expect("it is kept");
}

/// UID, flags and subject of each message.
fn messages(reactor: &TestReactor, mailbox: &dyn Mailbox) -> Vec<String> {
    let snapshot = reactor.block_on(mailbox.messages()).expect("it is read");
    let line = |message: &reactor_mail::MessageInfo| {
        let body = reactor.block_on(mailbox.body(message.uid));
        let body = body.expect("it is read").expect("it is there");
        let text = String::from_utf8(body.to_vec()).expect("text");
        let subject = text.lines().find_map(|line| line.strip_prefix("Subject: "));
        let subject = subject.expect("it has one");
        format!("{} {subject} [{}]", message.uid, message.flags)
    };
    snapshot.messages.iter().map(line).collect()
}

fn succeed(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    text
}

#[test]
fn mutt_flags_and_deletes() {
    if !is_there("mutt") || !is_there("script") {
        return skip("no mutt, or no script");
    }
    let home = Directory::new("maildir-mutt");
    testing::run(|reactor| {
        let inbox = open(reactor, &home.join("box"));
        for subject in ["one", "two", "three"] {
            add(reactor, &*inbox, subject);
        }
        let before = messages(reactor, &*inbox);
        assert_eq!(before, ["1 one []", "2 two []", "3 three []"]);
        let config = home.path("config");
        let settings = format!(
            "set mbox_type=Maildir\nset spoolfile={}\nset folder={0}\nset sort=mailbox-order\n\
             set delete=yes\nset quit=yes\nset move=no\nset mark_old=no\nset header_cache=\n\
             set wait_key=no\nset beep=no\nset query_command=\n\
             push '<first-entry><flag-message><first-entry><next-entry><delete-message><sync-mailbox><quit>'\n",
            home.path("box")
        );
        fs::write(&config, settings).expect("it is written");
        let line = format!("mutt -F {config}");
        let mut command = Command::new("timeout");
        command.args(["60", "script", "-qec", &line, "/dev/null"]);
        succeed(command.env("TERM", "vt100").env("HOME", &*home));
        let after = messages(reactor, &*inbox);
        assert_eq!(after.len(), 2, "{after:?}");
        // Which one is the second in mutt's order depends on the names of the files.
        let flagged = after.iter().filter(|line| line.contains("Flagged"));
        assert_eq!(flagged.count(), 1, "{after:?}");
        for line in &after {
            let number = line.split(' ').next().expect("a UID");
            let same = before.iter().any(|old| old.starts_with(number));
            assert!(same, "the UIDs stay: {after:?}");
        }
    });
}

#[test]
fn mbsync_copies_both_ways() {
    if !is_there("mbsync") {
        return skip("no mbsync");
    }
    let folder = Directory::new("maildir-mbsync");
    testing::run(|reactor| {
        let near = folder.join("near");
        let inbox = open(reactor, &folder.join("far"));
        for subject in ["one", "two"] {
            add(reactor, &*inbox, subject);
        }
        fs::create_dir(&near).expect("it is made");
        let config = folder.path("config");
        // With `AltMap`, the UIDs of mbsync are in a file of its own. Without, they are in the
        // names of the files, and a message gets a new name when mbsync sees it.
        let settings = format!(
            "MaildirStore far\nInbox {0}/far\nAltMap yes\n\nMaildirStore near\nInbox {0}/near/INBOX\n\
             AltMap yes\n\nChannel both\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Near\n\
             Expunge Both\nSync All\nSyncState {0}/state-\n",
            folder.path("").trim_end_matches('/')
        );
        fs::write(&config, settings).expect("it is written");
        let mbsync = || {
            let mut command = Command::new("timeout");
            command.args(["60", "mbsync", "-c", &config, "-a"]);
            succeed(command.env("HOME", &*folder))
        };
        mbsync();
        let copy = open(reactor, &near.join("INBOX"));
        assert_eq!(messages(reactor, &*copy).len(), 2);
        // Here a flag and a deletion, there a new message.
        let flagged = MailFlags::from_iter([MailFlag::Flagged]);
        let uid = |number| Uid::new(number).expect("not 0");
        let changed = inbox.change_flags(&[uid(1)], FlagChange::Add, &flagged);
        reactor.block_on(changed).expect("it is changed");
        let expunged = inbox.expunge(&[uid(2)]);
        reactor.block_on(expunged).expect("it is removed");
        add(reactor, &*copy, "three");
        mbsync();
        let got = messages(reactor, &*inbox);
        assert_eq!(got, ["1 one [Flagged]", "3 three []"]);
        let copied = messages(reactor, &*copy);
        let subjects = |lines: &[String]| -> Vec<String> {
            let without_uid = lines
                .iter()
                .map(|line| line.split_once(' ').expect("two").1);
            without_uid.map(str::to_owned).collect()
        };
        assert_eq!(subjects(&copied), subjects(&got));
        let output = mbsync();
        assert!(!output.contains("rror"), "{output}");
        assert_eq!(messages(reactor, &*inbox), got);
    });
}

/// Gives all of it to `user`: dovecot does not work as root.
fn give(path: &Path, user: u32) -> io::Result<()> {
    chown(path, Some(user), Some(user))?;
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), user)?;
        }
    }
    Ok(())
}

#[test]
fn dovecot_delivers_flags_and_expunges() {
    if !is_there("doveadm") || !rustix::process::geteuid().is_root() {
        return skip("no dovecot, or not root");
    }
    const USER: u32 = 33;
    let folder = Directory::new("maildir-dovecot");
    testing::run(|reactor| {
        let inbox = open(reactor, &folder.join("box"));
        for subject in ["one", "two"] {
            add(reactor, &*inbox, subject);
        }
        let config = folder.path("config");
        let settings = format!(
            "log_path = {0}/log\nmail_location = maildir:{0}/box\nmail_uid = {USER}\n\
             mail_gid = {USER}\nfirst_valid_uid = {USER}\nssl = no\nbase_dir = {0}/run\n\
             state_dir = {0}/state\n",
            folder.path("").trim_end_matches('/')
        );
        fs::write(&config, settings).expect("it is written");
        let doveadm = |args: &[&str]| {
            give(&folder, USER).expect("root may");
            let mut command = Command::new("timeout");
            command.args(["60", "doveadm", "-c", &config]).args(args);
            succeed(command.env("HOME", &*folder).env("USER", "eve"))
        };
        let new = folder.path("three");
        fs::write(&new, "From: eve@example.org\nSubject: three\n\nHello\n").expect("a file");
        let save = format!("doveadm -c {config} save -m INBOX < {new}");
        give(&folder, USER).expect("root may");
        let mut command = Command::new("sh");
        command.args(["-c", &save]).env("USER", "eve");
        succeed(command.env("HOME", &*folder));
        doveadm(&[
            "flags",
            "add",
            "\\Flagged",
            "mailbox",
            "INBOX",
            "subject",
            "one",
        ]);
        doveadm(&["expunge", "mailbox", "INBOX", "subject", "two"]);
        let got = messages(reactor, &*inbox);
        assert_eq!(got, ["1 one [Flagged]", "3 three []"]);
        // And it sees what is changed here.
        let seen = MailFlags::from_iter([MailFlag::Seen]);
        let uids = [Uid::new(3).expect("not 0")];
        let changed = inbox.change_flags(&uids, FlagChange::Add, &seen);
        reactor.block_on(changed).expect("it is changed");
        let shown = doveadm(&["search", "mailbox", "INBOX", "seen"]);
        assert_eq!(shown.lines().count(), 1, "{shown}");
    });
}
