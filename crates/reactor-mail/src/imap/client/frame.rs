//! `ImapResponseFrame`: a response of an IMAP server, or a piece of one.

use imap_types::response::{Greeting, Response};

use super::message::ImapMessage;

/// A part of the input from an IMAP server, as [`ImapResponseFraming`](crate::ImapResponseFraming)
/// finds it.
///
/// # Examples
///
/// ```
/// use reactor::{Decoded, Framing};
/// use reactor_mail::{ImapResponseFrame, ImapResponseFraming};
///
/// let mut framing = ImapResponseFraming::default();
/// let decoded = framing.decode(b"* OK ready\r\n").unwrap();
/// assert!(matches!(decoded, Decoded::Frame { frame: ImapResponseFrame::Greeting(_), .. }));
/// let decoded = framing.decode(b"* 23 EXISTS\r\n").unwrap();
/// assert!(matches!(decoded, Decoded::Frame { frame: ImapResponseFrame::Response(_), .. }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImapResponseFrame<'a> {
    /// The greeting: the first line of a connection.
    Greeting(Box<Greeting<'static>>),
    /// A response with its literals. It is never a `FETCH`, which is a `Message`, and never a
    /// continuation request.
    Response(Box<Response<'static>>),
    /// A continuation request (`+`): the server waits for the rest of a command.
    Continuation,
    /// A `FETCH` response, without the bodies that were streamed.
    Message(ImapMessage),
    /// A body that is streamed begins; if it has any bytes, they follow as `BodyData`.
    Body {
        /// The items of the response so far. The last one is the item whose body follows; its own
        /// data is empty.
        message: ImapMessage,
        /// Number of bytes of the body.
        length: u32,
    },
    /// A piece of the body that has begun.
    BodyData {
        /// The bytes; at least one.
        data: &'a [u8],
        /// Number of bytes of the body that follow this piece.
        remaining: u32,
    },
    /// A response that cannot be decoded: neither IMAP4rev1 nor a known extension defines it, or it is
    /// malformed.
    Unknown {
        /// Its first 200 bytes at most.
        beginning: Vec<u8>,
    },
}
