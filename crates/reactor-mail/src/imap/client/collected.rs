//! `Collected`: the untagged responses that a command has asked for.

use std::num::NonZeroU32;

use imap_types::fetch::{MessageDataItem, MessageDataItemName};
use imap_types::response::{Capability, Code, Data};
use imap_types::status::StatusDataItem;

use super::fetch::FetchHandler;
use super::mailbox::{ImapListed, ImapMailbox};
use super::message::ImapMessage;

/// The untagged responses that a command has asked for. The session hands all other responses to
/// the user's callback, as an [`ImapEvent`](super::event::ImapEvent).
pub(super) enum Collected {
    Nothing,
    /// The code `COPYUID` of a MOVE: it comes in an untagged `OK`, before the answer (RFC 6851,
    /// section 4.3). The `COPYUID` of a COPY comes in the answer itself.
    Code(Option<Code<'static>>),
    Capabilities(Vec<String>),
    List(Vec<ImapListed>),
    Status(Vec<StatusDataItem>),
    Mailbox(Box<ImapMailbox>),
    Search(Vec<NonZeroU32>),
    /// The messages of FETCH and STORE, kept until the answer comes.
    Messages {
        /// The items that the command has named: see `asked_for`.
        names: Vec<MessageDataItemName<'static>>,
        messages: Vec<ImapMessage>,
    },
    /// As `Messages`, but each message goes to `handler` as it comes, and none is kept.
    Handed {
        names: Vec<MessageDataItemName<'static>>,
        handler: Box<dyn FetchHandler>,
        /// `handler` gets bodies piece by piece (`fetch_streamed`), not inside of their message
        /// (`fetch_each`).
        streams: bool,
    },
}

/// The kinds of `Collected`. While a command that collects a kind waits for its answer, no other
/// command of the same kind is sent, because an untagged response names no command. Any number of
/// commands of the kind `Nothing` may wait.
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
            // `Code` needs no kind of its own: MOVE is sent alone (see `Rules`), and a COPY
            // collects nothing before its answer.
            Self::Nothing | Self::Code(_) => Kind::Nothing,
            Self::Capabilities(_) => Kind::Capabilities,
            Self::List(_) => Kind::List,
            Self::Status(_) => Kind::Status,
            Self::Mailbox(_) => Kind::Mailbox,
            Self::Search(_) => Kind::Search,
            Self::Messages { .. } | Self::Handed { .. } => Kind::Messages,
        }
    }

    /// Keeps `data` if the command has asked for it; returns it otherwise. `Messages` and `Handed`
    /// keep none here, because a FETCH response has a frame of its own (`Session::message`).
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
            // The name of the mailbox is not compared: only one STATUS is sent at a time, and a server
            // may write the name differently.
            (Self::Status(status), Data::Status { items, .. }) => {
                status.extend(items.into_owned());
            }
            (Self::Search(found), Data::Search(numbers)) => found.extend(numbers),
            // EXISTS, RECENT and FLAGS are events, unless a SELECT or EXAMINE waits for its answer.
            (Self::Mailbox(mailbox), data) => return mailbox.take(data),
            (_, data) => return Some(data),
        }
        None
    }

    /// Whether `message` was asked for, rather than sent because its flags have changed.
    ///
    /// A server reports such a change as a FETCH response with `FLAGS` (and perhaps `UID`), which
    /// may come while a FETCH waits for its answer. If the command has named other items as well,
    /// a response with only these two is a report. If it has named only these two, both kinds look
    /// alike, and each counts as asked for.
    pub(super) fn asked_for(&self, message: &ImapMessage) -> bool {
        let (Self::Messages { names, .. } | Self::Handed { names, .. }) = self else {
            return false;
        };
        let is_in_report = |item: &MessageDataItem<'_>| {
            matches!(item, MessageDataItem::Flags(_) | MessageDataItem::Uid(_))
        };
        let names_report = |name: &MessageDataItemName<'_>| {
            matches!(name, MessageDataItemName::Flags | MessageDataItemName::Uid)
        };
        !message.items.iter().all(is_in_report) || names.iter().all(names_report)
    }
}

/// The names of `capabilities` in capitals, because servers may write them in any case.
pub(super) fn names_of(capabilities: &[Capability<'_>]) -> Vec<String> {
    let name = |capability: &Capability<'_>| capability.to_string().to_ascii_uppercase();
    capabilities.iter().map(name).collect()
}
