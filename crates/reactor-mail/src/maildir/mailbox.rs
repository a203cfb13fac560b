//! `MaildirMailbox`: a Maildir as a `Mailbox`.
//!
//! All file work runs in the reactor's threads; the jobs of a mailbox run one after the other. Each
//! job but that of `body` first checks what other programs have changed.

use std::cell::{Cell, RefCell};
use std::num::NonZeroU32;
use std::rc::{Rc, Weak};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use deferred::{Deferred, DeferredLock, Failure, LoopingCall, Result, fail, succeed};
use reactor::ReactorHandle;

use super::account::Shared;
use super::entry::MaildirEntry;
use super::error::MaildirError;
use super::folder::{Maildir, sync_folder};
use super::uids::{Record, UidList};
use super::writer::copy_message;
use crate::store::{
    CopiedMessages, FlagChange, MailFlags, Mailbox, MailboxError, MailboxName, MailboxSnapshot,
    MailboxWatch, MailboxWatchers, MessageInfo, NewMessage, Uid,
};

/// Interval at which a watched mailbox is checked for changes by other programs.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

pub(super) struct MaildirMailbox {
    this: Weak<Self>,
    reactor: ReactorHandle,
    account: Weak<Shared>,
    maildir: Maildir,
    uid_validity: NonZeroU32,
    /// Locked by jobs only. They run one at a time, by `queue`, so no thread blocks on this lock.
    list: Arc<Mutex<UidList>>,
    queue: DeferredLock,
    /// Version of `list` of which the watchers were last notified.
    // Set by each job that succeeds. A job that fails leaves it, so that the next one that succeeds
    // notifies the watchers of all changes.
    known: Cell<u64>,
    watchers: MailboxWatchers,
    poll: RefCell<Weak<Poll>>,
}

impl MaildirMailbox {
    pub(super) fn new(account: &Rc<Shared>, maildir: Maildir, list: UidList) -> Rc<Self> {
        Rc::new_cyclic(|this| Self {
            this: this.clone(),
            reactor: account.reactor.clone(),
            account: Rc::downgrade(account),
            maildir,
            uid_validity: list.validity,
            known: Cell::new(list.version),
            list: Arc::new(Mutex::new(list)),
            queue: DeferredLock::new(),
            watchers: MailboxWatchers::default(),
            poll: RefCell::default(),
        })
    }

    pub(super) fn watchers(&self) -> &MailboxWatchers {
        &self.watchers
    }

    /// Brings the list up to date with the Maildir and runs `job`, both in a thread. If `is_change`,
    /// brings the list up to date once more. Then notifies the watchers if the list has changed, by
    /// `job` or by another program.
    pub(super) fn job<T: Send + 'static>(
        &self,
        is_change: bool,
        job: impl FnOnce(&Maildir, &mut UidList) -> Result<T, MaildirError> + Send + 'static,
    ) -> Deferred<T> {
        let (list, maildir) = (Arc::clone(&self.list), self.maildir.clone());
        let run = move || {
            // The list is still consistent after a panic in an earlier job, because it is changed
            // only after the files.
            let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
            list.sync(&maildir)?;
            let done = job(&maildir, &mut list);
            if is_change {
                // Also if the job has failed: it may have made some of its changes. The next job
                // that succeeds notifies the watchers of them.
                list.sync(&maildir)?;
            }
            Ok((done?, list.version))
        };
        let reactor = self.reactor.clone();
        // `defer_to_thread` is called only when the job's turn comes: jobs that wait hold no thread.
        let done = self.queue.run(move || reactor.defer_to_thread(run));
        let this = self.this.clone();
        done.map_err(refusal).map_ok(move |(value, version)| {
            if let Some(this) = this.upgrade()
                && this.known.replace(version) != version
            {
                this.watchers.notify();
            }
            value
        })
    }

    /// Checks the Maildir each `POLL_INTERVAL` for changes, until the `Poll` is dropped.
    fn poll(&self) -> Rc<Poll> {
        let this = self.this.clone();
        // The `LoopingCall` waits for the Deferred of each check, so that slow checks do not pile up
        // in `queue`.
        let looping = LoopingCall::new(move || {
            let looked = match this.upgrade() {
                Some(mailbox) => mailbox.job(false, |_, _| Ok(())),
                None => succeed(()),
            };
            // The failure is dropped: the next command fails for the same reason, and the client
            // gets that failure.
            looked.add_errback(|_| Ok(()))
        });
        // `start_later` errs only if the call runs already, but this one is new. Its Deferred fails
        // if the reactor ends, which needs no handling.
        if let Ok(ended) = looping.start_later(&self.reactor, POLL_INTERVAL) {
            ended.ignore();
        }
        Rc::new(Poll(looping))
    }
}

