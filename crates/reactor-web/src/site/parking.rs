//! When a connection is parked: see `request/parking.rs`.

use std::time::Duration;

use crate::request::ConnectionInfo;

/// For how long a connection has to be idle before it is parked: far longer than the pauses of a
/// busy connection, so that hyper's connection is not made anew for each of its requests.
const PARK_AFTER: Duration = Duration::from_secs(5);

impl ConnectionInfo {
    /// How long until the connection is parked, if no input comes; `None` if it will not be.
    pub(crate) fn parks_in(&self) -> Option<Duration> {
        if self.is_http2() || self.parking().is_parked() {
            return None;
        }
        let idle = self.reactor().now() - self.idle_since()?;
        Some(PARK_AFTER.saturating_sub(idle))
    }

    /// Parks the connection, if it is idle for long enough.
    pub(crate) fn park(&self) {
        let is_due = self.parks_in().is_some_and(|left| left.is_zero());
        if is_due && !self.has_partial_head() && self.monitor().is_drained() {
            self.ask_driver();
        }
    }

    /// Looks for the beginning of a head that hyper has read with the request before, or with a body
    /// that was read beyond its answer: `has_partial_head` knows of it then.
    pub(crate) fn find_early_head(&self) {
        // The driver finds it when it parks the connection.
        if !self.has_partial_head() {
            self.ask_driver();
        }
    }

    fn ask_driver(&self) {
        if self.requests_before_head().is_some() {
            // Only the driver can park, after it has polled hyper: what has happened since its last
            // poll may end the connection, or be the first byte of a request.
            self.parking().ask();
            self.wake_driver();
        }
    }

    /// The number of requests that were begun, if hyper may wait for the head of the next one: no
    /// request and no body is under way, and hyper holds no output.
    ///
    /// If this gives the same before and after a poll of hyper that is pending, hyper waits for a
    /// head, and holds nothing but input, which it gives back. One call is not enough: in that poll,
    /// a handler may have dropped a body, whose rest hyper would take for a head if it were made
    /// anew. The next poll reads or refuses the rest.
    pub(crate) fn requests_before_head(&self) -> Option<u64> {
        let is_between = self.idle_since().is_some()
            && !self.is_http2()
            && !self.parking().is_parked()
            && !self.bodies().any()
            && !self.upgrades().is_granted()
            && !self.monitor().awaits_room();
        is_between.then(|| self.requests())
    }
}
