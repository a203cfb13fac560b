//! `ImapResponseFraming`: cuts the bytes of an IMAP server into responses.

use std::mem;

use deferred::{Failure, Result};
use imap_codec::decode::Decoder;
use imap_codec::{GreetingCodec, ResponseCodec};
use imap_types::response::{Data, Response};
use memchr::memchr;
use reactor::{Decoded, Framing};

use super::frame::ImapResponseFrame;
use super::framing_error::ImapResponseError;
use super::message::{ImapMessage, body};

/// Most bytes of a response, without the bodies that are streamed: a search that finds a million
/// messages takes 7 MB.
pub(super) const MAX_RESPONSE: usize = 8 * 1024 * 1024;
/// A buffer that has grown beyond this is freed after its response.
const MAX_KEPT: usize = 64 * 1024;
/// A literal is streamed only if at most this many bytes precede it in its response, without the
/// bodies that were streamed. These bytes are decoded an additional time.
const MAX_BEFORE_BODY: usize = 64 * 1024;
/// Most bodies of one response that are streamed, for the same reason.
const MAX_BODIES: usize = 256;
/// Most bytes of an unknown response that its frame contains.
const MAX_SHOWN: usize = 200;

/// Cuts the bytes of an IMAP server into [`ImapResponseFrame`]s: a response with all its literals
/// is one frame.
///
/// - The memory for a literal grows with the bytes that arrive, not with the announced length.
/// - After [`stream_bodies`](Self::stream_bodies), bodies of messages are frames of their own,
///   piece by piece, so that a message need not fit in memory.
/// - A brace at the end of a text, as in `* OK quota {90}`, does not announce a literal, because a
///   status response has none.
/// - A response that cannot be decoded is a frame, too: [`ImapResponseFrame::Unknown`]. The next
///   response begins behind it.
///
/// Except for the pieces of streamed bodies, the frames do not depend on how the bytes are split into
/// reads.
///
/// # Errors
///
/// [`ImapResponseError`].
///
/// # Examples
///
/// ```
/// use reactor::{Decoded, Framing};
/// use reactor_mail::{ImapResponseFrame, ImapResponseFraming};
///
/// let mut framing = ImapResponseFraming::default();
/// framing.stream_bodies(true);
/// let mut input = &b"* OK hi\r\n* 7 FETCH (UID 9 BODY[] {5}\r\nHello FLAGS ())\r\n"[..];
/// let mut frames = Vec::new();
/// while let Ok(Decoded::Frame { frame, consumed }) = framing.decode(input) {
///     frames.push(frame);
///     input = &input[consumed..];
/// }
/// assert!(matches!(&frames[1], ImapResponseFrame::Body { length: 5, message }
///     if message.number.get() == 7 && message.uid().is_some()));
/// assert_eq!(frames[2], ImapResponseFrame::BodyData { data: b"Hello", remaining: 0 });
/// assert!(matches!(&frames[3], ImapResponseFrame::Message(message) if message.items.len() == 2));
/// ```
#[derive(Clone, Debug)]
pub struct ImapResponseFraming {
    max_response: usize,
    streams_bodies: bool,
    is_greeted: bool,
    /// The response so far. Bodies that are streamed are empty literals in it.
    response: Vec<u8>,
    /// The response is data, which may have literals, and not a status response: a brace at the end
    /// of its text announces no literal. Set by the first line of each response.
    may_have_literals: bool,
    /// Indices of the items whose bodies are streamed.
    streamed: Vec<usize>,
    next: Next,
    /// Bytes of the last whole response, without bodies that were streamed.
    last_length: usize,
}

/// The part of a response that the next bytes belong to.
#[derive(Clone, Copy, Debug)]
enum Next {
    /// A line. `response` has the part of it that has come, from `start` on; before `start` stand
    /// the lines and literals that precede it in the response.
    Line { start: usize },
    /// A literal that is collected in `response`.
    Literal { left: u32 },
    /// A body that is streamed.
    Body { left: u32 },
}

impl Default for ImapResponseFraming {
    fn default() -> Self {
        Self::with_max_response(MAX_RESPONSE)
    }
}

impl ImapResponseFraming {
    /// A framing with another limit on a response with its literals, in bytes. The default is 8 MiB.
    /// Bodies that are streamed do not count.
    pub fn with_max_response(bytes: usize) -> Self {
        Self {
            max_response: bytes,
            streams_bodies: false,
            is_greeted: false,
            response: Vec::new(),
            may_have_literals: false,
            streamed: Vec::new(),
            next: Next::Line { start: 0 },
            last_length: 0,
        }
    }