/// The timer that checks a mailbox for changes. All watches of the mailbox own it together.
struct Poll(LoopingCall);

impl Drop for Poll {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Turns errors that a client may know into `MailboxError`s; others stay, and are logged.
pub(super) fn refusal(failure: Failure) -> Failure {
    let refusal = match failure.check::<MaildirError>() {
        Some(MaildirError::NoMaildir { .. }) => MailboxError::NoSuchMailbox,
        Some(MaildirError::FolderExists { .. }) => MailboxError::AlreadyExists,
        Some(error) if error.is_full() => MailboxError::OverQuota,
        _ => return failure,
    };
    refusal.into()
}

impl Mailbox for MaildirMailbox {
    fn uid_validity(&self) -> NonZeroU32 {
        self.uid_validity
    }

    fn messages(&self) -> Deferred<MailboxSnapshot> {
        self.job(false, |_, list| {
            let info = |(uid, record): (&Uid, &Record)| {
                let flags = list.keywords.to_mail(record.entry.flags());
                let mut info = MessageInfo::new(*uid, flags, record.size, record.date);
                info.is_recent = record.entry.is_new();
                info
            };
            let messages = list.records.iter().map(info).collect();
            Ok(MailboxSnapshot::new(list.next, messages))
        })
    }

    fn body(&self, uid: Uid) -> Deferred<Option<Bytes>> {
        let (list, maildir) = (Arc::clone(&self.list), self.maildir.clone());
        // Without `sync`: `Maildir::read` finds the file even if it has been renamed.
        let read = move || {
            let list = list.lock().unwrap_or_else(PoisonError::into_inner);
            let entry = list.records.get(&uid).map(|record| record.entry.clone());
            drop(list);
            let Some(entry) = entry else {
                return Ok(None);
            };
            match maildir.read(&entry) {
                Ok(message) => Ok(Some(Bytes::from(with_crlf(message)))),
                Err(MaildirError::Gone { .. }) => Ok(None),
                Err(error) => Err(Failure::new(error)),
            }
        };
        let reactor = self.reactor.clone();
        let read = self.queue.run(move || reactor.defer_to_thread(read));
        read.map_err(refusal)
    }

    fn append(&self, message: NewMessage) -> Deferred<Uid> {
        self.job(false, move |maildir, list| {
            list.add_keywords(maildir, message.flags.keywords())?;
            let mut writer = maildir.begin()?;
            writer.write(&message.body)?;
            if let Some(date) = message.date {
                writer.set_date(date);
            }
            let flags = list.keywords.to_maildir(&message.flags);
            let entry = writer.commit_with_flags(flags)?;
            list.sync(maildir)?;
            let gone = || MaildirError::Gone {
                id: entry.id().to_owned(),
            };
            list.uid_of(entry.id()).ok_or_else(gone)
        })
    }

    fn change_flags(&self, uids: &[Uid], change: FlagChange, flags: &MailFlags) -> Deferred<()> {
        let (uids, flags) = (uids.to_vec(), flags.clone());
        self.job(true, move |maildir, list| {
            if change != FlagChange::Remove {
                list.add_keywords(maildir, flags.keywords())?;
            }
            // After `add_keywords`, because a new keyword has no letter before.
            let (letters, known) = (list.keywords.to_maildir(&flags), list.keywords.known());
            for uid in uids {
                let Some(record) = list.records.get(&uid) else {
                    continue;
                };
                let changed = maildir.change_flags(&record.entry, |old| match change {
                    FlagChange::Add => old.union(letters),
                    FlagChange::Remove => old.difference(letters),
                    // The letters of other programs, which clients do not see, are kept.
                    FlagChange::Replace => old.difference(known).union(letters),
                });
                match changed {
                    Err(MaildirError::Gone { .. }) => {}
                    changed => changed.map(drop)?,
                }
            }
            Ok(())
        })
    }

