//! Event source of a connection: calls the handlers of its protocol.
//!
//! ```text
//!  start ──▶ connection_made ──▶ received* ──▶ read_closed? ──▶ connection_lost
//!                  after each of them: the jobs that wait for the protocol
//! ```
//!
//! Handlers are called from the loop only: when the socket is ready, and in
//! [`Runnable::run_pending`] when other code gave the connection work. So no handler runs while
//! another one has borrowed the protocol, and the stack does not grow with the number of
//! connections that talk to one another.

use std::cell::{RefCell, RefMut};
use std::io::IoSlice;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use deferred::{Deferred, Failure, Result, fail};

use super::cold::{ColdCell, ColdState};
use super::context::Context;
use super::flags::Flags;
use super::output::MAX_DESCRIPTORS;
use super::protocol::Protocol;
use super::transport::{Close, Transport};
use crate::cancel_on_close::CancelSet;
use crate::core::{Core, Runnable};
use crate::error::{ConnectionClosed, Gone, SendDescriptorError};
use crate::handle::ReactorHandle;
use crate::mailbox::{Cause, Mailbox, MailboxOwner, MailboxStatus};
use crate::panics::contain;
use crate::poll::Ready;
use crate::registry::{EventSource, ListedConnection};
use crate::report::{Of, report};

/// One connection in the loop.
pub(crate) struct ConnectionSource<P: Protocol> {
    pub(super) transport: Transport,
    reactor: ReactorHandle,
    pub(super) mailbox: Mailbox<Self>,
    /// Input that was read and not consumed: an incomplete frame, or frames that must not be
    /// delivered yet.
    pub(super) rest: RefCell<Vec<u8>>,
    pub(super) cold: ColdCell,
}

/// The values of the user's types that a connection owns until it is over.
pub(crate) struct Open<P: Protocol> {
    pub(super) protocol: P,
    /// `None` if `Protocol::framing` has panicked.
    pub(super) framing: Option<P::Framing>,
}

impl<P: Protocol> ConnectionSource<P> {
    /// Takes a function for the transport, so that this large value is made in its place and not
    /// moved there.
    #[inline(always)]
    pub(super) fn new(core: &Rc<Core>, transport: impl FnOnce() -> Transport) -> Rc<Self> {
        Rc::new_cyclic(|me| Self {
            transport: transport(),
            reactor: ReactorHandle::new(core),
            mailbox: Mailbox::new(me, None),
            rest: RefCell::default(),
            cold: ColdCell::default(),
        })
    }

    #[inline]
    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Writes through a handle. If a handler of this connection is running, the bytes count as its
    /// output; otherwise, as unprompted output.
    pub(super) fn write_by_handle(&self, bytes: &[u8]) {
        // The protocol is borrowed, so a handler is running, and has called this through a handle.
        if self.mailbox.open.try_borrow_mut().is_err() {
            self.write(bytes);
        } else {
            self.transport.unprompted(|| self.write(bytes));
        }
    }

    /// Writes the beginning of `pieces` through a handle, until the unsent output is above the
    /// high-water mark. Returns the number of bytes written.
    pub(super) fn write_some_by_handle(&self, pieces: &[IoSlice<'_>]) -> usize {
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
            self.write_by_handle(rest);
            taken += rest.len();
            room -= rest.len();
            if room == 0 {
                break;
            }
        }
        taken
    }

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

    /// Calls `f` with the cold state. `f` must not run user code.
    pub(super) fn with_cold<R>(&self, f: impl FnOnce(&mut ColdState) -> R) -> R {
        self.transport.flags.set(Flags::HAS_COLD_STATE);
        self.cold.with(f)
    }

    /// Fires when the connection is over, with the reason.
    pub(super) fn closed(&self) -> Deferred<ConnectionClosed> {
        if self.transport.is_closed() {
            // The waiters were taken already: `connection_lost` is running, or has run.
            return fail(Gone);
        }
        self.with_cold(|cold| cold.closed.add((), || {}))
    }

    #[inline]
    pub(super) fn has_cold(&self) -> bool {
        self.transport.flags.has_any(Flags::HAS_COLD_STATE)
    }

