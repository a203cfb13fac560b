//! Watchdog of a connection: bounds how long a client sends and takes nothing.
//!
//! There is one timer for each connection, and none for each request: a few times a minute, it
//! looks whether the client makes progress. A request costs one reading of the clock. hyper's own
//! timer for heads is made anew for each of them.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use deferred::DelayedCall;

use crate::app::Limits;
use crate::request::{ConnectionInfo, SharedConnection};

/// The answer to a head that does not come whole in time.
const REQUEST_TIMEOUT: &str =
    "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// The timer of one connection.
pub(super) struct Watchdog {
    // Weak: the timer holds the watchdog, and is not to keep a connection that is over.
    connection: Weak<ConnectionInfo>,
    limits: Limits,
    timer: RefCell<Option<DelayedCall>>,
    /// How much was sent when output was seen to wait, and when that was.
    // Cleared when nothing waits; begun anew when more was sent.
    output: Cell<Option<(u64, Duration)>>,
    /// How much had come when a body was seen to be awaited, and when that was.
    // Cleared when no read is pending; begun anew when something has come.
    body: Cell<Option<(u64, Duration)>>,
}

impl Watchdog {
    pub(super) fn start(connection: &SharedConnection, limits: Limits) -> Rc<Self> {
        let watchdog = Rc::new(Self {
            connection: Rc::downgrade(connection),
            limits,
            timer: RefCell::default(),
            output: Cell::default(),
            body: Cell::default(),
        });
        // The time for the first head begins with the connection.
        watchdog.arm(connection, watchdog.tick().min(limits.head_timeout));
        watchdog
    }

    pub(super) fn stop(&self) {
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
    }

    /// How often progress is looked for: a limit is found to be reached a quarter late at the most.
    fn tick(&self) -> Duration {
        self.limits.write_timeout.min(self.limits.body_timeout) / 4
    }

    fn arm(self: &Rc<Self>, connection: &ConnectionInfo, delay: Duration) {
        // A cycle by way of the timer, until it fires or `stop` cancels it.
        let watchdog = Rc::clone(self);
        let timer = connection
            .reactor()
            .call_later(delay, move || watchdog.look());
        self.timer.replace(Some(timer));
    }

    /// Ends the connection if a limit is reached; else is called again when one may be.
    fn look(self: &Rc<Self>) {
        let Some(connection) = self.connection.upgrade() else {
            return;
        };
        // The timer is not set again: limits of HTTP do not apply any more.
        if connection.upgrades().is_granted() {
            return;
        }
        let now = connection.reactor().now();
        let monitor = connection.monitor();
        // How long `count` has been the same: `place` has the count of an earlier look, with the
        // time of the first look that saw it. So a client may take a tick longer than its limit.
        let waited = |place: &Cell<Option<(u64, Duration)>>, count: Option<u64>| {
            let since = match (count, place.get()) {
                (None, _) => None,
                (Some(count), Some((known, since))) if known == count => Some((count, since)),
                (Some(count), _) => Some((count, now)),
            };
            place.set(since);
            since.map_or(Duration::ZERO, |(_, since)| now - since)
        };
        if waited(&self.output, monitor.sent_of_waiting()) >= self.limits.write_timeout {
            let peer = connection.peer();
            tracing::debug!(target: "reactor_web", %peer, "a client takes nothing of its answer");
            // `end` would wait for the client to take the output.
            monitor.connection().abort();
            return;
        }
        let awaited = connection.awaits_body().get().then(|| monitor.received());
        if waited(&self.body, awaited) >= self.limits.body_timeout {
            // Without an answer: the handler has the request, and is cancelled with the connection.
            return connection.end();
        }
        let mut next = self.tick();
        // An answer that is not taken is bounded by the time for that.
        if self.output.get().is_none()
            && let Some(since) = connection.idle_since()
        {
            let left = self.limits.head_timeout.saturating_sub(now - since);
            if left.is_zero() {
                if connection.has_partial_head() {
                    // `Gone` if the connection is over: then it is too late, anyway.
                    let _ = monitor.connection().write(REQUEST_TIMEOUT);
                }
                return connection.end();
            }
            next = next.min(left);
        }
        // Not at once, even if nothing is left: the clock of the next look must have moved.
        self.arm(&connection, next.max(Duration::from_millis(1)));
    }
}
