//! Idle timeout: the close of a connection on which nothing is received or sent.
//!
//! A timer fires when the timeout may have passed. Activity does not reset the timer: it sets
//! [`Flags::ACTIVITY`], and its time is stored when the loop next runs the connection, in the same
//! turn. If the timer fires too early because of that, it is set again, to the last activity plus
//! the timeout. So a message costs neither an allocation nor a change of the timer.

use std::time::Duration;

use super::cold::Idle;
use super::flags::Flags;
use super::protocol::Protocol;
use super::source::ConnectionSource;
use crate::error::ConnectionClosed;
use crate::mailbox::MailboxOwner;

impl<P: Protocol> ConnectionSource<P> {
    pub(super) fn set_idle_timeout(&self, timeout: Option<Duration>) {
        if self.transport.is_closed() {
            return;
        }
        if let Some(earlier) = self.cold.look(|cold| cold.idle.take()) {
            earlier.cancel();
        }
        let flags = &self.transport.flags;
        // Activity before this call does not count, because the new timeout begins now.
        flags.clear(Flags::ACTIVITY);
        flags.set_to(Flags::HAS_IDLE_TIMEOUT, timeout.is_some());
        if let Some(timeout) = timeout {
            let since = self.transport.core().now();
            self.watch_idle(timeout, since);
        }
    }

    /// Sets the timer to call `close_if_idle` at `since` plus `timeout`.
    pub(super) fn watch_idle(&self, timeout: Duration, since: Duration) {
        // Weak, because the source owns the timer. The timer calls the source directly and posts no
        // job: it calls no handler, so it does not matter whether one is running.
        let (core, source) = (self.transport.core(), self.mailbox().weak());
        let due = since.saturating_add(timeout);
        let delay = due.saturating_sub(core.now());
        let look = core.timers.call_later(delay, move || {
            if let Some(source) = source.upgrade() {
                source.close_if_idle();
            }
        });
        let idle = Idle {
            timeout,
            since,
            look,
        };
        self.with_cold(|cold| cold.idle = Some(idle));
    }

    /// If there was activity since the last call, stores the current time as its time.
    pub(super) fn note_activity(&self) {
        if !self.transport.flags.has_any(Flags::ACTIVITY) {
            return;
        }
        self.transport.flags.clear(Flags::ACTIVITY);
        let now = self.transport.core().now();
        self.cold.look(|cold| {
            cold.idle.as_mut()?.since = now;
            Some(())
        });
    }

    /// Closes the connection if it was idle for the timeout; otherwise, sets the timer again.
    fn close_if_idle(&self) {
        // Activity of this turn is not noted yet, since `settle_flow` runs after the timers.
        self.note_activity();
        let Some(idle) = self.cold.look(|cold| cold.idle.take()) else {
            return;
        };
        let now = self.transport.core().now();
        if now < idle.since.saturating_add(idle.timeout) {
            return self.watch_idle(idle.timeout, idle.since);
        }
        self.transport.flags.clear(Flags::HAS_IDLE_TIMEOUT);
        let timeout = idle.timeout;
        // An orderly close: output that waits is sent, within the close timeout.
        self.transport
            .lose_because(ConnectionClosed::IdleTimeout { timeout });
        self.touch();
    }
}