    /// Takes the next line as a response: for a connection on which the greeting has been received.
    #[must_use]
    pub fn after_greeting(mut self) -> Self {
        self.is_greeted = true;
        self
    }

    /// Sets whether bodies are streamed, from the next literal on.
    pub fn stream_bodies(&mut self, streams: bool) {
        self.streams_bodies = streams;
    }

    /// Bytes of the last whole response, without bodies that were streamed.
    pub(super) fn last_length(&self) -> usize {
        self.last_length
    }

    fn line<'a>(&mut self, input: &[u8], start: usize) -> Result<Decoded<ImapResponseFrame<'a>>> {
        let found = memchr(b'\n', input);
        let consumed = found.map_or(input.len(), |at| at + 1);
        if self.response.len() + consumed > self.max_response {
            return Err(self.too_long());
        }
        // A response of one line that has arrived completely is decoded in the input, without a copy;
        // otherwise the line is appended to `response`.
        // The buffer is taken out, because `finish` borrows all of `self`. It is put back wherever the
        // response continues; after an error, the connection ends.
        let mut response = mem::take(&mut self.response);
        let line = if response.is_empty() && found.is_some() {
            &input[..consumed]
        } else {
            response.extend_from_slice(&input[..consumed]);
            &response[..]
        };
        if found.is_none() {
            self.response = response;
            return Ok(Decoded::Skip { consumed });
        }
        // The second test refuses a line that is only an LF, behind a literal that ends in a CR.
        if !line.ends_with(b"\r\n") || line.len() - start < 2 {
            return Err(Failure::new(ImapResponseError::BareLineFeed));
        }
        if start == 0 {
            self.may_have_literals = is_data(line);
        }
        // Searched only in this line's own bytes, because a literal before it may end in the same
        // characters.
        let announced = if self.may_have_literals {
            announced(&line[start..]).map_err(Failure::new)?
        } else {
            None
        };
        if let Some((length, announcement)) = announced {
            let before = line.len() - announcement;
            if self.streams_bodies
                && before <= MAX_BEFORE_BODY
                && self.streamed.len() < MAX_BODIES
                && let Some(message) = message_before(&line[..before])
            {
                if response.is_empty() {
                    response.extend_from_slice(&input[..before]);
                }
                // When the response is complete, the codec decodes it with an empty literal in place
                // of the body.
                response.truncate(before);
                response.extend_from_slice(b"{0}\r\n");
                self.streamed.push(message.items.len() - 1);
                self.next = match length {
                    0 => Next::Line {
                        start: response.len(),
                    },
                    left => Next::Body { left },
                };
                self.response = response;
                let frame = ImapResponseFrame::Body { message, length };
                return Ok(Decoded::Frame { frame, consumed });
            }
            if response.is_empty() {
                response.extend_from_slice(&input[..consumed]);
            }
            // No underflow: the test at the top of this function includes the bytes of this line.
            if length as usize > self.max_response - response.len() {
                return Err(self.too_long());
            }
            self.next = match length {
                0 => Next::Line {
                    start: response.len(),
                },
                left => Next::Literal { left },
            };
            self.response = response;
            return Ok(Decoded::Skip { consumed });
        }
        self.last_length = line.len();
        let frame = self.finish(line).map_err(Failure::new)?;
        // The buffer is kept for the next response, unless this one has made it large.
        response.clear();
        if response.capacity() <= MAX_KEPT {
            self.response = response;
        }
        self.next = Next::Line { start: 0 };
        Ok(Decoded::Frame { frame, consumed })
    }

    fn literal<'a>(&mut self, input: &[u8], left: u32) -> Decoded<ImapResponseFrame<'a>> {
        let consumed = input.len().min(left as usize);
        self.response.extend_from_slice(&input[..consumed]);
        self.next = match left - consumed as u32 {
            0 => Next::Line {
                start: self.response.len(),
            },
            left => Next::Literal { left },
        };
        Decoded::Skip { consumed }
    }

