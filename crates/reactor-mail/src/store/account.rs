//! `Login` and `Account`: check a user's password, and give access to the user's mailboxes.

use std::rc::Rc;

use deferred::Deferred;

use super::mailbox::Mailbox;
use super::name::MailboxName;

/// Checks name and password, and returns the account. (Twisted: `IRealm` and `ICredentialsChecker`.)
///
/// A failure with [`MailboxError::WrongLogin`](crate::MailboxError::WrongLogin) refuses the login; any
/// other failure is logged, and the client learns only that the login failed. If the connection ends
/// first, the Deferred is cancelled.
///
/// # Examples
///
/// ```
/// use deferred::{Deferred, fail};
/// use reactor_mail::{Account, Login, MailboxError, MemoryMail};
/// use std::rc::Rc;
///
/// /// Whoever knows the password sees the same mail.
/// struct Shared(MemoryMail);
///
/// impl Login for Shared {
///     fn login(&self, _name: &str, password: &str) -> Deferred<Rc<dyn Account>> {
///         match password {
///             "sesame" => self.0.login("all", "x"),
///             _ => fail(MailboxError::WrongLogin),
///         }
///     }
/// }
///
/// let shared = Shared(MemoryMail::new().with_account("all", "x"));
/// assert!(shared.login("eve", "sesame").into_result().unwrap().is_ok());
/// ```
pub trait Login: 'static {
    /// Checks name and password.
    fn login(&self, name: &str, password: &str) -> Deferred<Rc<dyn Account>>;
}

impl<T: Login + ?Sized> Login for Rc<T> {
    fn login(&self, name: &str, password: &str) -> Deferred<Rc<dyn Account>> {
        (**self).login(name, password)
    }
}

/// The mailboxes of a user. (Twisted: `IAccount`.)
///
/// Rules for implementations:
///
/// - There is always an INBOX. It cannot be deleted; renaming it moves its messages to a new
///   mailbox and leaves it empty.
/// - A mailbox that is created under the name of a deleted one has another
///   [`uid_validity`](Mailbox::uid_validity), so that a client does not take its messages for those
///   of the deleted one.
/// - Renaming a mailbox renames the mailboxes below it, too. Deleting it leaves them.
/// - Subscriptions are names: they survive the deletion of their mailbox.
///
/// A failure with a [`MailboxError`](crate::MailboxError) is sent to the client; any other failure
/// is logged, and the client learns only that the command failed. If the client hangs up, the
/// Deferreds of [`list`](Self::list) and [`open`](Self::open) are cancelled; those of the other
/// methods are not.
///
/// # Examples
///
/// ```
/// use reactor_mail::{Account, Login, MailboxName, MemoryMail};
///
/// let mail = MemoryMail::new().with_account("bob", "sesame");
/// let account = mail.login("bob", "sesame").into_result().unwrap().unwrap();
/// account.create(&MailboxName::new("Lists/rust").unwrap()).into_result().unwrap().unwrap();
/// let names: Vec<_> = account.list().into_result().unwrap().unwrap();
/// assert_eq!(names[1].name.as_str(), "Lists/rust");
/// ```
pub trait Account: 'static {
    /// All mailboxes, and the names that are subscribed to, in any order.
    #[doc(alias = "listMailboxes")]
    fn list(&self) -> Deferred<Vec<MailboxEntry>>;

    /// Opens a mailbox. Many sessions may have the same one open.
    #[doc(alias = "select")]
    fn open(&self, name: &MailboxName) -> Deferred<Rc<dyn Mailbox>>;

    /// Creates an empty mailbox.
    fn create(&self, name: &MailboxName) -> Deferred<()>;

    /// Removes a mailbox with its messages. Sessions that have it open get
    /// [`NoSuchMailbox`](crate::MailboxError::NoSuchMailbox) from then on.
    fn delete(&self, name: &MailboxName) -> Deferred<()>;

    /// Renames a mailbox and those below it.
    fn rename(&self, from: &MailboxName, to: &MailboxName) -> Deferred<()>;

    /// Subscribes to a name, or ends the subscription if `is_subscribed` is `false`. The mailbox need
    /// not exist.
    #[doc(alias = "unsubscribe")]
    fn subscribe(&self, name: &MailboxName, is_subscribed: bool) -> Deferred<()>;
}

/// A row in the list of an account's mailboxes.
///
/// # Examples
///
/// ```
/// use reactor_mail::{MailboxEntry, MailboxName};
///
/// let entry = MailboxEntry::new(MailboxName::inbox());
/// assert!(entry.is_selectable && !entry.is_subscribed);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxEntry {
    /// The name.
    pub name: MailboxName,
    /// Whether it can be opened. `false` for a name that only has other mailboxes below it, and for a
    /// subscribed name whose mailbox does not exist.
    pub is_selectable: bool,
    /// Whether the user has subscribed to it.
    pub is_subscribed: bool,
}

impl MailboxEntry {
    /// A mailbox that can be opened and is not subscribed to.
    pub fn new(name: MailboxName) -> Self {
        Self {
            name,
            is_selectable: true,
            is_subscribed: false,
        }
    }
}
