//! `MaildirAccount`: the mailboxes of a user, which are a Maildir and its subfolders.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::rc::{Rc, Weak};

use deferred::{Deferred, Failure, Result, fail, inline_callbacks, succeed};
use reactor::ReactorHandle;

use super::error::MaildirError;
use super::files::{self, Lock};
use super::folder::Maildir;
use super::mailbox::{MaildirMailbox, refusal};
use super::names::{folder_of, name_of};
use super::uids::UidList;
use crate::store::{Account, Login, Mailbox, MailboxEntry, MailboxError, MailboxName, take_back};

/// The mailboxes of a user in a [`Maildir`]: INBOX is the Maildir itself, the others are its
/// subfolders as in Maildir++, named in modified UTF-7.
///
/// Other programs may use the Maildir at the same time: a mail program, an SMTP server that
/// delivers. A session sees their changes at its next command, and within 2 seconds while it waits
/// in IDLE.
///
/// Small files beside the messages keep what Maildir has no place for: `reactor-uids` (UIDs,
/// UIDVALIDITY, names of keywords), `reactor-uidvalidity`, `reactor-subscriptions`, and a lock for
/// each of them. If `reactor-uids` is damaged or removed, the messages get new UIDs, and clients read
/// them again. A mailbox has at most 26 keywords. Messages in `new` are `\Recent`; the first session
/// that reports them to its client moves them to `cur`. The first use of a Maildir that was created in
/// the same second takes until the next one, because a Maildir that another process has removed before
/// must not have had the same UIDVALIDITY.
///
/// # Examples
///
/// ```
/// use reactor::testing;
/// use reactor_mail::{Account, Maildir, MaildirAccount, MailboxName, NewMessage};
///
/// # let folder = std::env::temp_dir().join(format!("maildir-account-{}", std::process::id()));
/// testing::run(|reactor| {
///     let account = MaildirAccount::new(reactor, Maildir::new(&folder));
///     let inbox = reactor.block_on(account.open(&MailboxName::inbox())).unwrap();
///     let uid = reactor.block_on(inbox.append(NewMessage::new("Subject: hi\r\n\r\n"))).unwrap();
///     assert_eq!(uid.get(), 1);
///     assert_eq!(Maildir::new(&folder).list().unwrap().len(), 1);
/// });
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct MaildirAccount {
    shared: Rc<Shared>,
}

/// What the sessions of a user have in common.
pub(super) struct Shared {
    // For the callbacks of jobs: a job that is running must not keep the account alive.
    this: Weak<Self>,
    pub(super) reactor: ReactorHandle,
    root: Maildir,
    /// Mailboxes that sessions have open.
    // Weak: a mailbox lives as long as sessions have it selected. Dead entries are removed when
    // another mailbox is opened.
    open: RefCell<HashMap<MailboxName, Weak<MaildirMailbox>>>,
}

impl MaildirAccount {
    /// The mailboxes in `maildir`. The first use creates the Maildir if it does not exist.
    pub fn new(reactor: &ReactorHandle, maildir: Maildir) -> Self {
        Self {
            shared: Rc::new_cyclic(|this| Shared {
                this: this.clone(),
                reactor: reactor.clone(),
                root: maildir,
                open: RefCell::default(),
            }),
        }
    }
}

impl MaildirAccount {
    /// Moves the messages of INBOX to a new mailbox. If that fails in the middle, each message is in
    /// only one of the two mailboxes afterwards, unless taking back copies fails; a new mailbox that
    /// has no messages then is removed, so that the client can try again.
    fn empty_inbox_to(&self, to: &MailboxName) -> Deferred<()> {
        let (account, to) = (self.clone(), to.clone());
        inline_callbacks(async move {
            account.create(&to).await?;
            let moved = account.move_inbox_to(&to).await;
            if moved.is_err() {
                // The caller gets the first failure. This one leaves an empty mailbox.
                let removed = account.remove_empty(&to).await;
                if let Err(failure) = removed {
                    tracing::warn!(target: "reactor_mail", %failure, "the mailbox of a failed renaming stays");
                }
            }
            moved
        })
    }