    fn body<'a>(&mut self, input: &'a [u8], left: u32) -> Decoded<ImapResponseFrame<'a>> {
        let consumed = input.len().min(left as usize);
        let remaining = left - consumed as u32;
        self.next = match remaining {
            0 => Next::Line {
                start: self.response.len(),
            },
            left => Next::Body { left },
        };
        let data = &input[..consumed];
        let frame = ImapResponseFrame::BodyData { data, remaining };
        Decoded::Frame { frame, consumed }
    }

    /// The frame of a response that has arrived completely.
    fn finish(
        &mut self,
        response: &[u8],
    ) -> std::result::Result<ImapResponseFrame<'static>, ImapResponseError> {
        // Taken first, so that a response that cannot be decoded leaves no indices for the next one.
        let streamed = mem::take(&mut self.streamed);
        if !self.is_greeted {
            let replaced = with_ascii_text(response);
            let greeting = GreetingCodec::default().decode_static(&replaced);
            let (_, greeting) = greeting.map_err(|_| ImapResponseError::NoGreeting)?;
            self.is_greeted = true;
            return Ok(ImapResponseFrame::Greeting(Box::new(greeting)));
        }
        // The text of a continuation request is not decoded, because it is not used, and servers send
        // texts there that are not valid.
        if response.starts_with(b"+") {
            return Ok(ImapResponseFrame::Continuation);
        }
        let replaced;
        let mut decoded = ResponseCodec::default().decode_static(response);
        // Only for status responses: in data, a replaced byte would change a name or a text.
        if decoded.is_err() && !self.may_have_literals && !response.is_ascii() {
            replaced = with_ascii_text(response);
            decoded = ResponseCodec::default().decode_static(&replaced);
        }
        Ok(match decoded {
            Ok(([], Response::Data(Data::Fetch { seq, items }))) => {
                let items = items.into_inner().into_iter().enumerate();
                let items = items.filter(|(index, _)| !streamed.contains(index));
                ImapResponseFrame::Message(ImapMessage {
                    number: seq,
                    items: items.map(|(_, item)| item).collect(),
                })
            }
            Ok(([], response)) => ImapResponseFrame::Response(Box::new(response)),
            _ => ImapResponseFrame::Unknown {
                beginning: response[..response.len().min(MAX_SHOWN)].to_vec(),
            },
        })
    }

    fn too_long(&self) -> Failure {
        Failure::new(ImapResponseError::TooLong {
            limit: self.max_response,
        })
    }
}

impl Framing for ImapResponseFraming {
    type Frame<'a> = ImapResponseFrame<'a>;

    fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Decoded<ImapResponseFrame<'a>>> {
        if input.is_empty() {
            return Ok(Decoded::Incomplete);
        }
        match self.next {
            Next::Line { start } => self.line(input, start),
            Next::Literal { left } => Ok(self.literal(input, left)),
            Next::Body { left } => Ok(self.body(input, left)),
        }
    }
}

/// Whether the response that begins with `line` is data, which may have literals. A status response
/// (`OK`, `NO`, `BAD`, `BYE`, `PREAUTH`) ends with a text, in which a brace announces nothing.
fn is_data(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"* ") else {
        return false;
    };
    let end = rest.iter().position(|byte| !byte.is_ascii_alphabetic());
    let word = &rest[..end.unwrap_or(rest.len())];
    let texts = [&b"OK"[..], b"NO", b"BAD", b"BYE", b"PREAUTH"];
    !texts.iter().any(|text| word.eq_ignore_ascii_case(text))
}

/// The length of the literal that `line` announces at its end, and the bytes of the announcement.
pub(super) fn announced(
    line: &[u8],
) -> std::result::Result<Option<(u32, usize)>, ImapResponseError> {
    let Some(text) = line.strip_suffix(b"}\r\n") else {
        return Ok(None);
    };
    let text = text.strip_suffix(b"+").unwrap_or(text);
    let digits = text.iter().rev().take_while(|byte| byte.is_ascii_digit());
    let (before, digits) = text.split_at(text.len() - digits.count());
    if digits.is_empty() || !before.ends_with(b"{") {
        return Ok(None);
    }
    let length = std::str::from_utf8(digits).ok();
    let length = length.and_then(|digits| digits.parse().ok());
    let length = length.ok_or(ImapResponseError::LiteralTooLarge)?;
    Ok(Some((length, line.len() - before.len() + 1)))
}

/// The message of the FETCH response that begins with `before`, if the literal after it is a body.
/// `None` if it is another string, such as the subject in an envelope. To find out, the codec
/// decodes the response as if it ended after an empty literal.
fn message_before(before: &[u8]) -> Option<ImapMessage> {
    let response = [before, b"{0}\r\n)\r\n"].concat();
    match ResponseCodec::default().decode_static(&response) {
        Ok(([], Response::Data(Data::Fetch { seq, items }))) => {
            let items = items.into_inner();
            items.last().and_then(body)?;
            Some(ImapMessage { number: seq, items })
        }
        _ => None,
    }
}

/// `response` with a question mark for each byte that is not ASCII. IMAP4rev1 does not allow such
/// bytes in texts, but some servers send them.
fn with_ascii_text(response: &[u8]) -> Vec<u8> {
    let to_ascii = |byte: &u8| if byte.is_ascii() { *byte } else { b'?' };
    response.iter().map(to_ascii).collect()
}
