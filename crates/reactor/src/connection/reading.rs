//! Read path of a connection: from the received bytes to the frames that the protocol gets.

use deferred::{Failure, Result};

use super::any_source::{AnySource, Call};
use super::base::Base;
use super::context::Context;
use super::flags::Flags;
use super::protocol::Protocol;
use super::source::{ConnectionSource, Open};
use crate::core::READS_PER_TURN;
use crate::error::ConnectionClosed;
use crate::framing::{Decoded, Framing};
use crate::mailbox::MailboxOwner;

impl<P: Protocol> ConnectionSource<P> {
    #[inline(always)]
    pub(super) fn read(&self) {
        let mut buffer = self.transport().core().buffers.take_read();
        for _ in 0..READS_PER_TURN {
            if !self.read_once(&mut *buffer) {
                break;
            }
        }
        self.transport().core().buffers.return_read(buffer);
    }

    /// Reads once, and delivers the input. Returns whether to read again: more input may be there,
    /// and the connection is not paused or closing.
    #[inline(always)]
    fn read_once(&self, buffer: &mut [u8]) -> bool {
        match self.transport().receive(buffer) {
            Ok(None) => false,
            Ok(Some(0)) => {
                self.any().end_of_reading();
                false
            }
            Ok(Some(received)) => {
                if self.transport().flags.has_any(Flags::READ_IS_SPECIAL) {
                    self.any().read_specially();
                }
                self.decode(&buffer[..received]);
                // A short read has emptied the socket, so another read would find nothing.
                received == buffer.len() && self.transport().is_reading()
            }
            Err(error) => {
                self.transport().abort(ConnectionClosed::Lost(error));
                false
            }
        }
    }

    /// Delivers the frames in the kept input and `bytes` after it; keeps what is left.
    #[inline(always)]
    pub(super) fn decode(&self, bytes: &[u8]) {
        let mut open = self.mailbox.open.borrow_mut();
        let Some(open) = &mut *open else {
            return;
        };
        if !self.transport().flags.has_any(Flags::HAS_REST) {
            let consumed = self.deliver(open, bytes);
            if consumed < bytes.len() {
                self.base.keep(bytes[consumed..].to_vec());
            }
        } else {
            self.decode_behind_rest(open, bytes);
        }
    }

    /// Decodes the kept input again.
    pub(super) fn decode_rest(&self) {
        if let Some(open) = &mut *self.mailbox.open.borrow_mut() {
            self.decode_behind_rest(open, &[]);
        }
    }

    #[inline(never)]
    fn decode_behind_rest(&self, open: &mut Open<P>, bytes: &[u8]) {
        let mut rest = self.base.take_rest(bytes);
        let consumed = self.deliver(open, &rest);
        rest.drain(..consumed);
        self.base.keep(rest);
    }

    /// Delivers the frames in `input`, as long as frames may be delivered. Returns the number of
    /// bytes consumed.
    #[inline(always)]
    fn deliver(&self, open: &mut Open<P>, input: &[u8]) -> usize {
        let mut consumed = 0;
        let mut stall = Stall::default();
        loop {
            // Tested before each frame, because the last handler may have paused or closed the
            // connection, or written more answers than the peer takes.
            if !self.transport().takes_frames() {
                self.transport().flags.set(Flags::HAS_UNDECODED);
                return consumed;
            }
            let rest = &input[consumed..];
            if self.base.has_cold() && self.base.pump(rest) {
                return input.len();
            }
            let taken = self.guard(open, |protocol, cx| match cx.decoder().decode(rest) {
                Ok(Decoded::Incomplete) => Ok(0),
                Ok(Decoded::Frame { frame, consumed }) => {
                    if consumed == 0 || consumed > rest.len() {
                        // A frame of no bytes would be decoded again and again; a frame of more
                        // bytes than the input has would slice out of bounds.
                        return Err(Failure::new(BadFraming));
                    }
                    protocol.received(cx, frame)?;
                    Ok(consumed)
                }
                decoded => {
                    let decoded = decoded.map(without_frame);
                    deliver_specially(protocol, cx, rest, decoded, &mut stall)
                }
            });
            match taken {
                Ok(0) => {
                    // With `goes_on`, the same bytes are decoded again, because the framing may
                    // have changed.
                    if !std::mem::take(&mut stall.goes_on) {
                        return consumed;
                    }
                }
                Ok(taken) => {
                    consumed += taken;
                    stall = Stall::default();
                }
                // A failure ends the connection, so the rest is not needed.
                Err(failure) => {
                    if stall.is_bad_input {
                        self.base.input_failed(failure);
                    } else {
                        self.any().handler_failed(failure);
                    }
                    return consumed;
                }
            }
            // Jobs run before the next frame, so that a handler's `post` and `when` take effect in
            // the order of the input.
            self.run_jobs(open);
            if consumed == input.len() {
                // A frame has at least one byte, so there is no further frame.
                return consumed;
            }
        }
    }
}

