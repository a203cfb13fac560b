//! `MemoryMail` keeps what `Account` and `Mailbox` ask of an implementation.

use std::cell::Cell;
use std::rc::Rc;

use deferred::Deferred;
use reactor_mail::{
    Account, FlagChange, InvalidMailboxName, Login, MailFlag, MailFlags, Mailbox, MailboxError,
    MailboxName, MemoryMail, NewMessage, Uid,
};

use crate::imap_support::now;

fn error_of<T: 'static>(deferred: Deferred<T>) -> MailboxError {
    let Err(failure) = deferred.into_result().expect("it does not wait") else {
        panic!("it succeeded");
    };
    let error = failure.downcast_ref::<MailboxError>();
    error.expect("an error of the store").clone()
}

fn name(name: &str) -> MailboxName {
    MailboxName::new(name).expect("a good name")
}

fn account() -> Rc<dyn Account> {
    let mail = MemoryMail::new().with_account("bob", "sesame");
    now(mail.login("bob", "sesame"))
}

fn add(mailbox: &Rc<dyn Mailbox>, text: &'static str) -> Uid {
    now(mailbox.append(NewMessage::new(text)))
}

fn uids(mailbox: &Rc<dyn Mailbox>) -> Vec<u32> {
    let snapshot = now(mailbox.messages());
    snapshot.messages.iter().map(|m| m.uid.get()).collect()
}

fn names(account: &Rc<dyn Account>) -> Vec<String> {
    let entries = now(account.list());
    entries.iter().map(|entry| entry.name.to_string()).collect()
}

#[test]
fn names_of_mailboxes_are_safe_to_make_a_path_of() {
    let long = "a".repeat(1025);
    for bad in [
        "", "/", "a//b", "/a", "a/", ".", "..", "a/..", "a/./b", "a\nb", "a\0", &long,
    ] {
        assert_eq!(MailboxName::new(bad), Err(InvalidMailboxName), "{bad:?}");
    }
    for good in ["a", "a.b", "...", "a/b/c", "a b", "Größe/日本", "INBOXES"] {
        assert_eq!(name(good).as_str(), good);
    }
    assert_eq!(name("iNbOx/Sub").as_str(), "INBOX/Sub");
    assert!(name("inbox").is_inbox());
    assert!(name("a/b").is_below(&name("a")) && !name("ab").is_below(&name("a")));
    assert_eq!(name("a/b/c").parent(), Some(name("a/b")));
    let renamed = |from: &str, to: &str| name("a/b").renamed(&name(from), &name(to));
    assert_eq!(renamed("a", "x/y"), Some(Ok(name("x/y/b"))));
    assert_eq!(renamed("a/b", "x"), Some(Ok(name("x"))));
    assert_eq!(renamed("b", "x"), None);
    assert_eq!(
        renamed("a", &"x".repeat(1023)),
        Some(Err(InvalidMailboxName))
    );
}

#[test]
fn keywords_have_no_case_and_are_each_there_once() {
    let mut flags = MailFlags::from_iter([MailFlag::Seen]);
    flags.insert_keyword("b");
    flags.insert_keyword("A");
    flags.insert_keyword("B");
    assert_eq!(flags.to_string(), "Seen A b");
    flags.remove_keyword("a");
    assert!(flags.contains_keyword("B") && !flags.contains_keyword("A"));
    let mut others = MailFlags::from_iter([MailFlag::Seen, MailFlag::Draft]);
    others.insert_keyword("B");
    flags.change(FlagChange::Remove, &others);
    assert!(flags.is_empty());
    flags.change(FlagChange::Replace, &others);
    assert_eq!(flags, others);
}

#[test]
fn a_uid_is_never_given_twice() {
    let account = account();
    let inbox = now(account.open(&MailboxName::inbox()));
    let (first, second) = (add(&inbox, "1"), add(&inbox, "2"));
    now(inbox.expunge(&[second]));
    let third = add(&inbox, "3");
    assert_eq!(uids(&inbox), [1, 3]);
    assert_eq!(now(inbox.messages()).uid_next.get(), 4);
    assert_eq!(now(inbox.body(second)), None);
    // One that has gone is left out.
    let trash = name("Trash");
    now(account.create(&trash));
    let copied = now(inbox.copy(&[first, second, third], &trash));
    assert_eq!(copied.uids, [(first, first), (third, second)]);
    now(inbox.change_flags(&[second], FlagChange::Add, &MailFlags::new()));
    now(inbox.expunge(&[second]));
}

#[test]
fn a_mailbox_that_is_made_anew_has_another_uid_validity() {
    let account = account();
    let trash = name("Trash");
    now(account.create(&trash));
    assert_eq!(
        error_of(account.create(&trash)),
        MailboxError::AlreadyExists
    );
    let old = now(account.open(&trash));
    now(account.delete(&trash));
    now(account.create(&trash));
    let new = now(account.open(&trash));
    assert!(new.uid_validity() > old.uid_validity());
    assert_eq!(error_of(old.messages()), MailboxError::NoSuchMailbox);
    let message = NewMessage::new("x");
    assert_eq!(error_of(old.append(message)), MailboxError::NoSuchMailbox);
}

