//! Close timeout and stall timeout: the abort of a connection whose peer takes no output.
//!
//! A closing connection is aborted when its peer has taken no output for the close timeout. A
//! connection with more unsent output than [`WriteLimits`](super::limits::WriteLimits) allows is
//! aborted when its peer has taken no output for the stall timeout. Each time the peer takes some
//! output, the whole timeout begins again.

use std::time::Duration;

use super::any_source::AnySource;
use super::base::Base;
use super::cold::{CloseTimeout, Watch};
use crate::error::ConnectionClosed;

impl dyn AnySource {
    pub(super) fn set_close_timeout(&self, timeout: Option<Duration>) {
        self.base()
            .with_cold(|cold| cold.close_timeout = CloseTimeout(timeout));
        self.touch();
    }

    /// Begins, continues or ends the watch. Called each time the connection is settled, so it
    /// changes the timer only if that would fire too late.
    pub(super) fn watch_progress(&self) {
        // Clears the flag even if there is no watch, so that a later watch does not see old
        // progress.
        let has_progressed = self.transport().take_progress();
        let Some(patience) = self.base().patience() else {
            let watch = self.base().cold.look(|cold| cold.watch.take());
            return watch.map_or((), Watch::cancel);
        };
        let now = self.transport().core().now();
        self.base().with_cold(|cold| match &mut cold.watch {
            Some(watch) => {
                if has_progressed {
                    watch.since = now;
                }
                let due = watch.since.saturating_add(patience);
                // The timer fires too late only if the timeout has become shorter. If it fires too
                // early, because the peer has taken output since then, `end_if_stalled` sets it
                // again.
                if due < watch.look_at {
                    watch.look_at = due;
                    // `reset` errs if the timer is about to fire: then `end_if_stalled` runs
                    // anyway.
                    let _ = watch.look.reset(due.saturating_sub(now));
                }
            }
            none => *none = Some(self.watch(now, now.saturating_add(patience))),
        });
    }

    fn watch(&self, since: Duration, look_at: Duration) -> Watch {
        let core = self.transport().core();
        let delay = look_at.saturating_sub(core.now());
        let look = core
            .timers
            .call_later(delay, self.weakly(Self::end_if_stalled));
        Watch {
            since,
            look_at,
            look,
        }
    }

    /// Aborts the connection if the peer has taken no output for the timeout; otherwise, sets the
    /// timer again.
    fn end_if_stalled(&self) {
        let watch = self.base().cold.look(|cold| cold.watch.take());
        // If no timeout applies any more, the watch is dropped. Its timer need not be cancelled: it
        // is the one that calls this.
        let (Some(watch), Some(patience)) = (watch, self.base().patience()) else {
            return;
        };
        let due = watch.since.saturating_add(patience);
        let now = self.transport().core().now();
        if now < due {
            let next = self.watch(watch.since, due);
            self.base().with_cold(|cold| cold.watch = Some(next));
            return;
        }
        // `Overflow` only if the stall timeout has passed: the close timeout, which may be shorter,
        // ends a connection that was asked to close.
        let limits = self.transport().limits();
        let reason = match self.transport().overfull() {
            Some(buffered) if now >= watch.since.saturating_add(limits.stall_timeout) => {
                let limit = limits.max_buffered;
                ConnectionClosed::Overflow { buffered, limit }
            }
            _ => ConnectionClosed::Aborted,
        };
        self.transport().abort(reason);
        self.touch();
    }
}

impl Base {
    /// The timeout that applies now; `None` if neither applies.
    fn patience(&self) -> Option<Duration> {
        let transport = &self.transport;
        if !transport.is_to_be_watched() || !transport.is_alive() {
            return None;
        }
        // If the connection is closing and more than the limit waits, both timeouts apply: the
        // shorter one counts.
        let of_closing = (!transport.is_open())
            .then(|| self.with_cold(|cold| cold.close_timeout.0))
            .flatten();
        let of_overfull = transport
            .overfull()
            .map(|_| transport.limits().stall_timeout);
        of_closing.into_iter().chain(of_overfull).min()
    }
}
