//! Parking: an idle connection of HTTP/1 gives back the memory of hyper.
//!
//! hyper keeps two buffers of 8 KiB for as long as its connection lives, and has no function that
//! gives them back. So its whole connection is dropped while no request is under way, and made anew
//! when the next byte comes. In between, the connection is *parked*: its driver has only the `Io`.
//!
//! ```text
//!  Parked ──first byte──▶ Serving ◀──driver: not idle any more──┐
//!    ▲                       └──watchdog: idle for PARK_AFTER──▶ Asked
//!    └───────────────────driver: hyper waits for a head────────────┘
//! ```

use std::cell::Cell;
use std::time::Duration;

use super::ConnectionInfo;

/// For how long a connection has to be idle before it is parked: far longer than the pauses of a
/// busy connection, so that hyper's connection is not made anew for each of its requests.
const PARK_AFTER: Duration = Duration::from_secs(5);

/// Whether a connection is parked.
#[derive(Default)]
pub(crate) struct Parking(Cell<State>);

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// There is no connection of hyper. So it is before the first byte, too.
    #[default]
    Parked,
    Serving,
    /// As `Serving`, but the driver is to park the connection, if it still may.
    Asked,
}

impl Parking {
    pub(crate) fn is_parked(&self) -> bool {
        self.0.get() == State::Parked
    }

    /// Notes that there is a connection of hyper.
    pub(crate) fn begin_serving(&self) {
        self.0.set(State::Serving);
    }

    /// Notes that the connection of hyper was dropped.
    pub(crate) fn set_parked(&self) {
        self.0.set(State::Parked);
    }
}

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
            self.parking().0.set(State::Asked);
            self.wake_driver();
        }
    }

    /// Whether the driver is to park the connection now. Call it when hyper's poll is pending.
    pub(crate) fn takes_parking(&self) -> bool {
        if self.parking().0.get() != State::Asked {
            return false;
        }
        self.parking().0.set(State::Serving);
        self.may_park()
    }

    /// Whether hyper, if its poll is pending, waits for the head of a request, and holds nothing but
    /// input that it can be given again.
    fn may_park(&self) -> bool {
        self.parks_in().is_some_and(|left| left.is_zero())
            // hyper would lose how far it has come with these.
            && !self.has_partial_head()
            && !self.has_open_body()
            && !self.upgrades().is_granted()
            && self.monitor().is_drained()
    }
}