#[test]
fn a_renamed_inbox_leaves_an_empty_one() {
    let account = account();
    let inbox = now(account.open(&MailboxName::inbox()));
    add(&inbox, "1");
    now(account.rename(&MailboxName::inbox(), &name("Old")));
    assert!(uids(&inbox).is_empty());
    let old = now(account.open(&name("Old")));
    assert_eq!(uids(&old), [1]);
    let inbox = MailboxName::inbox();
    assert_eq!(error_of(account.delete(&inbox)), MailboxError::NotPermitted);
}

#[test]
fn renaming_takes_those_below_along() {
    let account = account();
    for below in ["a", "a/b", "a/b/c", "ab", "x"] {
        now(account.create(&name(below)));
    }
    let rename = |from: &str, to: &str| account.rename(&name(from), &name(to));
    assert_eq!(error_of(rename("a", "x")), MailboxError::AlreadyExists);
    assert_eq!(error_of(rename("a", "a/z")), MailboxError::NotPermitted);
    assert_eq!(error_of(rename("none", "z")), MailboxError::NoSuchMailbox);
    now(rename("a", "z"));
    assert_eq!(names(&account), ["INBOX", "ab", "x", "z", "z/b", "z/b/c"]);
    now(account.delete(&name("z")));
    assert_eq!(names(&account), ["INBOX", "ab", "x", "z/b", "z/b/c"]);
}

#[test]
fn a_subscription_survives_its_mailbox() {
    let account = account();
    now(account.create(&name("a")));
    now(account.subscribe(&name("a"), true));
    now(account.delete(&name("a")));
    let entries = now(account.list());
    assert!(entries[1].is_subscribed && !entries[1].is_selectable);
    now(account.subscribe(&name("a"), false));
    assert_eq!(names(&account), ["INBOX"]);
}

#[test]
fn each_change_is_told_to_those_that_watch() {
    let account = account();
    let inbox = now(account.open(&MailboxName::inbox()));
    let told = Rc::new(Cell::new(0));
    let count = Rc::clone(&told);
    let watch = inbox.watch(Rc::new(move || count.set(count.get() + 1)));
    let uid = add(&inbox, "1");
    assert_eq!(told.get(), 1);
    now(inbox.change_flags(&[uid], FlagChange::Add, &MailFlags::new()));
    assert_eq!(told.get(), 2);
    now(inbox.copy(&[uid], &MailboxName::inbox()));
    assert_eq!(told.get(), 3);
    now(inbox.expunge(&[uid]));
    assert_eq!(told.get(), 4);
    now(account.rename(&MailboxName::inbox(), &name("Old")));
    assert_eq!(told.get(), 5);
    drop(watch);
    add(&inbox, "2");
    assert_eq!(told.get(), 5);
}

#[test]
fn a_wrong_password_is_refused() {
    let mail = MemoryMail::new().with_account("bob", "sesame");
    for (name, password) in [("bob", "x"), ("eve", "sesame"), ("bob", "")] {
        assert_eq!(
            error_of(mail.login(name, password)),
            MailboxError::WrongLogin
        );
    }
    assert!(mail.account("bob").is_some() && mail.account("eve").is_none());
}

#[test]
fn inbox_is_renamed_to_a_name_below_it() {
    let account = account();
    let inbox = now(account.open(&MailboxName::inbox()));
    add(&inbox, "1");
    now(account.rename(&MailboxName::inbox(), &name("INBOX/old")));
    assert!(uids(&inbox).is_empty());
    assert_eq!(uids(&now(account.open(&name("INBOX/old")))), [1]);
    let rename = account.rename(&MailboxName::inbox(), &MailboxName::inbox());
    assert_eq!(error_of(rename), MailboxError::AlreadyExists);
}

#[test]
fn a_deleted_mailbox_is_no_mailbox() {
    let account = account();
    let trash = name("Trash");
    now(account.create(&trash));
    let mailbox = now(account.open(&trash));
    let uid = add(&mailbox, "1");
    now(account.delete(&trash));
    let gone = MailboxError::NoSuchMailbox;
    assert_eq!(error_of(mailbox.messages()), gone);
    assert_eq!(error_of(mailbox.body(uid)), gone);
    assert_eq!(error_of(mailbox.append(NewMessage::new("x"))), gone);
    let changed = mailbox.change_flags(&[uid], FlagChange::Add, &MailFlags::new());
    assert_eq!(error_of(changed), gone);
    assert_eq!(error_of(mailbox.copy(&[uid], &MailboxName::inbox())), gone);
    assert_eq!(error_of(mailbox.expunge(&[uid])), gone);
}
