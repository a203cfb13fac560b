//! `Collected`: the untagged responses that a command has asked for.

use std::num::NonZeroU32;

use imap_types::fetch::{MessageDataItem, MessageDataItemName};
use imap_types::response::{Capability, Code, Data};
use imap_types::status::StatusDataItem;

use super::fetch::FetchHandler;
use super::mailbox::{ImapListed, ImapMailbox};
use super::message::ImapMessage;

/// The untagged responses that a command has asked for. All others are events.
pub(super) enum Collected {
    Nothing,
    /// What became of messages that were copied, if it comes before the answer.
    Code(Option<Code<'static>>),
    Capabilities(Vec<String>),
    List(Vec<ImapListed>),
    Status(Vec<StatusDataItem>),
    Mailbox(Box<ImapMailbox>),
    Search(Vec<NonZeroU32>),
    /// The messages of FETCH and STORE.
    Messages {
        /// The items that were asked for.
        names: Vec<MessageDataItemName<'static>>,
        messages: Vec<ImapMessage>,
    },
    /// As `Messages`, but they are handed on.
    Handed {
        names: Vec<MessageDataItemName<'static>>,
        handler: Box<dyn FetchHandler>,
        /// Bodies are handed on piece by piece.
        streams: bool,
    },
}

/// The kinds of `Collected`. Two commands that collect the same kind are not sent at the same
/// time, because it would not be known which of them a response is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Nothing,
    Capabilities,
    List,
    Status,
    Mailbox,
    Search,
    Messages,
}

impl Collected {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Nothing | Self::Code(_) => Kind::Nothing,
            Self::Capabilities(_) => Kind::Capabilities,
            Self::List(_) => Kind::List,
            Self::Status(_) => Kind::Status,
            Self::Mailbox(_) => Kind::Mailbox,
            Self::Search(_) => Kind::Search,
            Self::Messages { .. } | Self::Handed { .. } => Kind::Messages,
        }
    }

    /// Takes data that was asked for; gives back other data.
    pub(super) fn take(&mut self, data: Data<'static>) -> Option<Data<'static>> {
        match (self, data) {
            (Self::Capabilities(taken), Data::Capability(capabilities)) => {
                *taken = names_of(capabilities.as_ref());
            }
            (
                Self::List(list),
                Data::List {
                    items,
                    delimiter,
                    mailbox,
                }
                | Data::Lsub {
                    items,
                    delimiter,
                    mailbox,
                },
            ) => list.push(ImapListed::new(items, delimiter, &mailbox)),
            (Self::Status(status), Data::Status { items, .. }) => {
                status.extend(items.into_owned());
            }
            (Self::Search(found), Data::Search(numbers)) => found.extend(numbers),
            (Self::Mailbox(mailbox), data) => return mailbox.take(data),
            (_, data) => return Some(data),
        }
        None
    }

    /// Whether `message` was asked for, rather than sent because its flags have changed.
    pub(super) fn asked_for(&self, message: &ImapMessage) -> bool {
        let (Self::Messages { names, .. } | Self::Handed { names, .. }) = self else {
            return false;
        };
        let is_change = |item: &MessageDataItem<'_>| {
            matches!(item, MessageDataItem::Flags(_) | MessageDataItem::Uid(_))
        };
        let is_wanted = |name: &MessageDataItemName<'_>| {
            matches!(name, MessageDataItemName::Flags | MessageDataItemName::Uid)
        };
        !message.items.iter().all(is_change) || names.iter().all(is_wanted)
    }
}

/// The names of `capabilities`, as they are written.
pub(super) fn names_of(capabilities: &[Capability<'_>]) -> Vec<String> {
    let name = |capability: &Capability<'_>| capability.to_string().to_ascii_uppercase();
    capabilities.iter().map(name).collect()
}
