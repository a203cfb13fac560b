//! `ImapResponseFrame`: a response of an IMAP server, or a piece of one.

use imap_types::response::{Greeting, Response};

use super::message::ImapMessage;

/// What an IMAP server sent, as [`ImapResponseFraming`](crate::ImapResponseFraming) finds it.
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
    /// The first line.
    Greeting(Box<Greeting<'static>>),
    /// A response with its literals. It is never a `FETCH`, which is a `Message`, and never a
    /// continuation request.
    Response(Box<Response<'static>>),
    /// The server waits for the rest of a command.
    Continuation,
    /// A `FETCH` response, without the bodies that were streamed.
    Message(ImapMessage),
    /// A body that is streamed begins; if it has any bytes, they follow as `BodyData`.
    Body {
        /// What the response has had before. The last item is the one whose body follows; its own
        /// data is empty.
        message: ImapMessage,
        /// The bytes of the body.
        length: u32,
    },
    /// A piece of the body that has begun.
    BodyData {
        /// At least one byte.
        data: &'a [u8],
        /// How many bytes of the body follow.
        remaining: u32,
    },
    /// A response that neither IMAP4rev1 nor a known extension defines.
    Unknown {
        /// Its first 200 bytes at most.
        beginning: Vec<u8>,
    },
}
