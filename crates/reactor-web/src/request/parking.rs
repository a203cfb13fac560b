//! Parking: an idle connection of HTTP/1 gives back the memory of hyper.
//!
//! hyper keeps two buffers of 8 KiB for as long as its connection lives, and has no function that
//! gives them back. So its whole connection is dropped while no request is under way, and made anew
//! when the next byte comes. In between, the connection is *parked*: its driver has only the `Io`.
//!
//! ```text
//!  Parked ──first byte──▶ Serving ◀──driver: not idle any more──┐
//!    ▲                       └──watchdog: idle for 5 s──────▶ Asked
//!    └───────────────────driver: hyper waits for a head────────────┘
//! ```
//!
//! hyper gives the input back that it has read and not used: the beginning of a head that came in one
//! piece with what was before it. To find that, a connection is also parked at the end of the time for
//! a head, and at a stop of the site, for which the driver is not asked.

use std::cell::Cell;

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

    /// Asks the driver to park the connection.
    pub(crate) fn ask(&self) {
        self.0.set(State::Asked);
    }

    /// Whether the driver was asked to park the connection; no longer after this call.
    pub(crate) fn takes_asked(&self) -> bool {
        let is_asked = self.0.get() == State::Asked;
        if is_asked {
            self.0.set(State::Serving);
        }
        is_asked
    }
}
