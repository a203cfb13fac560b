//! `MaildirMailbox`: a Maildir as a `Mailbox`.
//!
//! All file work runs in the reactor's threads, one job of a mailbox after the other. A job first
//! looks at what other programs have changed.

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

/// Time from one look at a watched mailbox, for changes by other programs, to the next.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

pub(super) struct MaildirMailbox {
    this: Weak<Self>,
    reactor: ReactorHandle,
    account: Weak<Shared>,
    maildir: Maildir,
    uid_validity: NonZeroU32,
    /// Locked by jobs only; those that use it wait in `queue`, so no thread waits for it long.
    list: Arc<Mutex<UidList>>,
    queue: DeferredLock,
    /// Version of `list` that the watchers know of.
    // Set by each job that has succeeded; a job that fails leaves it, and so the next one tells.
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

    /// Runs a job in a thread after a look at the Maildir. If `is_change`, another look follows.
    /// Tells the watchers what has changed, also by others.
    pub(super) fn job<T: Send + 'static>(
        &self,
        is_change: bool,
        job: impl FnOnce(&Maildir, &mut UidList) -> Result<T, MaildirError> + Send + 'static,
    ) -> Deferred<T> {
        let (list, maildir) = (Arc::clone(&self.list), self.maildir.clone());
        let run = move || {
            // A job that has panicked has left it whole: it is changed after the files are.
            let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
            list.sync(&maildir)?;
            let done = job(&maildir, &mut list);
            if is_change {
                // Also if the job has failed: some of its changes may be made. The next job tells
                // the watchers of them.
                list.sync(&maildir)?;
            }
            Ok((done?, list.version))
        };
        let reactor = self.reactor.clone();
        // The thread is asked for only when the job's turn comes: jobs that wait hold no thread.
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

    /// Looks at the Maildir from time to time, until the `Poll` is dropped.
    fn poll(&self) -> Rc<Poll> {
        let this = self.this.clone();
        // Waits for each look, so that slow ones do not pile up in `queue`.
        let looping = LoopingCall::new(move || {
            let looked = match this.upgrade() {
                Some(mailbox) => mailbox.job(false, |_, _| Ok(())),
                None => succeed(()),
            };
            // A failure is that of the next command, too, which tells the client.
            looked.add_errback(|_| Ok(()))
        });
        // Errs if it runs already, but it is new. Its Deferred fails if the reactor ends.
        if let Ok(ended) = looping.start_later(&self.reactor, POLL_INTERVAL) {
            ended.ignore();
        }
        Rc::new(Poll(looping))
    }
}

/// The loop that looks at a mailbox; all watches of the mailbox own it together.
struct Poll(LoopingCall);

impl Drop for Poll {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// What a client gets to know of an error.
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
        // Without a look at the Maildir: none is needed to find a file.
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
            // After the keywords were added, which have no letter before.
            let (letters, known) = (list.keywords.to_maildir(&flags), list.keywords.known());
            for uid in uids {
                let Some(record) = list.records.get(&uid) else {
                    continue;
                };
                let changed = maildir.change_flags(&record.entry, |old| match change {
                    FlagChange::Add => old.union(letters),
                    FlagChange::Remove => old.difference(letters),
                    // The letters of other programs, which no client sees, are not replaced.
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
        // First what is copied, then where to: two jobs of different mailboxes.
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
                    // Another program was quicker.
                    Err(MaildirError::Gone { .. }) => {}
                    removed => removed?,
                }
            }
            Ok(())
        })
    }

    /// Moves them from `new` to `cur`, as all programs do with what they have shown.
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
            // Goes with the watch.
            let _poll: &Rc<Poll> = &poll;
            changed();
        }))
    }
}

/// Copies messages, all or none; those that are gone are left out.
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
    // All at once: each call may write the list.
    list.add_keywords(to, all.keywords())?;
    let mut copies = Vec::new();
    for (uid, flags, entry) in messages {
        match copy_message(from, &entry, to, list.keywords.to_maildir(&flags)) {
            Ok(copy) => copies.push((uid, copy)),
            Err(MaildirError::Gone { .. }) => {}
            // Removes those that were made.
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