    pub(super) fn send_descriptor(
        &self,
        descriptor: OwnedFd,
        bytes: &[u8],
    ) -> std::result::Result<(), SendDescriptorError> {
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

    // --- calling the protocol ---

    #[cold]
    fn guard_in_span<R>(
        &self,
        open: &mut Open<P>,
        handler: impl FnOnce(&mut P, &mut Context<'_, P>) -> Result<R>,
    ) -> Result<R> {
        let _span = self.cold.span().map(tracing::Span::entered);
        self.guard_alone(open, handler)
    }

    #[inline(always)]
    fn guard_alone<R>(
        &self,
        open: &mut Open<P>,
        handler: impl FnOnce(&mut P, &mut Context<'_, P>) -> Result<R>,
    ) -> Result<R> {
        let Open { protocol, framing } = open;
        Failure::catch(|| handler(protocol, &mut Context::new(self, framing)))
            .and_then(|result| result)
    }

    /// Ends the connection because the framing has refused its input: an error of the peer, and not
    /// of this program.
    #[cold]
    pub(super) fn input_failed(&self, failure: Failure) {
        self.transport.fail(failure.clone());
        let _span = self.cold.span().map(tracing::Span::entered);
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

    /// Logs a failure of the protocol.
    #[cold]
    pub(crate) fn report(&self, failure: Failure) {
        let _span = self.cold.span().map(tracing::Span::entered);
        let of = Of::Connection(self.transport.peer());
        report(&of, Some(std::any::type_name::<P>()), failure);
    }

    /// Handles all readiness except ordinary input. Returns whether the caller is to read.
    #[cold]
    fn is_to_be_read(&self, ready: Ready) -> bool {
        let is_write_blocked = self.transport.is_write_blocked();
        let is_reading = self.transport.is_reading();
        // Writing comes first: it may make room for answers, and so lift the throttling that keeps
        // input from being read.
        if ready.is_writable() && is_write_blocked {
            self.transport.flush();
        }
        if ready.is_readable() && self.transport.is_discarding() {
            self.transport.discard_input();
        }
        if ready.is_hung_up() && !is_write_blocked && !is_reading {
            self.transport.look_into_hang_up();
        }
        // `is_reading` again, because the flush may have found out that the connection is over.
        let is_to_be_read = ready.is_readable() && is_reading && self.transport.is_reading();
        if is_to_be_read && self.transport.flags.has_any(Flags::FILTERED) {
            self.read_filtered();
            return false;
        }
        is_to_be_read
    }

    // --- settling ---

    /// Does all pending work of the connection: runs jobs, delivers frames that had to wait, sends,
    /// ends.
    #[inline]
    pub(super) fn settle_now(&self) {
        // The usual case: there is output, and nothing else to do. If this flush sends all output,
        // the second test finds no work, so the usual case takes two comparisons.
        if self.left_to_do() == Flags::HAS_OUTPUT {
            self.transport.flush();
        }
        if self.left_to_do() != Flags::NONE {
            self.settle_all();
        }
    }

    /// The flags that ask for work.
    #[inline]
    fn left_to_do(&self) -> Flags {
        self.transport
            .flags
            .get()
            .difference(Flags::IGNORED_BY_SETTLE)
    }

    #[inline(never)]
    fn settle_all(&self) {
        // A handler further up the stack has borrowed the protocol; the caller of that handler
        // settles the connection.
        let Ok(mut open) = self.mailbox.open.try_borrow_mut() else {
            return;
        };
        if let Some(open) = &mut *open {
            // Jobs first: their output goes into the same send as that of the handler.
            self.run_jobs(open);
        }
        drop(open);
        if self.transport.flags.has_any(Flags::SWITCHING) && self.switch() {
            return;
        }
        if self.transport.flags.has_any(Flags::FILTERED) {
            self.settle_filters();
        }
        if self.transport.can_flush() {
            self.transport.flush();
        } else {
            self.transport.throttle_if_blocked();
        }
        if self.transport.flags.has_any(Flags::HAS_UNDECODED) && self.transport.takes_frames() {
            // After the flush, because frames may have been held back until there was room for
            // their answers.
            self.deliver_rest();
            if self.transport.can_flush() {
                self.transport.flush();
            }
        }
        if self.has_cold() || self.transport.is_to_be_watched() {
            self.settle_flow();
        }
        // After all output of jobs and frames, because `shut_write` waits for an empty buffer. It
        // returns `true` once.
        if self.transport.shut_write()
            && let Some(open) = &mut *self.mailbox.open.borrow_mut()
        {
            self.handle(open, |protocol, cx| protocol.write_closed(cx));
        }
        // Input that arrived before the error is delivered first, then the connection ends: the
        // peer's last words often say why it closed.
        if self.transport.has_write_failed() {
            self.read_arrived();
        }
        // The interest is updated last, because all steps above may change it, and not for a
        // connection that ends below.
        if self.transport.is_alive() {
            self.transport.update_interest();
        }
        if let Some(reason) = self.transport.end() {
            self.finish(reason);
        }
    }

    /// Begins to close because the reactor stops, and sends the output that the system takes. Does
    /// nothing if the connection is closing already, or has nothing that could be sent: while the
    /// filters with which it begins are not open, and while a filter that was inserted later is
    /// opening and no output waits.
    fn close_because_of_stop(&self) {
        let flags = self.transport.flags.get();
        let is_opening = flags.has_any(Flags::FILTER_OPENING) && self.transport.waiting() == 0;
        if self.transport.is_open() && !flags.has_any(Flags::NOT_MADE) && !is_opening {
            self.stop_push_producer();
            self.transport
                .lose_because(ConnectionClosed::ReactorStopped);
            self.settle_now();
        }
    }

    /// Ends the connection: calls `connection_lost`, closes the socket, and drops the protocol and
    /// all other state.
    #[inline(never)]
    fn finish(&self, reason: ConnectionClosed) {
        let is_cut_short = self.transport.flags.has_any(Flags::ABORTING);
        let close = match reason {
            // Output was dropped, so the close must not be orderly: the peer would take the bytes
            // that it got for the whole output.
            ConnectionClosed::Failed(_) | ConnectionClosed::IdleTimeout { .. } if is_cut_short => {
                Close::Reset
            }
            ConnectionClosed::Done
            | ConnectionClosed::IdleTimeout { .. }
            | ConnectionClosed::Failed(_) => Close::InOrder,
            ConnectionClosed::Aborted | ConnectionClosed::Overflow { .. } => Close::Reset,
            ConnectionClosed::ReactorStopped => Close::AtOnce,
            ConnectionClosed::Lost(_) => Close::Broken,
        };
        if self.transport.flags.has_any(Flags::FILTERED) {
            self.end_filters(&reason);
        }
        let is_made = !self.transport.flags.has_any(Flags::NOT_MADE);
        let cold = self.cold.take();
        let told = cold
            .as_ref()
            .is_some_and(|cold| cold.needs_reason())
            .then(|| reason.clone());
        let mut open: RefMut<'_, Option<Open<P>>> = self.mailbox.open.borrow_mut();
        if let Some(open) = &mut *open
            && is_made
        {
            // Jobs that were posted before the end still run, because `connection_lost` is to be
            // the last call of the protocol.
            self.run_jobs(open);
            let _span = cold.as_ref().and_then(|cold| cold.span.clone());
            let _span = _span.map(tracing::Span::entered);
            self.handle(open, |protocol, cx| {
                protocol.connection_lost(cx, reason);
                Ok(())
            });
        }
        // Taken out of its cell before it is dropped, because the drop of a protocol is user code,
        // and may use handles of this connection, which then report `Gone`.
        let dead = open.take();
        drop(open);
        // Keeps `self` alive until the end of this function.
        let me = self.mailbox.upgrade();
        // The socket is closed before user code runs in drops and waiters, because a callback may
        // connect again, or bind the same address.
        self.transport.close(close);
        self.transport.core().counters.connection_lost();
        self.transport.core().is_over(self.transport.key());
        drop(self.rest.take());
        self.discard(dead);
        if let Some(cold) = cold {
            // Last, because this fires Deferreds, and their callbacks are to find the connection
            // gone.
            cold.finish(told);
        }
        drop(me);
    }
}

impl<P: Protocol> MailboxOwner for ConnectionSource<P> {
    type Protocol = P;
    type Open = Open<P>;
    type Context<'a> = Context<'a, P>;
    type Closed = Gone;
    type Status = Self;

    #[inline]
    fn mailbox(&self) -> &Mailbox<Self> {
        &self.mailbox
    }

    #[inline]
    fn status(&self) -> &Self {
        self
    }

    #[inline]
    fn reactor(&self) -> &ReactorHandle {
        &self.reactor
    }

    #[inline]
    fn split<'a>(&'a self, open: &'a mut Open<P>) -> (&'a mut P, Context<'a, P>) {
        (&mut open.protocol, Context::new(self, &mut open.framing))
    }

    fn closed_error() -> Gone {
        Gone
    }

    /// `Input` while a handler of input runs, or a job that such a handler has caused.
    fn cause(&self) -> Cause {
        if self.mailbox.is_busy() && !self.transport.flags.has_any(Flags::UNPROMPTED) {
            Cause::Input
        } else {
            Cause::Other
        }
    }

    fn with_cause<R>(&self, cause: Cause, job: impl FnOnce() -> R) -> R {
        match cause {
            Cause::Input => job(),
            Cause::Other => self.transport.unprompted(job),
        }
    }

    fn touch(&self) {
        let flags = &self.transport.flags;
        if !flags.has_any(Flags::IN_RUN_QUEUE)
            && let Some(me) = self.mailbox.upgrade()
        {
            flags.set(Flags::IN_RUN_QUEUE);
            self.transport.core().run_soon(me);
        }
    }

    #[inline(always)]
    fn guard<R>(
        &self,
        open: &mut Open<P>,
        handler: impl FnOnce(&mut P, &mut Context<'_, P>) -> Result<R>,
    ) -> Result<R> {
        if self.has_cold() {
            return self.guard_in_span(open, handler);
        }
        self.guard_alone(open, handler)
    }

    #[cold]
    fn handler_failed(&self, failure: Failure) {
        // A failure is reference-counted, so the reason of the close and the log share one.
        self.transport.fail(failure.clone());
        self.report(failure);
    }

    #[inline]
    fn run_jobs(&self, open: &mut Open<P>) {
        if self.transport.flags.has_any(Flags::HAS_JOBS) {
            self.run_waiting_jobs(open);
        }
    }
}

/// The status of the mailbox is in the flags, so that the hot path tests it together with the other
/// flags.
impl<P: Protocol> MailboxStatus for ConnectionSource<P> {
    fn is_closed(&self) -> bool {
        self.transport.is_closed()
    }

    fn is_queued(&self) -> bool {
        self.transport.flags.has_any(Flags::IN_RUN_QUEUE)
    }

    fn set_queued(&self, is_queued: bool) {
        self.transport.flags.set_to(Flags::IN_RUN_QUEUE, is_queued);
    }

    fn set_has_jobs(&self, has_jobs: bool) {
        self.transport.flags.set_to(Flags::HAS_JOBS, has_jobs);
    }

    fn with_cancel_set<R>(&self, f: impl FnOnce(&mut CancelSet) -> R) -> R {
        self.with_cold(|cold| f(&mut cold.cancel_on_close))
    }
}

impl<P: Protocol> EventSource for ConnectionSource<P> {
    #[inline]
    fn ready(self: Rc<Self>, ready: Ready) {
        // The usual case: there is input, and nothing else to do. One comparison of `ready` and one
        // of the flags select this path.
        let stands_against = Flags::NOT_READING
            .union(Flags::WRITE_BLOCKED)
            .union(Flags::FILTERED);
        let is_ordinary = ready == Ready::READABLE && !self.transport.flags.has_any(stands_against);
        if is_ordinary || self.is_to_be_read(ready) {
            self.read();
        }
        self.settle_now();
    }

    fn begin_to_close(self: Rc<Self>) -> bool {
        self.close_because_of_stop();
        self.transport.flags.has_any(Flags::CLOSE_AFTER_FLUSH) && self.transport.is_alive()
    }

    fn as_connection(self: Rc<Self>) -> Option<Rc<dyn ListedConnection>> {
        Some(self)
    }

    fn shut_down(self: Rc<Self>) {
        // Sends the output that the system takes at once; the rest is dropped.
        self.close_because_of_stop();
        self.transport.abort(ConnectionClosed::ReactorStopped);
        self.settle_now();
    }
}

impl<P: Protocol> Runnable for ConnectionSource<P> {
    fn run_pending(self: Rc<Self>) {
        self.transport.flags.clear(Flags::IN_RUN_QUEUE);
        self.settle_now();
    }
}
