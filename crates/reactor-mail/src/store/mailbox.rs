//! `Mailbox`: messages, as an IMAP server needs them.

use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::SystemTime;

use bytes::Bytes;
use deferred::{Deferred, succeed};

use super::flags::{FlagChange, MailFlags};
use super::name::MailboxName;
use super::watch::MailboxWatch;

/// The number of a message in its mailbox, which it keeps.
///
/// # Examples
///
/// ```
/// use reactor_mail::Uid;
///
/// assert_eq!(Uid::MIN.get(), 1);
/// ```
pub type Uid = NonZeroU32;

/// A mailbox that is open. (Twisted: `IMailbox`.)
///
/// What an implementation must keep:
///
/// - A message gets the next [`Uid`] when it comes, keeps it, and no other message ever gets it:
///   also not after a restart, and not after it was removed. If that is not possible any more,
///   [`uid_validity`](Self::uid_validity) must be another one from then on, greater than before.
/// - The bytes of a message, its date and its size never change; only its flags do.
/// - Others may change the mailbox at any time. A method that gets a `Uid` which is not there any
///   more leaves it out, and does not fail.
/// - What a method has answered is done: the next [`messages`](Self::messages) shows it.
///
/// Each failure with a [`MailboxError`](crate::MailboxError) is sent to the client; any other one
/// is logged, and the client learns only that the command failed. If the client hangs up, the
/// Deferreds of [`messages`](Self::messages) and [`body`](Self::body) are cancelled; what changes
/// the mailbox goes on.
///
/// # Examples
///
/// ```
/// use reactor_mail::{FlagChange, Login, MailFlag, MailFlags, MailboxName, MemoryMail, NewMessage};
///
/// let mail = MemoryMail::new().with_account("bob", "sesame");
/// let account = mail.login("bob", "sesame").into_result().unwrap().unwrap();
/// let inbox = account.open(&MailboxName::inbox()).into_result().unwrap().unwrap();
///
/// let message = NewMessage::new("Subject: hi\r\n\r\nhello\r\n");
/// let uid = inbox.append(message).into_result().unwrap().unwrap();
/// let seen = MailFlags::from_iter([MailFlag::Seen]);
/// inbox.change_flags(&[uid], FlagChange::Add, &seen).into_result().unwrap().unwrap();
///
/// let snapshot = inbox.messages().into_result().unwrap().unwrap();
/// assert_eq!(snapshot.messages[0].flags, seen);
/// ```
pub trait Mailbox: 'static {
    /// With a [`Uid`], this names a message for ever (UIDVALIDITY).
    fn uid_validity(&self) -> NonZeroU32;

    /// All messages, as they are now.
    ///
    /// The server asks when it opens the mailbox, when the client asks for news, and after the
    /// callback of [`watch`](Self::watch); so it should be quick if nothing has changed.
    #[doc(alias = "fetch")]
    fn messages(&self) -> Deferred<MailboxSnapshot>;

    /// The bytes of a message, with CRLF as line ends; `None` if it is not there any more.
    fn body(&self, uid: Uid) -> Deferred<Option<Bytes>>;

    /// Adds a message. When the Deferred fires, it is safe.
    #[doc(alias = "addMessage")]
    fn append(&self, message: NewMessage) -> Deferred<Uid>;

    /// Changes the flags of messages. Keywords that cannot be kept are left out.
    #[doc(alias = "store")]
    fn change_flags(&self, uids: &[Uid], change: FlagChange, flags: &MailFlags) -> Deferred<()>;

    /// Copies messages with flags and date to a mailbox of the same account: all, or none if it
    /// fails.
    fn copy(&self, uids: &[Uid], to: &MailboxName) -> Deferred<CopiedMessages>;

    /// Removes messages, whatever their flags.
    fn expunge(&self, uids: &[Uid]) -> Deferred<()>;

    /// Makes messages old that [are recent](MessageInfo::is_recent), and gives those of `uids` that
    /// were recent until now: the session that has asked shows them as `\Recent`, and no other one.
    ///
    /// Unless a store has this, none of its messages is recent.
    fn claim_recent(&self, uids: &[Uid]) -> Deferred<Vec<Uid>> {
        // The parameter has a name for the documentation, so the default body uses it.
        let _ = uids;
        succeed(Vec::new())
    }

    /// Calls `changed` after each change, by whatever session or program, until the
    /// [`MailboxWatch`] is dropped; once for several changes is enough.
    ///
    /// [`MailboxWatchers`](crate::MailboxWatchers) keeps the callbacks. If other programs change
    /// the mailbox, look at it from time to time while it is watched.
    #[doc(alias = "addListener")]
    fn watch(&self, changed: Rc<dyn Fn()>) -> MailboxWatch;
}

