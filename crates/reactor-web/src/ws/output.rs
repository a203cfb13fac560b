//! Output of a [`WebSocket`]: frames, gathered while a handler runs.

use std::cell::RefCell;

use tungstenite::protocol::frame::coding::OpCode;

use super::close::{CloseCode, WebSocketGone};
use super::deflate;
use super::frame;
use super::handle::{State, WebSocket};
use super::message::Message;

/// Most bytes of output that wait for the end of a handler, as in `Io`.
const GATHERED: usize = 16 * 1024;

/// Largest capacity with which the buffer of that output is kept.
const KEPT: usize = 4 * 1024;

/// Largest capacity with which `ENCODED` is kept: more than `KEPT`, since there is one for each
/// thread, and not one for each `WebSocket`.
const ENCODED_KEPT: usize = 16 * 1024;

/// Most bytes of the reason of a close.
// The payload of a control frame, without the code.
const REASON: usize = frame::CONTROL - 2;

thread_local! {
    /// Buffer for the frame that is being encoded.
    // One for each thread is enough: a frame is written at once, or copied.
    static ENCODED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl WebSocket {
    /// Sends a message, compressed if that makes it smaller.
    pub(super) fn send_message(&self, message: Message<'_>) -> Result<(), WebSocketGone> {
        let payload = message.as_bytes();
        let opcode = opcode(message);
        if self.0.is_deflating
            && let Some(small) = deflate::smaller(payload)
        {
            return self.send_frame(opcode, true, &small);
        }
        self.send_frame(opcode, false, payload)
    }

    pub(super) fn send_frame(
        &self,
        opcode: OpCode,
        is_compressed: bool,
        payload: &[u8],
    ) -> Result<(), WebSocketGone> {
        if self.0.state.get() != State::Open {
            return Err(WebSocketGone);
        }
        self.put(opcode, is_compressed, payload)
    }

    /// Sends a frame that is encoded already, without a mask: only for a server.
    pub(super) fn send_encoded(&self, frame: &[u8]) -> Result<(), WebSocketGone> {
        if self.0.state.get() != State::Open {
            return Err(WebSocketGone);
        }
        if self.0.is_handling.get() {
            let mut output = self.0.output.borrow_mut();
            if output.len() + frame.len() <= GATHERED {
                output.extend_from_slice(frame);
                return Ok(());
            }
        }
        self.write(frame)
    }

    /// Sends a close frame, without a check of the state.
    pub(super) fn send_close(&self, code: CloseCode, reason: &str) {
        let code = if code.may_be_sent() {
            code
        } else {
            CloseCode::NORMAL
        };
        // The reason has to be UTF-8 (RFC 6455, 5.5.1), so no character is cut.
        let reason = &reason[..reason.floor_char_boundary(REASON)];
        let payload = [&code.0.to_be_bytes()[..], reason.as_bytes()].concat();
        // Errs if the connection is over: then nothing needs to be closed.
        let _ = self.put(frame::CLOSE, false, &payload);
    }

    /// Sends a frame, without a check of the state.
    pub(super) fn put(
        &self,
        opcode: OpCode,
        is_compressed: bool,
        payload: &[u8],
    ) -> Result<(), WebSocketGone> {
        let role = self.0.role;
        if self.0.is_handling.get() {
            let mut output = self.0.output.borrow_mut();
            if output.len() + payload.len() <= GATHERED {
                frame::encode(&mut output, role, opcode, is_compressed, payload);
                return Ok(());
            }
        }
        // Taken out, so that nothing is borrowed during the write: a filter below may itself send a
        // frame.
        let mut frame = ENCODED.take();
        frame::encode(&mut frame, role, opcode, is_compressed, payload);
        let result = self.write(&frame);
        if frame.capacity() <= ENCODED_KEPT {
            frame.clear();
            // Replaces the buffer of a frame that was sent since, whose memory is dropped.
            ENCODED.set(frame);
        }
        result
    }

    fn write(&self, frame: &[u8]) -> Result<(), WebSocketGone> {
        let gathered = self.0.output.take();
        let link = self.link()?;
        let written = if gathered.is_empty() {
            link.write(&[frame])
        } else {
            link.write(&[&gathered[..], frame])
        };
        written.map_err(|_gone| WebSocketGone)
    }

    /// Calls `send` with the output that was gathered while a handler ran.
    pub(super) fn flush(&self, send: impl FnOnce(&[u8])) {
        let mut output = self.0.output.take();
        if output.is_empty() {
            return;
        }
        send(&output);
        // The buffer is kept for the next handler, unless `send` itself has caused output.
        output.clear();
        let mut place = self.0.output.borrow_mut();
        if place.is_empty() && output.capacity() <= KEPT {
            *place = output;
        }
    }
}

pub(super) fn opcode(message: Message<'_>) -> OpCode {
    match message {
        Message::Text(_) => frame::TEXT,
        Message::Binary(_) => frame::BINARY,
    }
}
