//! `MemoryAccount`: mailboxes by name.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::rc::{Rc, Weak};

use deferred::{Deferred, Failure, Result, maybe_deferred};

use super::mailbox::MemoryMailbox;
use crate::store::account::{Account, MailboxEntry};
use crate::store::error::MailboxError;
use crate::store::mailbox::Mailbox;
use crate::store::name::MailboxName;

/// The mailboxes of a user. Mailboxes are removed only by methods of this type.
pub(super) struct MemoryAccount {
    mailboxes: Rc<Mailboxes>,
    // Names, not mailboxes: a subscription stays when the mailbox is deleted.
    subscribed: RefCell<BTreeSet<MailboxName>>,
}

#[derive(Default)]
pub(super) struct Mailboxes {
    by_name: RefCell<BTreeMap<MailboxName, Rc<MemoryMailbox>>>,
    /// The UIDVALIDITY of the latest mailbox; each mailbox gets a greater one.
    uid_validity: Cell<u32>,
}

impl Mailboxes {
    pub(super) fn get(&self, name: &MailboxName) -> Result<Rc<MemoryMailbox>> {
        let mailbox = self.by_name.borrow().get(name).cloned();
        mailbox.ok_or_else(|| Failure::new(MailboxError::NoSuchMailbox))
    }

    fn create(self: &Rc<Self>, name: &MailboxName) -> Result<()> {
        if self.by_name.borrow().contains_key(name) {
            return Err(Failure::new(MailboxError::AlreadyExists));
        }
        self.uid_validity.set(self.uid_validity.get() + 1);
        let uid_validity = NonZeroU32::new(self.uid_validity.get()).unwrap_or(NonZeroU32::MAX);
        let mailbox = Rc::new(MemoryMailbox::new(uid_validity, Rc::downgrade(self)));
        self.by_name.borrow_mut().insert(name.clone(), mailbox);
        Ok(())
    }
}

impl MemoryAccount {
    pub(super) fn new() -> Self {
        let mailboxes = Rc::new(Mailboxes::default());
        let account = Self {
            mailboxes,
            subscribed: RefCell::default(),
        };
        // Errs only if there is an INBOX, but the account is new.
        let _ = account.mailboxes.create(&MailboxName::inbox());
        account
    }

    fn delete_now(&self, name: &MailboxName) -> Result<()> {
        if name.is_inbox() {
            return Err(Failure::new(MailboxError::NotPermitted));
        }
        // In a statement of its own: the borrow ends before `delete` calls the watchers.
        let mailbox = self.mailboxes.by_name.borrow_mut().remove(name);
        let Some(mailbox) = mailbox else {
            return Err(Failure::new(MailboxError::NoSuchMailbox));
        };
        mailbox.delete();
        Ok(())
    }

    fn rename_now(&self, from: &MailboxName, to: &MailboxName) -> Result<()> {
        // Before the check of `is_below`: INBOX stays and only its messages move, so `to` may be
        // below INBOX.
        if from.is_inbox() {
            self.mailboxes.create(to)?;
            return self
                .mailboxes
                .get(from)?
                .move_all(&*self.mailboxes.get(to)?);
        }
        if to.is_below(from) {
            return Err(Failure::new(MailboxError::NotPermitted));
        }
        let mut by_name = self.mailboxes.by_name.borrow_mut();
        let mut renamed = Vec::new();
        for name in by_name.keys() {
            if let Some(new) = name.renamed(from, to) {
                renamed.push((name.clone(), new.map_err(Failure::new)?));
            }
        }
        if !renamed.iter().any(|(name, _)| name == from) {
            return Err(Failure::new(MailboxError::NoSuchMailbox));
        }
        if renamed.iter().any(|(_, new)| by_name.contains_key(new)) {
            return Err(Failure::new(MailboxError::AlreadyExists));
        }
        // After all checks, so that either all mailboxes are renamed or none.
        for (name, new) in renamed {
            if let Some(mailbox) = by_name.remove(&name) {
                by_name.insert(new, mailbox);
            }
        }
        Ok(())
    }
}

impl Account for MemoryAccount {
    fn list(&self) -> Deferred<Vec<MailboxEntry>> {
        let by_name = self.mailboxes.by_name.borrow();
        let subscribed = self.subscribed.borrow();
        let names: BTreeSet<_> = by_name.keys().chain(subscribed.iter()).collect();
        let entry = |name: &MailboxName| MailboxEntry {
            name: name.clone(),
            is_selectable: by_name.contains_key(name),
            is_subscribed: subscribed.contains(name),
        };
        deferred::succeed(names.into_iter().map(entry).collect())
    }

    fn open(&self, name: &MailboxName) -> Deferred<Rc<dyn Mailbox>> {
        maybe_deferred(|| Ok(self.mailboxes.get(name)? as Rc<dyn Mailbox>))
    }

    fn create(&self, name: &MailboxName) -> Deferred<()> {
        maybe_deferred(|| self.mailboxes.create(name))
    }

    fn delete(&self, name: &MailboxName) -> Deferred<()> {
        maybe_deferred(|| self.delete_now(name))
    }

    fn rename(&self, from: &MailboxName, to: &MailboxName) -> Deferred<()> {
        maybe_deferred(|| self.rename_now(from, to))
    }

    fn subscribe(&self, name: &MailboxName, is_subscribed: bool) -> Deferred<()> {
        let mut subscribed = self.subscribed.borrow_mut();
        if is_subscribed {
            subscribed.insert(name.clone());
        } else {
            subscribed.remove(name);
        }
        deferred::succeed(())
    }
}

pub(super) type Siblings = Weak<Mailboxes>;