/// The messages of a mailbox at one time.
///
/// # Examples
///
/// ```
/// use reactor_mail::{MailboxSnapshot, Uid};
///
/// let empty = MailboxSnapshot::new(Uid::MIN, Vec::new());
/// assert!(empty.messages.is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MailboxSnapshot {
    /// What the next message will get, or less: at least one more than all that there were.
    pub uid_next: Uid,
    /// The messages, their `Uid`s ascending.
    pub messages: Vec<MessageInfo>,
}

impl MailboxSnapshot {
    /// These messages.
    pub fn new(uid_next: Uid, messages: Vec<MessageInfo>) -> Self {
        Self { uid_next, messages }
    }
}

/// What is known of a message without reading it.
///
/// # Examples
///
/// ```
/// use reactor_mail::{MailFlags, MessageInfo, Uid};
/// use std::time::SystemTime;
///
/// let info = MessageInfo::new(Uid::MIN, MailFlags::new(), 1024, SystemTime::UNIX_EPOCH);
/// assert_eq!(info.size, 1024);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageInfo {
    /// Its number.
    pub uid: Uid,
    /// Its flags.
    pub flags: MailFlags,
    /// Its size in bytes, as [`Mailbox::body`] gives it.
    pub size: u32,
    /// When it came (INTERNALDATE).
    pub date: SystemTime,
    /// Whether no session has been told of it: see [`Mailbox::claim_recent`].
    pub is_recent: bool,
}

impl MessageInfo {
    /// This message, which is not recent.
    pub fn new(uid: Uid, flags: MailFlags, size: u32, date: SystemTime) -> Self {
        Self {
            uid,
            flags,
            size,
            date,
            is_recent: false,
        }
    }
}

/// A message that is added to a mailbox.
///
/// # Examples
///
/// ```
/// use reactor_mail::{MailFlag, MailFlags, NewMessage};
///
/// let mut draft = NewMessage::new("Subject: later\r\n\r\n");
/// draft.flags = MailFlags::from_iter([MailFlag::Draft]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewMessage {
    /// The message, with CRLF as line ends.
    pub body: Bytes,
    /// Its flags.
    pub flags: MailFlags,
    /// When it came; now if `None`.
    pub date: Option<SystemTime>,
}

impl NewMessage {
    /// A message without flags that comes now.
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self {
            body: body.into(),
            flags: MailFlags::new(),
            date: None,
        }
    }
}

/// What became of messages that were copied.
///
/// # Examples
///
/// ```
/// use reactor_mail::{CopiedMessages, Uid};
///
/// let none = CopiedMessages::new(Uid::MIN, Vec::new());
/// assert_eq!(none.uids, []);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopiedMessages {
    /// That of the mailbox which they were copied to.
    pub uid_validity: NonZeroU32,
    /// The `Uid` of each message that was there, and that of its copy; both ascending.
    pub uids: Vec<(Uid, Uid)>,
}

impl CopiedMessages {
    /// These messages.
    pub fn new(uid_validity: NonZeroU32, uids: Vec<(Uid, Uid)>) -> Self {
        Self { uid_validity, uids }
    }
}
