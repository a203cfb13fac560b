//! `Mailbox`: messages, as an IMAP server needs them.

use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::SystemTime;

use bytes::Bytes;
use deferred::{Deferred, succeed};

use super::flags::{FlagChange, MailFlags};
use super::name::MailboxName;
use super::watch::MailboxWatch;

/// The number of a message in its mailbox, which never changes.
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
/// Rules for implementations:
///
/// - A message gets the next [`Uid`] when it is added, and keeps it. No other message ever gets this
///   `Uid`, not even after a restart or after the message was removed. If the `Uid`s are lost,
///   [`uid_validity`](Self::uid_validity) must change, to a greater value.
/// - The bytes of a message, its date and its size never change; only its flags do.
/// - Other sessions and programs may change the mailbox at any time. A method that gets the `Uid` of
///   a message that does not exist any more leaves it out, and does not fail.
/// - When the Deferred of a method fires, its change is made: the next [`messages`](Self::messages)
///   shows it.
///
/// A failure with a [`MailboxError`](crate::MailboxError) is sent to the client; any other failure
/// is logged, and the client learns only that the command failed. If the client hangs up, the
/// Deferreds of [`messages`](Self::messages) and [`body`](Self::body) are cancelled; those of methods
/// that change the mailbox are not.
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
    /// UIDVALIDITY: together with a [`Uid`], it identifies a message of the mailbox for ever.
    fn uid_validity(&self) -> NonZeroU32;

    /// All messages, as they are now.
    ///
    /// The server calls this when it opens the mailbox, when the client asks for news, and after it
    /// was notified by [`watch`](Self::watch); so it should be quick if nothing has changed.
    #[doc(alias = "fetch")]
    fn messages(&self) -> Deferred<MailboxSnapshot>;

    /// The bytes of a message, with CRLF as line ends; `None` if it does not exist any more.
    fn body(&self, uid: Uid) -> Deferred<Option<Bytes>>;

    /// Adds a message. The Deferred gives its `Uid`, and fires when the message is stored safely.
    #[doc(alias = "addMessage")]
    fn append(&self, message: NewMessage) -> Deferred<Uid>;

    /// Changes the flags of messages. Keywords that the store cannot keep are left out.
    #[doc(alias = "store")]
    fn change_flags(&self, uids: &[Uid], change: FlagChange, flags: &MailFlags) -> Deferred<()>;

    /// Copies messages with flags and date to a mailbox of the same account. If this fails, none is
    /// copied.
    fn copy(&self, uids: &[Uid], to: &MailboxName) -> Deferred<CopiedMessages>;

    /// Removes messages, whatever their flags.
    fn expunge(&self, uids: &[Uid]) -> Deferred<()>;

    /// Makes those messages of `uids` that [are recent](MessageInfo::is_recent) no longer so, and
    /// gives their `Uid`s. Only the session that has called this shows them as `\Recent`.
    ///
    /// By default, it gives none: for stores without recent messages.
    fn claim_recent(&self, uids: &[Uid]) -> Deferred<Vec<Uid>> {
        // The parameter has a name for the documentation, so the default body uses it.
        let _ = uids;
        succeed(Vec::new())
    }

    /// Calls `changed` after each change, whichever session or program makes it, until the
    /// [`MailboxWatch`] is dropped. One call for several changes is enough.
    ///
    /// [`MailboxWatchers`](crate::MailboxWatchers) keeps the callbacks. If other programs may change
    /// the mailbox, the implementation must check for changes while it is watched.
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
    /// UIDNEXT: a `Uid` greater than that of each message so far, and not greater than that of the
    /// next message.
    pub uid_next: Uid,
    /// The messages, in ascending order of their `Uid`s.
    pub messages: Vec<MessageInfo>,
}

impl MailboxSnapshot {
    /// A snapshot with these values.
    pub fn new(uid_next: Uid, messages: Vec<MessageInfo>) -> Self {
        Self { uid_next, messages }
    }
}

/// What a store knows about a message without reading it.
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
    /// Time of arrival (INTERNALDATE).
    pub date: SystemTime,
    /// Whether no session has reported it to its client yet: see [`Mailbox::claim_recent`].
    pub is_recent: bool,
}

impl MessageInfo {
    /// A message that is not recent.
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
    /// Time of arrival; `None` for now.
    pub date: Option<SystemTime>,
}

impl NewMessage {
    /// A message without flags that arrives now.
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self {
            body: body.into(),
            flags: MailFlags::new(),
            date: None,
        }
    }
}

/// The result of [`Mailbox::copy`].
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
    /// The `uid_validity` of the mailbox to which they were copied.
    pub uid_validity: NonZeroU32,
    /// The `Uid` of each message that was copied, and that of its copy; both ascending.
    pub uids: Vec<(Uid, Uid)>,
}

impl CopiedMessages {
    /// A result with these values.
    pub fn new(uid_validity: NonZeroU32, uids: Vec<(Uid, Uid)>) -> Self {
        Self { uid_validity, uids }
    }
}
