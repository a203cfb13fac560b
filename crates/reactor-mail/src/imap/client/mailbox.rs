//! `ImapMailbox` and `ImapListed`: a server's data about mailboxes.

use std::num::NonZeroU32;

use imap_types::core::QuotedChar;
use imap_types::flag::{Flag, FlagNameAttribute, FlagPerm};
use imap_types::mailbox::Mailbox;
use imap_types::response::{Code, Data};

use super::super::mailbox_name;

/// The state of a mailbox when it was selected.
///
/// # Examples
///
/// ```
/// use deferred::Deferred;
/// use reactor_mail::ImapClient;
///
/// fn count(client: &ImapClient) -> Deferred<u32> {
///     client.examine("INBOX").map_ok(|inbox| inbox.exists)
/// }
/// # let _ = count;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImapMailbox {
    /// Number of messages.
    pub exists: u32,
    /// Number of messages that are new to this session (`\Recent`).
    pub recent: u32,
    /// The flags that messages can have.
    pub flags: Vec<Flag<'static>>,
    /// The flags that the client can change permanently.
    pub permanent_flags: Vec<FlagPerm<'static>>,
    /// If this differs from an earlier value, the unique identifiers from that time are invalid.
    pub uid_validity: Option<NonZeroU32>,
    /// The identifier that the next message will have.
    pub uid_next: Option<NonZeroU32>,
    /// The number of the first message that is not seen.
    pub first_unseen: Option<NonZeroU32>,
    /// The mailbox cannot be changed in this session.
    pub is_read_only: bool,
}

impl ImapMailbox {
    /// Keeps `data` if it describes the mailbox; returns it otherwise.
    pub(super) fn take(&mut self, data: Data<'static>) -> Option<Data<'static>> {
        match data {
            Data::Exists(count) => self.exists = count,
            Data::Recent(count) => self.recent = count,
            Data::Flags(flags) => self.flags = flags,
            other => return Some(other),
        }
        None
    }

    /// Keeps the value of `code` if it describes the mailbox; returns whether it does.
    pub(super) fn take_code(&mut self, code: &Code<'static>) -> bool {
        match code {
            Code::PermanentFlags(flags) => self.permanent_flags = flags.clone(),
            Code::UidValidity(validity) => self.uid_validity = Some(*validity),
            Code::UidNext(next) => self.uid_next = Some(*next),
            Code::Unseen(number) => self.first_unseen = Some(*number),
            Code::ReadOnly => self.is_read_only = true,
            Code::ReadWrite => self.is_read_only = false,
            _ => return false,
        }
        true
    }
}

/// A mailbox in a list.
///
/// # Examples
///
/// ```
/// use deferred::Deferred;
/// use reactor_mail::ImapClient;
///
/// fn names(client: &ImapClient) -> Deferred<Vec<String>> {
///     let list = client.list("", "*");
///     list.map_ok(|list| list.into_iter().map(|mailbox| mailbox.name).collect())
/// }
/// # let _ = names;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImapListed {
    /// The decoded name.
    pub name: String,
    /// The character between the levels of a name; `None` if there are no levels.
    pub delimiter: Option<char>,
    /// Attributes such as `\Noselect`.
    pub attributes: Vec<FlagNameAttribute<'static>>,
}

impl ImapListed {
    pub(super) fn new(
        attributes: Vec<FlagNameAttribute<'static>>,
        delimiter: Option<QuotedChar>,
        mailbox: &Mailbox<'_>,
    ) -> Self {
        let name = match mailbox {
            Mailbox::Inbox => "INBOX".to_owned(),
            Mailbox::Other(name) => {
                let name = String::from_utf8_lossy(name.inner().as_ref());
                // A name that cannot be decoded is kept as the server has sent it.
                mailbox_name::decode(&name).unwrap_or_else(|| name.into_owned())
            }
        };
        Self {
            name,
            delimiter: delimiter.map(|delimiter| delimiter.inner()),
            attributes,
        }
    }
}