    async fn move_inbox_to(&self, to: &MailboxName) -> Result<()> {
        let inbox = self.open(&MailboxName::inbox()).await?;
        let snapshot = inbox.messages().await?;
        let messages = snapshot.messages.iter();
        let uids: Vec<_> = messages.map(|message| message.uid).collect();
        let mut copied = inbox.copy(&uids, to).await?;
        // Only the copied ones: a message that was not copied stays in INBOX.
        let uids: Vec<_> = copied.uids.iter().map(|(from, _)| *from).collect();
        let removed = inbox.expunge(&uids).await;
        if removed.is_err() {
            take_back(&*inbox, self, to, &mut copied).await;
        }
        removed
    }

    /// Removes a mailbox if it has no messages.
    fn remove_empty(&self, name: &MailboxName) -> Deferred<()> {
        let folder = match folder(name) {
            Ok(folder) => folder,
            Err(failure) => return fail(failure),
        };
        let (shared, name) = (Rc::clone(&self.shared), name.clone());
        let removed = self.shared.job(move |root| {
            // One job, so that another program has little time to deliver in between; it would lose
            // its message, as if the mailbox were deleted.
            let is_empty = root.folder(&folder)?.list()?.is_empty();
            if is_empty {
                root.remove_folder(&folder)?;
            }
            Ok(is_empty)
        });
        removed.map_ok(move |is_removed| {
            if is_removed {
                shared.forget(&name);
            }
        })
    }
}

impl Shared {
    fn maildir(&self, name: &MailboxName) -> Result<Maildir> {
        if name.is_inbox() {
            return Ok(self.root.clone());
        }
        Ok(self.root.folder(&folder(name)?)?)
    }

    fn opened(&self, name: &MailboxName) -> Option<Rc<MaildirMailbox>> {
        self.open.borrow().get(name)?.upgrade()
    }

    /// Runs `job` with the root Maildir in a thread. Its failure goes through `refusal`.
    fn job<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Maildir) -> Result<T, MaildirError> + Send + 'static,
    ) -> Deferred<T> {
        let root = self.root.clone();
        let done = self.reactor.defer_to_thread(move || Ok(job(&root)?));
        done.map_err(refusal)
    }

    pub(super) fn open_mailbox(&self, name: &MailboxName) -> Deferred<Rc<MaildirMailbox>> {
        let Some(opened) = self.opened(name) else {
            return self.read_mailbox(name);
        };
        // An empty job: its look at the Maildir fails if the mailbox was deleted, or replaced by
        // another one of the same name. It costs little if nothing has changed.
        let (this, name) = (self.this.clone(), name.clone());
        let looked = opened.job(false, |_, _| Ok(()));
        looked.add_both(move |looked| match (looked, this.upgrade()) {
            (Ok(()), _) => succeed(opened),
            (Err(failure), Some(this)) if is_gone(&failure) => this.read_mailbox(&name),
            (Err(failure), _) => fail(failure),
        })
    }

    fn read_mailbox(&self, name: &MailboxName) -> Deferred<Rc<MaildirMailbox>> {
        let maildir = match self.maildir(name) {
            Ok(maildir) => maildir,
            Err(failure) => return fail(failure),
        };
        let (name, this, to_open) = (name.clone(), self.this.clone(), maildir.clone());
        let list = self.job(move |root| {
            root.create()?;
            UidList::open(root, &to_open)
        });
        list.add_callback(move |list| {
            let Some(this) = this.upgrade() else {
                return Err(Failure::new(MailboxError::NoSuchMailbox));
            };
            // Another session may have opened the mailbox while the job ran. The UIDVALIDITY tells
            // whether it is this one, or a deleted one of the same name.
            let opened = this.opened(&name);
            if let Some(opened) = opened.filter(|opened| opened.uid_validity() == list.validity) {
                return Ok(opened);
            }
            let mailbox = MaildirMailbox::new(&this, maildir, list);
            let mut open = this.open.borrow_mut();
            open.retain(|_, mailbox| mailbox.strong_count() > 0);
            open.insert(name, Rc::downgrade(&mailbox));
            Ok(mailbox)
        })
    }

    /// Forgets a mailbox that was deleted or renamed, and notifies its sessions.
    fn forget(&self, name: &MailboxName) {
        // Sessions that have it selected keep the object, and their next command fails. A mailbox
        // that is later created under this name must be another object.
        let mailbox = self.open.borrow_mut().remove(name);
        if let Some(mailbox) = mailbox.and_then(|mailbox| mailbox.upgrade()) {
            // The borrow has ended: a callback of a watcher may open a mailbox.
            mailbox.watchers().notify();
        }
    }
}

