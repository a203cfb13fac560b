//! Watchdog of a connection: ends it if the client is idle, sends a head or a body too slowly, or
//! does not receive its answer.
//!
//! There is one timer for each connection, and none for each request: four times within the shorter
//! of `write_timeout` and `body_timeout` (by default, every 15 s), it checks whether the client has
//! made progress. So a request costs no timer, only a reading of the clock when it is over; hyper's
//! own timer for heads would be set anew for each head.
//!
//! The watchdog also parks a connection that it finds idle, which frees the buffers of hyper.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use deferred::DelayedCall;

use crate::app::Limits;
use crate::request::{ConnectionInfo, SharedConnection};

/// The answer to a head that is not complete in time. Written by hand, since hyper has no request
/// to answer yet.
const REQUEST_TIMEOUT: &str =
    "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// The timer of one connection.
pub(super) struct Watchdog {
    // Weak, since the timer holds the watchdog, and must not keep a connection that is over.
    connection: Weak<ConnectionInfo>,
    limits: Limits,
    /// Timer of the next `look`. It holds the watchdog, until it fires or [`stop`](Self::stop)
    /// cancels it.
    timer: RefCell<Option<DelayedCall>>,
    /// The value of [`Monitor::sent_of_waiting`] at the last look, and the time of the first look
    /// since which it has not grown. `None` if no output waited at the last look.
    ///
    /// [`Monitor::sent_of_waiting`]: crate::io::Monitor::sent_of_waiting
    output: Cell<Option<(i64, Duration)>>,
    /// Number of bytes received, and the time of the first look since which it has not grown, while
    /// a handler waited for a body. `None` if no handler waited at the last look.
    body: Cell<Option<(i64, Duration)>>,
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

    /// Called when the connection is over.
    pub(super) fn stop(&self) {
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
    }

    /// The time between two looks. Progress is dated by the look that sees it, up to a tick late,
    /// and a limit that is not a multiple of a tick is noticed up to another tick late.
    fn tick(&self) -> Duration {
        self.limits.write_timeout.min(self.limits.body_timeout) / 4
    }

    /// Schedules the next `look`, after `delay`.
    fn arm(self: &Rc<Self>, connection: &ConnectionInfo, delay: Duration) {
        // The timer and the watchdog hold each other until the timer fires or `stop` cancels it.
        let watchdog = Rc::clone(self);
        let timer = connection
            .reactor()
            .call_later(delay, move || watchdog.look());
        self.timer.replace(Some(timer));
    }

    /// Ends the connection if a limit is reached, else arms the timer for the next look.
    fn look(self: &Rc<Self>) {
        let Some(connection) = self.connection.upgrade() else {
            return;
        };
        // The limits of HTTP no longer apply.
        if connection.upgrades().is_granted() {
            // A handler has the connection, for a protocol with limits of its own. The timer is not
            // set again, which ends the watchdog.
            return;
        }
        let now = connection.reactor().now();
        let monitor = connection.monitor();
        // How long `count` has not grown, if there is a count now. `place` holds the count of the
        // last look, with the time of the first look since which it has not grown.
        let waited = |place: &Cell<Option<(i64, Duration)>>, count: Option<i64>| {
            let since = match (count, place.get()) {
                (None, _) => None,
                (Some(count), Some((known, since))) if count <= known => Some((count, since)),
                (Some(count), _) => Some((count, now)),
            };
            place.set(since);
            since.map(|(_, since)| now - since)
        };
        let unsent = waited(&self.output, monitor.sent_of_waiting());
        if unsent.is_some_and(|time| time >= self.limits.write_timeout) {
            let peer = connection.peer();
            tracing::debug!(target: "reactor_web", %peer, "a client takes nothing of its answer");
            // Not `end`, which would wait for the output to be sent.
            monitor.connection().abort();
            return;
        }
        let awaits = connection.bodies().is_awaited();
        let awaited = awaits.then(|| monitor.received().cast_signed());
        let missing = waited(&self.body, awaited);
        if missing.is_some_and(|time| time >= self.limits.body_timeout) {
            return connection.end();
        }
        let mut next = self.tick();
        // While output waits, the connection is not idle, though no request is in flight: the
        // answer was handed over, and `write_timeout` bounds how long the client takes it. So it is
        // with `body_timeout` and a body that goes on beyond its answer.
        if self.output.get().is_none()
            && awaited.is_none()
            && let Some(since) = connection.idle_since()
        {
            let left = self.limits.head_timeout.saturating_sub(now - since);
            if left.is_zero() {
                connection.find_early_head();
                if connection.has_partial_head() {
                    // `Gone` if the connection is over: then no answer can be sent.
                    let _ = monitor.connection().write(REQUEST_TIMEOUT);
                }
                return connection.end();
            }
            next = next.min(left);
            // Else the connection would be parked up to a tick late.
            if let Some(left) = connection.parks_in().filter(|left| !left.is_zero()) {
                next = next.min(left);
            }
        }
        // At least 1 ms: if only nanoseconds are left, the next look might find the clock
        // unchanged, and would only arm another one.
        self.arm(&connection, next.max(Duration::from_millis(1)));
        // Last, since the driver runs in this call, and may end the connection: then `stop` has to
        // find the timer.
        connection.park();
    }
}