impl dyn AnySource {
    /// The work after a read that few connections need (`Flags::READ_IS_SPECIAL`).
    #[cold]
    fn read_specially(&self) {
        self.transport().note_activity();
        if self.transport().carries_descriptors() {
            self.deliver_descriptors();
        }
    }

    /// Delivers the descriptors that came with the last read, until the connection closes; the
    /// others are closed.
    fn deliver_descriptors(&self) {
        let transport = self.transport();
        for descriptor in transport.take_descriptors() {
            // A handler of an earlier descriptor has closed the connection; the remaining
            // descriptors are dropped, and so closed.
            if !transport.is_open() {
                return;
            }
            self.handle(Call::Descriptor(descriptor));
        }
    }

    /// Called after sending has failed: delivers the input that has arrived, unless reading is
    /// paused, and then ends the connection.
    #[cold]
    pub(super) fn read_arrived(&self) {
        let base = self.base();
        let transport = &base.transport;
        let pump = base.cold.look(|cold| cold.pump.clone());
        let resume = || {
            // Even a pump that has paused this connection gets the last input.
            if let Some(pump) = &pump {
                pump.end_pause();
            }
        };
        resume();
        if transport.flags.has_any(Flags::HAS_UNDECODED) && transport.takes_frames() {
            self.deliver_rest();
        }
        // Reads only the bytes that have arrived before this call, so that a peer that keeps
        // sending cannot delay the end.
        let mut left = transport.arrived();
        let mut buffer = transport.core().buffers.take_read();
        while left > 0 {
            resume();
            if !transport.is_reading() {
                break;
            }
            let Ok(Some(received @ 1..)) = transport.receive_last(&mut *buffer) else {
                break;
            };
            if transport.carries_descriptors() {
                self.deliver_descriptors();
            }
            if transport.flags.has_any(Flags::FILTERED) {
                transport.filter_input(&mut buffer[..received]);
                self.settle_filters();
            } else {
                self.take_in(&buffer[..received]);
            }
            left = left.saturating_sub(received);
        }
        transport.core().buffers.return_read(buffer);
        transport.end_after_failed_write();
    }

    pub(super) fn end_of_reading(&self) {
        let base = self.base();
        if base.transport.has_write_failed() {
            // The system reports a reset once; after that, a read looks like an orderly end.
            return;
        }
        base.transport.set_read_eof();
        if base.has_cold() && base.end_pump() {
            return;
        }
        self.handle(Call::ReadClosed);
    }
}

impl Base {
    /// Takes the kept input, with `bytes` after it.
    fn take_rest(&self, bytes: &[u8]) -> Vec<u8> {
        self.transport
            .flags
            .clear(Flags::HAS_REST.union(Flags::HAS_UNDECODED));
        // Taken out of its cell, because only the protocol may be borrowed while handlers run.
        let mut rest = self.rest.take();
        rest.extend_from_slice(bytes);
        rest
    }

    /// Keeps the input that was not consumed, unless the connection is closing.
    #[cold]
    fn keep(&self, rest: Vec<u8>) {
        if !rest.is_empty() && self.transport.is_open() {
            self.rest.replace(rest);
            self.transport.flags.set(Flags::HAS_REST);
        }
    }

    /// Calls `f` with the input that has arrived and was not delivered, when the connection is
    /// lost.
    pub(super) fn take_unread(&self, f: &mut dyn FnMut(&[u8])) {
        f(&self.rest.take());
        let mut left = self.transport.arrived();
        let mut buffer = self.transport.core().buffers.take_read();
        while left > 0
            && let Ok(Some(received @ 1..)) = self.transport.receive_last(&mut *buffer)
        {
            if self.transport.flags.has_any(Flags::FILTERED) {
                self.transport.filter_input(&mut buffer[..received]);
                if let Some(delivered) = self.transport.take_delivered() {
                    f(&delivered);
                    self.transport.return_delivered(delivered);
                }
            } else {
                f(&buffer[..received]);
            }
            left = left.saturating_sub(received);
        }
        self.transport.core().buffers.return_read(buffer);
    }
}