    fn copy(&self, uids: &[Uid], to: &MailboxName) -> Deferred<CopiedMessages> {
        let Some(account) = self.account.upgrade() else {
            return fail(MailboxError::NoSuchMailbox);
        };
        let uids = uids.to_vec();
        // Two jobs, because each belongs to a mailbox: the first finds the messages in this one, the
        // second copies them in the target.
        let from = self.maildir.clone();
        let taken = self.job(false, move |_, list| {
            let flags = |entry: &MaildirEntry| list.keywords.to_mail(entry.flags());
            let taken = uids.iter().filter_map(|uid| {
                let entry = list.records.get(uid)?.entry.clone();
                Some((*uid, flags(&entry), entry))
            });
            let mut taken: Vec<_> = taken.collect();
            taken.sort_by_key(|(uid, ..)| *uid);
            taken.dedup_by_key(|(uid, ..)| *uid);
            Ok(taken)
        });
        let target = account.open_mailbox(to);
        taken.add_callback(move |taken| {
            target.add_callback(move |target| {
                let uid_validity = target.uid_validity;
                let copied = target.job(false, move |maildir, list| {
                    copy_all(&from, taken, maildir, list)
                });
                copied.map_ok(move |uids| CopiedMessages::new(uid_validity, uids))
            })
        })
    }

    fn expunge(&self, uids: &[Uid]) -> Deferred<()> {
        let uids = uids.to_vec();
        self.job(true, move |maildir, list| {
            for record in uids.iter().filter_map(|uid| list.records.get(uid)) {
                match maildir.remove(&record.entry) {
                    // Another program has removed it before.
                    Err(MaildirError::Gone { .. }) => {}
                    removed => removed?,
                }
            }
            Ok(())
        })
    }

    /// Moves the messages from `new` to `cur`, as all programs do with messages that they have shown.
    fn claim_recent(&self, uids: &[Uid]) -> Deferred<Vec<Uid>> {
        let uids = uids.to_vec();
        self.job(true, move |maildir, list| {
            let mut claimed = Vec::new();
            for uid in uids {
                let record = list.records.get(&uid);
                let Some(record) = record.filter(|record| record.entry.is_new()) else {
                    continue;
                };
                match maildir.change_flags(&record.entry, |flags| flags) {
                    // Another program has removed it.
                    Err(MaildirError::Gone { .. }) => {}
                    moved => {
                        moved?;
                        claimed.push(uid);
                    }
                }
            }
            Ok(claimed)
        })
    }

    fn watch(&self, changed: Rc<dyn Fn()>) -> MailboxWatch {
        let polling = self.poll.borrow().upgrade();
        let poll = polling.unwrap_or_else(|| self.poll());
        self.poll.replace(Rc::downgrade(&poll));
        self.watchers.add(Rc::new(move || {
            // Owned by the closure, so that the polling ends when the last watch is dropped.
            let _poll: &Rc<Poll> = &poll;
            changed();
        }))
    }
}

/// Copies messages to `to`, all or none; messages that do not exist any more are left out. Returns
/// the UID of each message and that of its copy.
fn copy_all(
    from: &Maildir,
    messages: Vec<(Uid, MailFlags, MaildirEntry)>,
    to: &Maildir,
    list: &mut UidList,
) -> Result<Vec<(Uid, Uid)>, MaildirError> {
    let mut all = MailFlags::new();
    for (_, flags, _) in &messages {
        all.change(FlagChange::Add, flags);
    }
    // One call for all messages, because each call may write the list.
    list.add_keywords(to, all.keywords())?;
    let mut copies = Vec::new();
    for (uid, flags, entry) in messages {
        match copy_message(from, &entry, to, list.keywords.to_maildir(&flags)) {
            Ok(copy) => copies.push((uid, copy)),
            Err(MaildirError::Gone { .. }) => {}
            // The drop of `copies` removes the copies that were made.
            Err(error) => return Err(error),
        }
    }
    sync_folder(&to.path().join("cur"))?;
    list.sync(to)?;
    let by_id = list.by_id();
    let copies = copies.into_iter().map(|(uid, copy)| (uid, copy.keep()));
    let uids = copies.filter_map(|(uid, id)| Some((uid, *by_id.get(id.as_str())?)));
    Ok(uids.collect())
}

/// The message with CR LF as line ends.
fn with_crlf(message: Vec<u8>) -> Vec<u8> {
    let bare = |at: &usize| *at == 0 || message[at - 1] != b'\r';
    let bare = memchr::memchr_iter(b'\n', &message).filter(bare).count();
    if bare == 0 {
        return message;
    }
    let mut text = Vec::with_capacity(message.len() + bare);
    let mut done = 0;
    for at in memchr::memchr_iter(b'\n', &message) {
        text.extend_from_slice(&message[done..at]);
        if text.last() != Some(&b'\r') {
            text.push(b'\r');
        }
        done = at;
    }
    text.extend_from_slice(&message[done..]);
    text
}
