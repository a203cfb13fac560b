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

    /// Parks the connection, if it may be parked.
    pub(crate) fn park(&self) {
        if self.may_park() {
            // Only the driver can, after it has polled hyper: what has happened since its last poll
            // may end the connection, or be the first byte of a request.
            self.parking().ask();
            self.wake_driver();
        }
    }

    /// Whether the driver is to park the connection now. Call it when hyper's poll is pending.
    pub(crate) fn takes_parking(&self) -> bool {
        self.parking().takes_asked() && self.may_park()
    }

    fn may_park(&self) -> bool {
        self.parks_in().is_some_and(|left| left.is_zero()) && self.is_at_rest()
    }

    /// Whether hyper, if its poll is pending, waits for the head of a request, and holds nothing but
    /// input that it can be given again.
    pub(crate) fn is_at_rest(&self) -> bool {
        // `None` if hyper has nothing to give.
        self.parks_in().is_some()
            // hyper would lose how far it has come with these.
            && !self.has_partial_head()
            && !self.has_open_body()
            && !self.upgrades().is_granted()
            && self.monitor().is_drained()
    }
}
