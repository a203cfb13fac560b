//! Settling: all pending work of a connection, after a handler has returned or when the loop runs
//! the connection; and the end of the connection.

use super::any_source::{AnySource, Call};
use super::base::{Base, SpanGuard};
use super::cold::ColdState;
use super::flags::Flags;
use super::protocol::Protocol;
use super::source::ConnectionSource;
use super::transport::Close;
use crate::error::ConnectionClosed;
use crate::mailbox::{JobOwner, MailboxOwner};
use crate::poll::Ready;

impl dyn AnySource {
    /// Handles all readiness except ordinary input. Returns whether the caller is to read.
    #[cold]
    pub(super) fn is_to_be_read(&self, ready: Ready) -> bool {
        let transport = self.transport();
        let is_write_blocked = transport.is_write_blocked();
        let is_reading = transport.is_reading();
        // Writing comes first: it may make room for answers, and so lift the throttling that keeps
        // input from being read.
        if ready.is_writable() && is_write_blocked {
            transport.flush();
        }
        if ready.is_readable() && transport.is_discarding() {
            transport.discard_input();
        }
        if ready.is_hung_up() && !is_write_blocked && !is_reading {
            transport.look_into_hang_up();
        }
        // `is_reading` again, because the flush may have found out that the connection is over.
        let is_to_be_read = ready.is_readable() && is_reading && transport.is_reading();
        if is_to_be_read && transport.flags.has_any(Flags::FILTERED) {
            self.read_filtered();
            return false;
        }
        is_to_be_read
    }

    /// Ends the connection because the reactor has stopped.
    pub(super) fn end_because_of_stop(&self) {
        // Sends the output that the system takes at once; the rest is dropped.
        self.close_because_of_stop();
        self.transport().abort(ConnectionClosed::ReactorStopped);
        self.settle_now();
    }

    /// Begins to close because the reactor stops, and sends the output that the system takes. Does
    /// nothing if the connection is closing already, or has nothing that could be sent: while the
    /// filters with which it begins are not open, and while a filter that was inserted later is
    /// opening and no output waits. Returns whether the loop is to wait for the connection.
    pub(super) fn close_because_of_stop(&self) -> bool {
        let base = self.base();
        let transport = &base.transport;
        let flags = transport.flags.get();
        let is_opening = flags.has_any(Flags::FILTER_OPENING) && transport.waiting() == 0;
        if transport.is_open() && !flags.has_any(Flags::NOT_MADE) && !is_opening {
            base.stop_push_producer();
            transport.lose_because(ConnectionClosed::ReactorStopped);
            self.settle_now();
        }
        transport.flags.has_any(Flags::CLOSE_AFTER_FLUSH) && transport.is_alive()
    }
}

// Generic, because each connection comes here: to call these through a table would take more
// instructions.
impl<P: Protocol> ConnectionSource<P> {
    /// Does all pending work of the connection: runs jobs, delivers frames that had to wait, sends,
    /// ends.
    #[inline(always)]
    pub(super) fn settle_now(&self) {
        // The usual case: there is output, and nothing else to do. If this flush sends all output,
        // the second test finds no work, so the usual case takes two comparisons.
        if self.left_to_do() == Flags::HAS_OUTPUT {
            self.base.transport.flush();
        }
        if self.left_to_do() != Flags::NONE {
            self.settle_all();
        }
    }

    /// The flags that ask for work.
    #[inline(always)]
    fn left_to_do(&self) -> Flags {
        self.base
            .transport
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
        if let Some(reason) = self.base.settle_rest(self.any()) {
            self.finish(reason);
        }
    }