fn is_gone(failure: &Failure) -> bool {
    failure.check::<MailboxError>() == Some(&MailboxError::NoSuchMailbox)
}

/// The name of the folder of a mailbox.
fn folder(name: &MailboxName) -> Result<String> {
    let folder = folder_of(name);
    folder.ok_or_else(|| MailboxError::Refused("no name for a folder".to_owned()).into())
}

impl Account for MaildirAccount {
    fn list(&self) -> Deferred<Vec<MailboxEntry>> {
        self.shared.job(|root| {
            root.create()?;
            let mut names: BTreeSet<MailboxName> = [MailboxName::inbox()].into();
            // A folder of another program is left out if its name cannot be that of a mailbox.
            names.extend(root.folders()?.iter().filter_map(|folder| name_of(folder)));
            let subscribed = subscriptions(root)?;
            let all: BTreeSet<_> = names.union(&subscribed).cloned().collect();
            let entry = |name: MailboxName| MailboxEntry {
                is_selectable: names.contains(&name),
                is_subscribed: subscribed.contains(&name),
                name,
            };
            Ok(all.into_iter().map(entry).collect())
        })
    }

    fn open(&self, name: &MailboxName) -> Deferred<Rc<dyn Mailbox>> {
        let mailbox = self.shared.open_mailbox(name);
        mailbox.map_ok(|mailbox| mailbox as Rc<dyn Mailbox>)
    }

    fn create(&self, name: &MailboxName) -> Deferred<()> {
        if name.is_inbox() {
            return fail(MailboxError::AlreadyExists);
        }
        let folder = match folder(name) {
            Ok(folder) => folder,
            Err(failure) => return fail(failure),
        };
        self.shared.job(move |root| {
            root.create()?;
            let maildir = root.create_folder(&folder)?;
            UidList::open(root, &maildir).map(drop)
        })
    }

    fn delete(&self, name: &MailboxName) -> Deferred<()> {
        if name.is_inbox() {
            return fail(MailboxError::NotPermitted);
        }
        let folder = match folder(name) {
            Ok(folder) => folder,
            Err(failure) => return fail(failure),
        };
        let (shared, name) = (Rc::clone(&self.shared), name.clone());
        let removed = self.shared.job(move |root| root.remove_folder(&folder));
        removed.map_ok(move |()| shared.forget(&name))
    }

    fn rename(&self, from: &MailboxName, to: &MailboxName) -> Deferred<()> {
        // Before the check of `is_below`: INBOX stays and only its messages move, so `to` may be
        // below INBOX.
        if from.is_inbox() {
            return self.empty_inbox_to(to);
        }
        if to.is_below(from) {
            return fail(MailboxError::NotPermitted);
        }
        let (shared, from, to) = (Rc::clone(&self.shared), from.clone(), to.clone());
        let renamed = self.shared.job(move |root| rename(root, &from, &to));
        renamed.add_callback(move |names| {
            let names = names?;
            names.iter().for_each(|name| shared.forget(name));
            Ok(())
        })
    }

    fn subscribe(&self, name: &MailboxName, is_subscribed: bool) -> Deferred<()> {
        // The mailbox itself need not exist: RFC 3501 (section 6.3.6) lets a client subscribe to a
        // name whose mailbox is gone.
        let name = name.clone();
        self.shared.job(move |root| {
            root.create()?;
            let path = root.path().join(SUBSCRIPTIONS);
            // Held from the reading to the replacement, so that a change by another session in
            // between is not lost. The lock is a separate file, because the list of subscriptions
            // is replaced by a new file.
            let _lock = Lock::new(&path.with_extension("lock"))?;
            let mut names = subscriptions(root)?;
            let has_changed = if is_subscribed {
                names.insert(name)
            } else {
                names.remove(&name)
            };
            if !has_changed {
                return Ok(());
            }
            let lines = names.iter().map(|name| format!("{name}\n"));
            files::replace(&path, &lines.collect::<String>())
        })
    }
}

const SUBSCRIPTIONS: &str = "reactor-subscriptions";

