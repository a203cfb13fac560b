//! Idle timeout: the close of a connection on which nothing is received or sent.
//!
//! A timer fires when the timeout may have passed. Activity does not reset the timer: it sets
//! [`Flags::ACTIVITY`], and its time is stored when the loop next runs the connection, in the same
//! turn. If the timer fires too early because of that, it is set again, to the last activity plus
//! the timeout. So a message costs neither an allocation nor a change of the timer.

use std::time::Duration;

use super::any_source::AnySource;
use super::base::Base;
use super::cold::Idle;
use super::flags::Flags;
use crate::error::ConnectionClosed;

impl dyn AnySource {
    pub(super) fn set_idle_timeout(&self, timeout: Option<Duration>) {
        let base = self.base();
        if base.transport.is_closed() {
            return;
        }
        if let Some(earlier) = base.cold.look(|cold| cold.idle.take()) {
            earlier.cancel();
        }
        let flags = &base.transport.flags;
        // Activity before this call does not count, because the new timeout begins now.
        flags.clear(Flags::ACTIVITY);
        flags.set_to(Flags::HAS_IDLE_TIMEOUT, timeout.is_some());
        if let Some(timeout) = timeout {
            let since = base.transport.core().now();
            self.watch_idle(timeout, since);
        }
    }

    /// Sets the timer to call `close_if_idle` at `since` plus `timeout`.
    pub(super) fn watch_idle(&self, timeout: Duration, since: Duration) {
        // Weak, because the source owns the timer. The timer calls the source directly and posts no
        // job: it calls no handler, so it does not matter whether one is running.
        let core = self.transport().core();
        let due = since.saturating_add(timeout);
        let delay = due.saturating_sub(core.now());
        let look = core
            .timers
            .call_later(delay, self.weakly(Self::close_if_idle));
        let idle = Idle {
            timeout,
            since,
            look,
        };
        self.base().with_cold(|cold| cold.idle = Some(idle));
    }

    /// Closes the connection if it was idle for the timeout; otherwise, sets the timer again.
    fn close_if_idle(&self) {
        // Activity of this turn is not noted yet, since `settle_flow` runs after the timers.
        let base = self.base();
        base.note_activity();
        let Some(idle) = base.cold.look(|cold| cold.idle.take()) else {
            return;
        };
        let now = base.transport.core().now();
        if now < idle.since.saturating_add(idle.timeout) {
            return self.watch_idle(idle.timeout, idle.since);
        }
        base.transport.flags.clear(Flags::HAS_IDLE_TIMEOUT);
        let timeout = idle.timeout;
        // An orderly close: output that waits is sent, within the close timeout.
        base.transport
            .lose_because(ConnectionClosed::IdleTimeout { timeout });
        self.touch();
    }
}

impl Base {
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
}