    /// Ends the connection: calls `connection_lost`, closes the socket, and drops the protocol and
    /// all other state.
    #[inline(never)]
    fn finish(&self, reason: ConnectionClosed) {
        let base = &self.base;
        let ending = base.begin_to_end(&reason);
        let mut open = self.mailbox.open.borrow_mut();
        if let Some(open) = &mut *open
            && ending.is_made
        {
            // Before the jobs: they would look for the span in the cold state, which was taken out.
            let _span = ending.enter_span();
            // Jobs that were posted before the end still run, because `connection_lost` is to be
            // the last call of the protocol.
            self.run_jobs(open);
            let called = self.guard_alone(open, |protocol, cx| {
                protocol.connection_lost(cx, reason);
                Ok(())
            });
            if let Err(failure) = called {
                self.handler_failed(failure);
            }
        }
        // Taken out of its cell before it is dropped, because the drop of a protocol is user code,
        // and may use handles of this connection, which then report `Gone`.
        let dead = open.take();
        drop(open);
        base.close(ending.close);
        self.discard(dead);
        ending.finish();
    }
}

// The functions below do not need the protocol's type: a debug build compiles them once, and an
// optimized build inlines them, because a call would take more instructions.

/// The end of a connection, while it is made.
struct Ending {
    close: Close,
    /// Whether the protocol hears of the end: `connection_made` was called.
    is_made: bool,
    cold: Option<Box<ColdState>>,
    /// The reason, if the cold state needs it: see [`ColdState::needs_reason`].
    told: Option<ConnectionClosed>,
}

impl Ending {
    /// Enters the connection's span in the log, if there is one.
    #[inline]
    fn enter_span(&self) -> SpanGuard {
        let span = self.cold.as_ref().and_then(|cold| cold.span.clone());
        SpanGuard::enter(span)
    }

    /// Fires Deferreds, whose callbacks are to find the connection gone.
    #[inline]
    fn finish(self) {
        if let Some(cold) = self.cold {
            cold.finish(self.told);
        }
    }
}

impl Base {
    /// Does the pending work of a connection, after its jobs have run. Returns the reason if the
    /// connection is to end. `any` is the connection of this base.
    #[inline]
    fn settle_rest(&self, any: &(dyn AnySource + 'static)) -> Option<ConnectionClosed> {
        let transport = &self.transport;
        if transport.flags.has_any(Flags::SWITCHING) && self.switch() {
            return None;
        }
        if transport.flags.has_any(Flags::FILTERED) {
            any.settle_filters();
        }
        if transport.can_flush() {
            transport.flush();
        } else {
            transport.throttle_if_blocked();
        }
        if transport.flags.has_any(Flags::HAS_UNDECODED) && transport.takes_frames() {
            // After the flush, because frames may have been held back until there was room for
            // their answers.
            any.deliver_rest();
            if transport.can_flush() {
                transport.flush();
            }
        }
        if self.has_cold() || transport.is_to_be_watched() {
            any.settle_flow();
        }
        // After all output of jobs and frames, because `shut_write` waits for an empty buffer. It
        // returns `true` once.
        if transport.shut_write() {
            any.handle(Call::WriteClosed);
        }
        // Input that arrived before the error is delivered first, then the connection ends: the
        // peer's last words often say why it closed.
        if transport.has_write_failed() {
            any.read_arrived();
        }
        // The interest is updated last, because all steps above may change it, and not for a
        // connection that ends below.
        if transport.is_alive() {
            transport.update_interest();
        }
        transport.end()
    }

    /// Ends the filters, and takes the cold state out.
    #[inline]
    fn begin_to_end(&self, reason: &ConnectionClosed) -> Ending {
        let transport = &self.transport;
        let is_cut_short = transport.flags.has_any(Flags::ABORTING);
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
        if transport.flags.has_any(Flags::FILTERED) {
            self.end_filters(reason);
        }
        let cold = self.cold.take();
        let told = cold
            .as_ref()
            .is_some_and(|cold| cold.needs_reason())
            .then(|| reason.clone());
        Ending {
            close,
            is_made: !transport.flags.has_any(Flags::NOT_MADE),
            cold,
            told,
        }
    }

    /// Closes the socket: before user code runs in drops and waiters, because a callback may
    /// connect again, or bind the same address.
    #[inline]
    fn close(&self, close: Close) {
        let transport = &self.transport;
        transport.close(close);
        transport.core().counters.connection_lost();
        transport.core().is_over(transport.key());
        drop(self.rest.take());
    }
}
