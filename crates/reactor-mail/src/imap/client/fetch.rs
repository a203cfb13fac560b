//! `FetchHandler`: gets messages while they are received.

use std::vec;

use deferred::{Deferred, Outcome, maybe_deferred, succeed};
use imap_types::fetch::MessageDataItem;

use super::message::ImapMessage;

/// Gets messages, and their bodies piece by piece, from
/// [`ImapClient::fetch_streamed`](crate::ImapClient::fetch_streamed).
///
/// Nothing more is read from the server until the Deferred of a method has fired. So a message need
/// not fit in memory, and if the disk is slow, the server has to wait. If a Deferred fails, the fetch
/// fails with its failure, and the remaining responses are discarded.
///
/// # Examples
///
/// Writes the bodies of messages into files:
///
/// ```
/// use std::fs::File;
/// use std::io::Write;
///
/// use deferred::{Deferred, maybe_deferred};
/// use reactor_mail::imap_types::fetch::MessageDataItemName;
/// use reactor_mail::{FetchHandler, ImapClient, ImapMessage, ImapMessages};
///
/// #[derive(Default)]
/// struct Files(Option<File>);
///
/// impl FetchHandler for Files {
///     fn body(&mut self, message: &ImapMessage, _length: u32) -> Deferred<()> {
///         maybe_deferred(|| Ok(self.0 = Some(File::create(format!("{}.eml", message.number))?)))
///     }
///
///     fn data(&mut self, data: &[u8]) -> Deferred<()> {
///         maybe_deferred(|| Ok(self.0.as_ref().map_or(Ok(()), |mut file| file.write_all(data))?))
///     }
/// }
///
/// fn download(client: &ImapClient) -> Deferred<()> {
///     let body = MessageDataItemName::BodyExt { section: None, partial: None, peek: true };
///     client.fetch_streamed(ImapMessages::uids("1:*"), vec![body], Files::default())
/// }
/// # let _ = download;
/// ```
pub trait FetchHandler: 'static {
    /// A body of `length` bytes begins, or a section of one. `message` has the items that came before
    /// it and, as its last item, the one whose body follows.
    fn body(&mut self, message: &ImapMessage, length: u32) -> Deferred<()>;

    /// The next piece of the body that has begun; at least one byte.
    fn data(&mut self, data: &[u8]) -> Deferred<()>;

    /// All items of a message have arrived. `message` has those that are not bodies.
    fn message(&mut self, message: ImapMessage) -> Deferred<()> {
        let _ = message;
        succeed(())
    }
}

/// A handler that calls a function with each whole message.
pub(super) struct Each<F>(pub(super) F);

impl<F, O> FetchHandler for Each<F>
where
    F: FnMut(ImapMessage) -> O + 'static,
    O: Outcome<Value = ()>,
{
    fn body(&mut self, _: &ImapMessage, _: u32) -> Deferred<()> {
        succeed(())
    }

    fn data(&mut self, _: &[u8]) -> Deferred<()> {
        succeed(())
    }

    fn message(&mut self, message: ImapMessage) -> Deferred<()> {
        maybe_deferred(|| (self.0)(message))
    }
}

/// A message that is being passed to a `FetchHandler`, in one call after the other.
pub(super) struct Handing {
    /// The message with the items passed so far that are not bodies.
    pub(super) message: ImapMessage,
    /// The items that are not passed yet.
    pub(super) items: vec::IntoIter<MessageDataItem<'static>>,
    /// The body for which `FetchHandler::body` was called, but not `data` yet.
    pub(super) data: Option<Vec<u8>>,
}