/// Events since bytes were last consumed. Each may happen once until bytes are consumed again, so
/// that decoding does not loop forever.
#[derive(Default)]
struct Stall {
    /// Decoding continues although no bytes were consumed.
    goes_on: bool,
    /// The framing has refused the input, and `framing_failed` has returned `Ok`.
    was_refused: bool,
    /// The framing has refused the input, and that ends the connection.
    is_bad_input: bool,
    /// The protocol has taken none of the raw bytes.
    is_raw: bool,
}

/// Handles all results of `decode` except frames: skips bytes, delivers raw bytes, and calls
/// `framing_failed` for input that was refused. Returns how many bytes were consumed.
#[cold]
fn deliver_specially<P: Protocol>(
    protocol: &mut P,
    cx: &mut Context<'_, P>,
    rest: &[u8],
    decoded: Result<Decoded<()>>,
    stall: &mut Stall,
) -> Result<usize> {
    match stall.next_step(decoded, rest.len())? {
        Special::Consumed(consumed) => Ok(consumed),
        Special::Raw(length) => {
            let taken = protocol.raw_received(cx, &rest[..length])?;
            stall.raw_taken(taken, length)
        }
        Special::Refused(failure) => {
            protocol.framing_failed(cx, failure, rest)?;
            Ok(stall.refusal_handled())
        }
    }
}

/// The next step for a result of `decode` other than a frame.
enum Special {
    /// Go on after this number of bytes.
    Consumed(usize),
    /// Deliver this number of raw bytes.
    Raw(usize),
    /// Call `framing_failed`.
    Refused(Failure),
}

// Not generic over the protocol, so that it is compiled once.
impl Stall {
    fn next_step(&mut self, decoded: Result<Decoded<()>>, available: usize) -> Result<Special> {
        match decoded {
            Ok(Decoded::Skip { consumed: length } | Decoded::RawBytes { length })
                if length == 0 || length > available =>
            {
                Err(Failure::new(BadFraming))
            }
            Ok(Decoded::Skip { consumed }) => Ok(Special::Consumed(consumed)),
            // The protocol has taken none of these bytes, and waits for more.
            Ok(Decoded::RawBytes { .. }) if self.is_raw => Ok(Special::Consumed(0)),
            Ok(Decoded::RawBytes { length }) => Ok(Special::Raw(length)),
            Ok(Decoded::Incomplete | Decoded::Frame { .. }) => Ok(Special::Consumed(0)),
            Err(failure) => {
                self.is_bad_input = true;
                // A framing that refuses the same input again cannot skip it.
                if self.was_refused {
                    return Err(failure);
                }
                Ok(Special::Refused(failure))
            }
        }
    }

    /// The protocol has taken `taken` of `length` raw bytes. Returns how many bytes are consumed.
    ///
    /// # Errors
    ///
    /// [`TookTooMuch`], if `taken` is the larger number.
    fn raw_taken(&mut self, taken: usize, length: usize) -> Result<usize> {
        if taken > length {
            return Err(Failure::new(TookTooMuch { taken, length }));
        }
        self.is_raw = taken == 0;
        self.goes_on = taken == 0;
        Ok(taken)
    }

    /// `framing_failed` has returned `Ok`. Returns how many bytes are consumed: none.
    fn refusal_handled(&mut self) -> usize {
        self.is_bad_input = false;
        self.was_refused = true;
        self.goes_on = true;
        0
    }
}

/// `decoded` without its frame type, which `deliver_specially` does not need, because frames were
/// handled before.
fn without_frame<F>(decoded: Decoded<F>) -> Decoded<()> {
    match decoded {
        Decoded::Skip { consumed } => Decoded::Skip { consumed },
        Decoded::RawBytes { length } => Decoded::RawBytes { length },
        Decoded::Frame { .. } | Decoded::Incomplete => Decoded::Incomplete,
    }
}

/// A framing has returned or skipped a frame of no bytes, or of more bytes than there were.
#[derive(Clone, Copy, Debug)]
struct BadFraming;

impl std::fmt::Display for BadFraming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the framing gave a frame of no bytes, or of more bytes than there were")
    }
}

impl std::error::Error for BadFraming {}

/// A protocol has taken more raw bytes than there were.
#[derive(Clone, Copy, Debug)]
struct TookTooMuch {
    taken: usize,
    length: usize,
}

impl std::fmt::Display for TookTooMuch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { taken, length } = self;
        write!(
            f,
            "`raw_received` took {taken} bytes where there were {length}"
        )
    }
}

impl std::error::Error for TookTooMuch {}
