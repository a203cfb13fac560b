//! `Assembly`: puts messages together from frames, by the rules of RFC 6455 (§5.4 to §5.6).

use std::str;

use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::close::{CloseCode, CloseEvent, Violation};
use super::deflate;
use super::frame::{CONTROL, Head, Piece, mask};
use super::options::WebSocketOptions;

/// Largest capacity of a buffer that is kept between messages.
const KEPT: usize = 4 * 1024;

/// Puts the frames of one connection together to messages.
pub(super) struct Assembly {
    max_message: usize,
    max_fragments: usize,
    /// The message that is coming. `None` between messages.
    // Set by the first frame, cleared by the end of the last one.
    message: Option<Kind>,
    /// The payload of the message so far.
    buffer: Vec<u8>,
    /// Number of bytes of `buffer` that are known to be UTF-8.
    // Ends after a whole character. The check of the next piece begins there.
    checked: usize,
    /// Number of frames of the message so far.
    // Limited, since empty frames cost time, but do not count towards `max_message`.
    fragments: usize,
    /// Whether the frame that is coming is the last one of its message.
    is_final: bool,
    /// A message, decompressed.
    inflated: Vec<u8>,
    /// The payload of the last control frame.
    // A buffer of its own: a control frame may come between the fragments of a message (RFC 6455,
    // 5.4).
    control: [u8; CONTROL],
}

#[derive(Clone, Copy)]
struct Kind {
    is_text: bool,
    is_compressed: bool,
}

/// A complete message or control frame.
pub(super) enum Event<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    /// The peer closes.
    Close(CloseEvent),
}

impl Assembly {
    pub(super) fn new(options: &WebSocketOptions) -> Self {
        Self {
            max_message: options.max_message,
            max_fragments: options.max_fragments,
            message: None,
            buffer: Vec::new(),
            checked: 0,
            fragments: 0,
            is_final: false,
            inflated: Vec::new(),
            control: [0; CONTROL],
        }
    }

    /// Adds a piece of a frame. Returns the message or control frame that it completes, if any.
    pub(super) fn push(&mut self, piece: &Piece<'_>) -> Result<Option<Event<'_>>, Violation> {
        if let Some(head) = &piece.head {
            if let OpCode::Control(control) = head.opcode {
                return self.control(control, piece).map(Some);
            }
            self.begin_frame(head)?;
        }
        let Some(kind) = self.message else {
            return Err(Violation::protocol("there is nothing to continue"));
        };
        // Unmasked in the buffer, since the input of the connection is borrowed immutably.
        let begin = self.buffer.len();
        self.buffer.extend_from_slice(piece.payload);
        mask(&mut self.buffer[begin..], piece.mask);
        if !(piece.is_end && self.is_final) {
            // Invalid text is refused before the end of the message. Compressed text can be checked
            // only at its end.
            if kind.is_text && !kind.is_compressed {
                self.check_text()?;
            }
            return Ok(None);
        }
        // Cleared before the event is made, which borrows from the buffers. These stay until the
        // next message, or `release`.
        self.message = None;
        let payload = if kind.is_compressed {
            self.inflated.clear();
            deflate::inflate(&self.buffer, &mut self.inflated, self.max_message)?;
            &self.inflated
        } else {
            &self.buffer
        };
        if kind.is_text {
            return match str::from_utf8(payload) {
                Ok(text) => Ok(Some(Event::Text(text))),
                Err(_) => Err(Violation::data("a text is not UTF-8")),
            };
        }
        Ok(Some(Event::Binary(payload)))
    }

    fn begin_frame(&mut self, head: &Head) -> Result<(), Violation> {
        match (head.opcode, self.message) {
            (OpCode::Data(Data::Continue), Some(_)) => {}
            (OpCode::Data(Data::Continue), None) => {
                return Err(Violation::protocol("there is nothing to continue"));
            }
            (_, Some(_)) => {
                return Err(Violation::protocol("a message begins inside another"));
            }
            // Cleared here and not at the end, since the event of the last message has borrowed
            // from it.
            (opcode, None) => {
                self.buffer.clear();
                self.checked = 0;
                self.fragments = 0;
                self.message = Some(Kind {
                    is_text: opcode == OpCode::Data(Data::Text),
                    is_compressed: head.is_compressed,
                });
            }
        }
        self.is_final = head.is_final;
        self.fragments += 1;
        if self.fragments > self.max_fragments {
            return Err(Violation::too_large("a message has too many fragments"));
        }
        // Checked before the payload is received.
        if self.buffer.len() as u64 + head.length > self.max_message as u64 {
            return Err(Violation::too_large("a message is too long"));
        }
        Ok(())
    }

    /// Checks the text that has come so far, which may end within a character.
    fn check_text(&mut self) -> Result<(), Violation> {
        match str::from_utf8(&self.buffer[self.checked..]) {
            Ok(text) => self.checked += text.len(),
            // The piece ends in the middle of a character.
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
            Err(_) => return Err(Violation::data("a text is not UTF-8")),
        }
        Ok(())
    }

    /// Handles a control frame, which comes in one piece.
    fn control(&mut self, control: Control, piece: &Piece<'_>) -> Result<Event<'_>, Violation> {
        let payload = &mut self.control[..piece.payload.len()];
        payload.copy_from_slice(piece.payload);
        mask(payload, piece.mask);
        Ok(match control {
            Control::Ping => Event::Ping(payload),
            Control::Pong => Event::Pong(payload),
            Control::Close => Event::Close(close_event(payload)?),
            Control::Reserved(_) => return Err(Violation::protocol("an opcode is reserved")),
        })
    }

    /// Frees large buffers, after a message was handled.
    pub(super) fn release(&mut self) {
        for buffer in [&mut self.buffer, &mut self.inflated] {
            // If a message is still coming, only a control frame was handled, and the buffer of the
            // message stays.
            if buffer.capacity() > KEPT && self.message.is_none() {
                *buffer = Vec::new();
            }
        }
    }
}

fn close_event(payload: &[u8]) -> Result<CloseEvent, Violation> {
    match payload {
        // RFC 6455, 7.1.5.
        [] => Ok(CloseEvent::new(CloseCode::NONE, "", true)),
        [first, second, reason @ ..] => {
            let code = CloseCode(u16::from_be_bytes([*first, *second]));
            if !code.may_be_sent() {
                return Err(Violation::protocol("a close has a code that is reserved"));
            }
            match str::from_utf8(reason) {
                Ok(reason) => Ok(CloseEvent::new(code, reason, true)),
                Err(_) => Err(Violation::data("the reason of a close is not UTF-8")),
            }
        }
        [_] => Err(Violation::protocol("a close has half a code")),
    }
}
