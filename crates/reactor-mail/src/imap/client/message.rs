//! `ImapMessage`: a server's data about one message.

use std::num::NonZeroU32;

use imap_types::envelope::Envelope;
use imap_types::fetch::MessageDataItem;
use imap_types::flag::FlagFetch;

/// The data of a `FETCH` response about a message: the items that were asked for, or flags that have
/// changed.
///
/// # Examples
///
/// ```
/// use reactor::{Decoded, Framing};
/// use reactor_mail::{ImapResponseFrame, ImapResponseFraming};
///
/// let mut framing = ImapResponseFraming::default();
/// framing.decode(b"* OK ready\r\n").unwrap();
/// let response = b"* 3 FETCH (UID 17 BODY[TEXT] \"Hello\" FLAGS (\\Seen))\r\n";
/// let Ok(Decoded::Frame { frame: ImapResponseFrame::Message(message), .. }) =
///     framing.decode(response)
/// else {
///     panic!()
/// };
/// assert_eq!(message.number.get(), 3);
/// assert_eq!(message.uid().map(u32::from), Some(17));
/// assert_eq!(message.body(), Some(&b"Hello"[..]));
/// assert_eq!(message.flags().unwrap().len(), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImapMessage {
    /// Its number in the mailbox, from 1. It changes when a message before it is expunged.
    pub number: NonZeroU32,
    /// The items, in the order in which they came.
    pub items: Vec<MessageDataItem<'static>>,
}

impl ImapMessage {
    fn find<'a, T>(&'a self, f: impl Fn(&'a MessageDataItem<'static>) -> Option<T>) -> Option<T> {
        self.items.iter().find_map(f)
    }

    /// The unique identifier, if the server has sent it.
    pub fn uid(&self) -> Option<NonZeroU32> {
        self.find(|item| match item {
            MessageDataItem::Uid(uid) => Some(*uid),
            _ => None,
        })
    }

    /// The flags, if they were asked for or have changed.
    pub fn flags(&self) -> Option<&[FlagFetch<'static>]> {
        self.find(|item| match item {
            MessageDataItem::Flags(flags) => Some(&flags[..]),
            _ => None,
        })
    }

    /// The size of the whole message in bytes, if it was asked for.
    pub fn size(&self) -> Option<u32> {
        self.find(|item| match item {
            MessageDataItem::Rfc822Size(size) => Some(*size),
            _ => None,
        })
    }

    /// The most important headers, if they were asked for.
    pub fn envelope(&self) -> Option<&Envelope<'static>> {
        self.find(|item| match item {
            MessageDataItem::Envelope(envelope) => Some(envelope),
            _ => None,
        })
    }

    /// The first body, or section of one, in the response.
    pub fn body(&self) -> Option<&[u8]> {
        self.find(body)
    }
}

/// The body in `item`, if it is one.
pub(super) fn body<'a>(item: &'a MessageDataItem<'_>) -> Option<&'a [u8]> {
    match item {
        MessageDataItem::BodyExt { data, .. }
        | MessageDataItem::Rfc822(data)
        | MessageDataItem::Rfc822Header(data)
        | MessageDataItem::Rfc822Text(data) => data.0.as_ref().map(AsRef::as_ref),
        _ => None,
    }
}
