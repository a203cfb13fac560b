//! `MailboxError`: refusals by a store, which are sent to the client.

use std::error::Error;
use std::fmt;

/// Why a store refuses a client's request. The reason is sent to the client.
///
/// # Examples
///
/// ```
/// use deferred::{Deferred, fail};
/// use reactor_mail::{MailboxError, MailboxName};
///
/// fn create(name: &MailboxName) -> Deferred<()> {
///     fail(MailboxError::Refused(format!("{name} is not for you")))
/// }
/// # create(&MailboxName::inbox()).ignore();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MailboxError {
    /// The name or the password is wrong.
    WrongLogin,
    /// The mailbox does not exist, or does not exist any more.
    NoSuchMailbox,
    /// A mailbox of this name exists already.
    AlreadyExists,
    /// The user may not do this.
    NotPermitted,
    /// The message does not fit into the user's quota.
    OverQuota,
    /// Anything else, with a text for the client.
    Refused(String),
}

impl fmt::Display for MailboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongLogin => "wrong name or password",
            Self::NoSuchMailbox => "no such mailbox",
            Self::AlreadyExists => "the mailbox exists",
            Self::NotPermitted => "not permitted",
            Self::OverQuota => "over quota",
            Self::Refused(text) => text,
        })
    }
}

impl Error for MailboxError {}
