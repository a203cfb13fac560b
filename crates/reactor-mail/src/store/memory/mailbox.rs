//! `MemoryMailbox`: messages in memory.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::mem;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::SystemTime;

use bytes::Bytes;
use deferred::{Deferred, Failure, Result, maybe_deferred};

use super::account::Siblings;
use crate::store::error::MailboxError;
use crate::store::flags::{FlagChange, MailFlags};
use crate::store::mailbox::{
    CopiedMessages, Mailbox, MailboxSnapshot, MessageInfo, NewMessage, Uid,
};
use crate::store::name::MailboxName;
use crate::store::watch::{MailboxWatch, MailboxWatchers};

pub(super) struct MemoryMailbox {
    uid_validity: NonZeroU32,
    uid_next: Cell<Uid>,
    messages: RefCell<BTreeMap<Uid, Stored>>,
    watchers: MailboxWatchers,
    /// The account's mailboxes, for copies.
    siblings: Siblings,
    is_deleted: Cell<bool>,
}

#[derive(Clone)]
struct Stored {
    body: Bytes,
    flags: MailFlags,
    date: SystemTime,
    /// Set when the message is added, cleared when a session claims it (`claim_recent`).
    is_recent: bool,
}

impl MemoryMailbox {
    pub(super) fn new(uid_validity: NonZeroU32, siblings: Siblings) -> Self {
        Self {
            uid_validity,
            uid_next: Cell::new(Uid::MIN),
            messages: RefCell::default(),
            watchers: MailboxWatchers::default(),
            siblings,
            is_deleted: Cell::new(false),
        }
    }

    /// Marks the mailbox as deleted, after the account has removed it, and notifies the sessions
    /// that have it open.
    pub(super) fn delete(&self) {
        self.is_deleted.set(true);
        self.messages.take();
        self.watchers.notify();
    }

    pub(super) fn move_all(&self, to: &Self) -> Result<()> {
        for (_, stored) in self.messages.take() {
            to.add(stored)?;
        }
        // After all borrows have ended, because a callback may read both mailboxes.
        self.watchers.notify();
        to.watchers.notify();
        Ok(())
    }

    fn check(&self) -> Result<()> {
        if self.is_deleted.get() {
            return Err(Failure::new(MailboxError::NoSuchMailbox));
        }
        Ok(())
    }

    /// Adds a message without notifying the watchers.
    fn add(&self, mut stored: Stored) -> Result<Uid> {
        self.check()?;
        // A copy is recent, too (RFC 3501, section 6.4.7).
        stored.is_recent = true;
        let uid = self.uid_next.get();
        let Some(next) = uid.checked_add(1) else {
            return Err(Failure::new(MailboxError::OverQuota));
        };
        self.uid_next.set(next);
        self.messages.borrow_mut().insert(uid, stored);
        Ok(uid)
    }

    fn copy_now(&self, uids: &[Uid], to: &MailboxName) -> Result<CopiedMessages> {
        self.check()?;
        let Some(siblings) = self.siblings.upgrade() else {
            return Err(Failure::new(MailboxError::NoSuchMailbox));
        };
        let to = siblings.get(to)?;
        let mut copied = Vec::new();
        for &uid in uids {
            // The borrow ends before `add`, because `to` may be this mailbox.
            let stored = self.messages.borrow().get(&uid).cloned();
            if let Some(stored) = stored {
                copied.push((uid, to.add(stored)?));
            }
        }
        to.watchers.notify();
        Ok(CopiedMessages::new(to.uid_validity, copied))
    }
}

impl Mailbox for MemoryMailbox {
    fn uid_validity(&self) -> NonZeroU32 {
        self.uid_validity
    }

    fn messages(&self) -> Deferred<MailboxSnapshot> {
        maybe_deferred(|| {
            self.check()?;
            let messages = self.messages.borrow();
            let info = |(&uid, stored): (&Uid, &Stored)| {
                let size = u32::try_from(stored.body.len()).unwrap_or(u32::MAX);
                let mut info = MessageInfo::new(uid, stored.flags.clone(), size, stored.date);
                info.is_recent = stored.is_recent;
                info
            };
            let messages = messages.iter().map(info).collect();
            Ok(MailboxSnapshot::new(self.uid_next.get(), messages))
        })
    }

    fn body(&self, uid: Uid) -> Deferred<Option<Bytes>> {
        maybe_deferred(|| {
            self.check()?;
            let messages = self.messages.borrow();
            Ok(messages.get(&uid).map(|stored| stored.body.clone()))
        })
    }

    fn append(&self, message: NewMessage) -> Deferred<Uid> {
        maybe_deferred(|| {
            let uid = self.add(Stored {
                body: message.body,
                flags: message.flags,
                date: message.date.unwrap_or_else(SystemTime::now),
                is_recent: true,
            })?;
            self.watchers.notify();
            Ok(uid)
        })
    }

    fn change_flags(&self, uids: &[Uid], change: FlagChange, flags: &MailFlags) -> Deferred<()> {
        maybe_deferred(|| {
            self.check()?;
            let mut messages = self.messages.borrow_mut();
            for uid in uids {
                if let Some(stored) = messages.get_mut(uid) {
                    stored.flags.change(change, flags);
                }
            }
            drop(messages);
            self.watchers.notify();
            Ok(())
        })
    }

    fn copy(&self, uids: &[Uid], to: &MailboxName) -> Deferred<CopiedMessages> {
        maybe_deferred(|| self.copy_now(uids, to))
    }

    fn expunge(&self, uids: &[Uid]) -> Deferred<()> {
        maybe_deferred(|| {
            self.check()?;
            let mut messages = self.messages.borrow_mut();
            for uid in uids {
                messages.remove(uid);
            }
            drop(messages);
            self.watchers.notify();
            Ok(())
        })
    }

    fn claim_recent(&self, uids: &[Uid]) -> Deferred<Vec<Uid>> {
        maybe_deferred(|| {
            self.check()?;
            let mut messages = self.messages.borrow_mut();
            let mut claim = |uid: &Uid| {
                let stored = messages.get_mut(uid);
                stored.is_some_and(|stored| mem::take(&mut stored.is_recent))
            };
            Ok(uids.iter().copied().filter(|uid| claim(uid)).collect())
        })
    }

    fn watch(&self, changed: Rc<dyn Fn()>) -> MailboxWatch {
        self.watchers.add(changed)
    }
}
