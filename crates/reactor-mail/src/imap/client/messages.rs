//! `ImapMessages`: the set of messages that a command names.

use imap_types::sequence::SequenceSet;

use super::error::ImapError;

/// The set of messages that a command names, by their unique identifiers or by their numbers.
///
/// The number of a message changes when a message before it is expunged, so prefer identifiers, except
/// for messages whose number the server has just sent.
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
    /// `None` if the caller's value is not a valid set: then the command fails.
    set: Option<SequenceSet>,
    pub(super) is_uid: bool,
}

impl ImapMessages {
    /// The messages with these unique identifiers. If `set` is not a valid set, such as `""` or `0`,
    /// the command fails with [`ImapError::InvalidArgument`].
    pub fn uids(set: impl TryInto<SequenceSet>) -> Self {
        let (set, is_uid) = (set.try_into().ok(), true);
        Self { set, is_uid }
    }

    /// The messages with these numbers; the first message of the mailbox has 1. An invalid `set` makes
    /// the command fail, as for [`uids`](Self::uids).
    pub fn numbers(set: impl TryInto<SequenceSet>) -> Self {
        let (set, is_uid) = (set.try_into().ok(), false);
        Self { set, is_uid }
    }

    pub(super) fn set(self) -> Result<SequenceSet, ImapError> {
        let what = "the set of messages";
        self.set.ok_or(ImapError::InvalidArgument { what })
    }
}
