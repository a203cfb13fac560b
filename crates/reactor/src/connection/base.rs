//! `Base`: the parts of a connection that do not depend on its protocol.
//!
//! Rust compiles a generic method anew for each protocol of a program. So what does not need the
//! protocol's type is a method of `Base` or, if it calls a handler or needs a reference to the
//! connection, of `dyn AnySource`: see [`any_source`](super::any_source).

use std::cell::RefCell;
use std::io::IoSlice;
use std::mem::ManuallyDrop;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use deferred::{Deferred, Failure, fail};
use tracing::Span;
use tracing::span::EnteredSpan;

use super::cold::{ColdCell, ColdState};
use super::flags::Flags;
use super::output::MAX_DESCRIPTORS;
use super::transport::Transport;
use crate::core::Core;
use crate::error::{ConnectionClosed, Gone, SendDescriptorError};
use crate::handle::ReactorHandle;
use crate::mailbox::Cause;
use crate::panics::contain;

/// A connection's span in the log, if there is one, entered until this is dropped.
///
/// Each message makes and drops one of these, and most connections have no span: so the drop tests
/// that first, and makes no call. (The drop of an `Option<EnteredSpan>` is a call.)
pub(super) struct SpanGuard(ManuallyDrop<Option<EnteredSpan>>);

impl SpanGuard {
    #[inline(always)]
    pub(super) fn enter(span: Option<Span>) -> Self {
        Self(ManuallyDrop::new(span.map(Span::entered)))
    }

    #[cold]
    fn leave(&mut self) {
        drop(self.0.take());
    }
}

impl Drop for SpanGuard {
    #[inline(always)]
    fn drop(&mut self) {
        if self.0.is_some() {
            self.leave();
        }
    }
}

pub(crate) struct Base {
    pub(super) transport: Transport,
    pub(super) reactor: ReactorHandle,
    /// Input that was read and not consumed: an incomplete frame, or frames that must not be
    /// delivered yet.
    pub(super) rest: RefCell<Vec<u8>>,
    pub(super) cold: ColdCell,
}

impl Base {
    /// Takes a function for the transport, so that this large value is made in its place and not
    /// moved there.
    #[inline(always)]
    pub(super) fn new(core: &Rc<Core>, transport: impl FnOnce() -> Transport) -> Self {
        Self {
            transport: transport(),
            reactor: ReactorHandle::new(core),
            rest: RefCell::default(),
            cold: ColdCell::default(),
        }
    }

    // --- writing ---

    /// Writes. If that exceeds the high-water mark, pauses a push producer at once.
    #[inline]
    pub(super) fn write(&self, bytes: &[u8]) {
        if !self.transport.write_little(bytes) {
            self.write_much(bytes);
        }
    }

    #[inline(never)]
    fn write_much(&self, bytes: &[u8]) {
        self.transport.write_much(bytes);
        // Paused at once and not when the handler returns, because a push producer may write in a
        // loop until it is paused.
        if self.transport.has_producer() {
            self.pause_producer();
        }
    }

    /// Writes through a handle. If a handler of this connection is running (`is_busy`), the bytes
    /// count as its output; otherwise, as unprompted output.
    pub(super) fn write_by_handle(&self, bytes: &[u8], is_busy: bool) {
        if is_busy {
            self.write(bytes);
        } else {
            let _unprompted = self.transport.unprompted();
            self.write(bytes);
        }
    }

    /// Writes the beginning of `pieces` through a handle, until the unsent output is above the
    /// high-water mark. Returns the number of bytes written.
    pub(super) fn write_some_by_handle(&self, pieces: &[IoSlice<'_>], is_busy: bool) -> usize {
        let mut room = self.transport.room();
        let sent = self.transport.send_some(pieces);
        let mut taken = sent;
        let mut to_skip = sent;
        for piece in pieces {
            let Some(rest) = piece.get(to_skip..) else {
                to_skip -= piece.len();
                continue;
            };
            to_skip = 0;
            let rest = &rest[..rest.len().min(room)];
            self.write_by_handle(rest, is_busy);
            taken += rest.len();
            room -= rest.len();
            if room == 0 {
                break;
            }
        }
        taken
    }

    pub(super) fn send_descriptor(
        &self,
        descriptor: OwnedFd,
        bytes: &[u8],
    ) -> Result<(), SendDescriptorError> {
        if bytes.is_empty() {
            return Err(SendDescriptorError::NoBytes);
        }
        if !self.transport.takes_writes() {
            return Err(SendDescriptorError::Gone);
        }
        if !self.transport.carries_descriptors() {
            return Err(SendDescriptorError::NotUnix);
        }
        if self.transport.waiting_descriptors() >= MAX_DESCRIPTORS {
            return Err(SendDescriptorError::TooMany {
                limit: MAX_DESCRIPTORS,
            });
        }
        self.transport.write_with(descriptor, bytes);
        Ok(())
    }

    // --- jobs ---

    /// Calls `job` in the connection's span, as a job with this cause.
    pub(super) fn run_as(&self, cause: Cause, job: &mut dyn FnMut()) {
        let _span = self.enter_span();
        let _unprompted = (cause == Cause::Other).then(|| self.transport.unprompted());
        job();
    }

    // --- the cold state ---

    /// Calls `f` with the cold state. `f` must not run user code.
    pub(super) fn with_cold<R>(&self, f: impl FnOnce(&mut ColdState) -> R) -> R {
        self.transport.flags.set(Flags::HAS_COLD_STATE);
        self.cold.with(f)
    }

    #[inline]
    pub(super) fn has_cold(&self) -> bool {
        self.transport.flags.has_any(Flags::HAS_COLD_STATE)
    }

    /// Enters the connection's span in the log, if there is one, until the result is dropped.
    #[inline(always)]
    pub(super) fn enter_span(&self) -> SpanGuard {
        if self.has_cold() {
            self.enter_cold_span()
        } else {
            SpanGuard::enter(None)
        }
    }

    #[cold]
    fn enter_cold_span(&self) -> SpanGuard {
        SpanGuard::enter(self.cold.span())
    }

    /// Fires when the connection is over, with the reason.
    pub(super) fn closed(&self) -> Deferred<ConnectionClosed> {
        if self.transport.is_closed() {
            // The waiters were taken already: `connection_lost` is running, or has run.
            return fail(Gone);
        }
        self.with_cold(|cold| cold.closed.add((), || {}))
    }

    // --- failures ---

    /// Ends the connection because the framing has refused its input: an error of the peer, and not
    /// of this program.
    #[cold]
    pub(super) fn input_failed(&self, failure: Failure) {
        self.transport.fail(failure.clone());
        let _span = self.enter_span();
        // Contained, because the failure is of a user's framing, and formatting it may panic.
        contain("the log of a failure", || {
            tracing::warn!(
                target: "reactor",
                peer = %self.transport.peer(),
                "input is no frame; its connection is closed: {failure}"
            );
            drop(failure);
        });
    }
}