fn subscriptions(root: &Maildir) -> Result<BTreeSet<MailboxName>, MaildirError> {
    let text = files::read(&root.path().join(SUBSCRIPTIONS))?;
    // A name has no line end, so each line is one name; a damaged line is left out.
    let names = text.lines().filter_map(|line| MailboxName::new(line).ok());
    Ok(names.collect())
}

/// Renames a mailbox and those below it; returns their old names.
fn rename(
    root: &Maildir,
    from: &MailboxName,
    to: &MailboxName,
) -> Result<Result<Vec<MailboxName>>, MaildirError> {
    // The inner error is already one for the client; the caller passes the outer one through
    // `refusal`.
    let mut renamed = Vec::new();
    let names: Vec<_> = root
        .folders()?
        .iter()
        .filter_map(|name| name_of(name))
        .collect();
    for name in &names {
        match name.renamed(from, to) {
            None => {}
            Some(Ok(new)) => match (folder_of(name), folder_of(&new)) {
                (Some(old), Some(folder)) => renamed.push((name.clone(), old, new, folder)),
                _ => {
                    return Ok(Err(
                        MailboxError::Refused("too long a name".to_owned()).into()
                    ));
                }
            },
            Some(Err(invalid)) => return Ok(Err(invalid.into())),
        }
    }
    if !renamed.iter().any(|(name, ..)| name == from) {
        return Ok(Err(MailboxError::NoSuchMailbox.into()));
    }
    // All names are checked before the first folder is renamed, because a renaming is not undone if
    // a later one fails.
    if to.is_inbox() || renamed.iter().any(|(_, _, new, _)| names.contains(new)) {
        return Ok(Err(MailboxError::AlreadyExists.into()));
    }
    for (_, old, _, folder) in &renamed {
        root.rename_folder(old, folder)?;
    }
    Ok(Ok(renamed.into_iter().map(|(name, ..)| name).collect()))
}

impl fmt::Debug for MaildirAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MaildirAccount")
            .field(&self.shared.root)
            .finish()
    }
}

/// A [`Login`] to [`MaildirAccount`]s: a closure checks name and password, and returns the Maildir.
///
/// Sessions of the same Maildir share an account, so that each sees the changes of the others at
/// once.
/// If a check takes time (a database, a slow hash of the password), write a `Login` of your own.
///
/// # Examples
///
/// ```
/// use reactor::testing;
/// use reactor_mail::{Login, Maildir, MaildirLogin};
///
/// testing::run(|reactor| {
///     let login = MaildirLogin::new(reactor, |name, password| {
///         let is_right = (name, password) == ("bob", "sesame");
///         is_right.then(|| Maildir::new("/home/bob/Maildir"))
///     });
///     assert!(reactor.block_on(login.login("bob", "sesame")).is_ok());
///     assert!(reactor.block_on(login.login("bob", "guess")).is_err());
/// });
/// ```
pub struct MaildirLogin {
    reactor: ReactorHandle,
    check: Box<dyn Fn(&str, &str) -> Option<Maildir>>,
    // Weak: an account lives as long as sessions own it.
    accounts: RefCell<Vec<Weak<Shared>>>,
}

impl MaildirLogin {
    /// `check` gets a name and a password, and returns the user's Maildir if they are right.
    pub fn new(
        reactor: &ReactorHandle,
        check: impl Fn(&str, &str) -> Option<Maildir> + 'static,
    ) -> Self {
        Self {
            reactor: reactor.clone(),
            check: Box::new(check),
            accounts: RefCell::default(),
        }
    }
}

impl Login for MaildirLogin {
    fn login(&self, name: &str, password: &str) -> Deferred<Rc<dyn Account>> {
        // Before `accounts` is borrowed: `check` is the user's code, and may call `login`.
        let Some(maildir) = (self.check)(name, password) else {
            return fail(MailboxError::WrongLogin);
        };
        let mut accounts = self.accounts.borrow_mut();
        accounts.retain(|account| account.strong_count() > 0);
        let mut shared = accounts.iter().filter_map(Weak::upgrade);
        let account = match shared.find(|shared| shared.root == maildir) {
            Some(shared) => MaildirAccount { shared },
            None => {
                let account = MaildirAccount::new(&self.reactor, maildir);
                accounts.push(Rc::downgrade(&account.shared));
                account
            }
        };
        succeed(Rc::new(account))
    }
}

impl fmt::Debug for MaildirLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaildirLogin").finish_non_exhaustive()
    }
}
