//! `ImapMessages`: which messages a command is about.

use imap_types::sequence::SequenceSet;

use super::error::ImapError;

/// Which messages a command is about, by their unique identifiers or by their numbers.
///
/// A number changes when a message before it is expunged, so identifiers are the better choice
/// but for messages that have just been counted.
///
/// # Examples
///
/// ```
/// use reactor_mail::ImapMessages;
///
/// let all = ImapMessages::uids("1:*");
/// let some = ImapMessages::uids("4,7:9");
/// let one = ImapMessages::uids(17_u32);
/// let last = ImapMessages::numbers("*");
/// # let _ = (all, some, one, last);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImapMessages {
    /// `None` if it is no set: the command fails then.
    set: Option<SequenceSet>,
    pub(super) is_uid: bool,
}

impl ImapMessages {
    /// The messages of these unique identifiers. If they are no set, such as `""` or `0`, the
    /// command fails with [`ImapError::InvalidArgument`].
    pub fn uids(set: impl TryInto<SequenceSet>) -> Self {
        let (set, is_uid) = (set.try_into().ok(), true);
        Self { set, is_uid }
    }

    /// The messages of these numbers, of which the first in the mailbox is 1.
    pub fn numbers(set: impl TryInto<SequenceSet>) -> Self {
        let (set, is_uid) = (set.try_into().ok(), false);
        Self { set, is_uid }
    }

    pub(super) fn set(self) -> Result<SequenceSet, ImapError> {
        let what = "the set of messages";
        self.set.ok_or(ImapError::InvalidArgument { what })
    }
}
