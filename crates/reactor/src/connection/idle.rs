//! Idle timeout: the close of a connection on which nothing is received or sent.
//!
//! A timer looks when the timeout may have passed. Activity does not reset the timer: it sets
//! [`Flags::ACTIVITY`], the time of which is noted when the connection is next run, in the
//! same turn; the timer looks again when the timeout after that has passed. So a message costs
//! neither an allocation nor a change of the timer.

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
        // Earlier activity does not count: the new timeout begins now.
        flags.clear(Flags::ACTIVITY);
        flags.set_to(Flags::HAS_IDLE_TIMEOUT, timeout.is_some());
        if let Some(timeout) = timeout {
            let since = self.transport.core().now();
            self.watch_idle(timeout, since);
        }
    }

    /// Sets the timer to look when `timeout` after `since` has passed.
    pub(super) fn watch_idle(&self, timeout: Duration, since: Duration) {
        // Weak, since the source owns the timer. The timer calls the source directly, and not by a
        // job: no handler of the protocol is called, so none is in the way.
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

    /// Notes the time of activity since this was last called.
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

    /// Closes the connection if it was idle for the timeout; else looks again later.
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
