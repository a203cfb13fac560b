//! State of the filters of a connection: plain values, which the functions of `filtered` change.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use deferred::{DelayedCall, Failure, Result, Trigger};

use crate::address::Address;
use crate::connection::output::Output;
use crate::core::Spare;
use crate::error::ConnectionClosed;
use crate::filter::{Engine, Filter, FilterWaker};

/// Called with `Ok` once the filters with which a connection begins are open and `connection_made`
/// has returned; with the failure, if that does not happen.
pub(crate) type OnOpen = Box<dyn FnOnce(Result<()>)>;

/// The filters of one connection.
pub(in crate::connection) struct Filtered {
    /// The started filters. `None` before the first filter is started, while one of them runs, and
    /// once they have failed.
    pub(super) engine: Option<Box<Engine>>,
    /// A filter that was put in and is not started: it already gets the output, but not the input.
    pub(super) next: Option<Next>,
    /// Output that no filter has taken yet.
    pub(super) plain: Output,
    /// Input that the filters have delivered and the framing has not got yet. `None` if there is
    /// none, so that an idle connection has no buffer.
    pub(super) up: Option<Spare>,
    /// Whether the output that waits to be sent may have bytes of the protocol in it, and not only
    /// of the filters. Set when a filter takes bytes, cleared when nothing waits.
    pub(super) carries_plain: bool,
    pub(super) finish: Finish,
    /// The failure of the filters, until `take_filter_failure` reports it.
    pub(super) failure: Option<Failed>,
    /// Set with the failure, never cleared: the filters are called no more.
    pub(super) has_failed: bool,
    /// Whether the protocol got the end of the input. Set by `take_filter_end`, cleared when
    /// another protocol takes over the connection.
    pub(in crate::connection) end_is_told: bool,
    pub(super) surroundings: Rc<Surroundings>,
    /// The time at which a filter wants to be called, and the call.
    pub(super) timer: Option<(Duration, DelayedCall)>,
    /// Fires when the filter that was put in is open.
    pub(super) opening: Option<Trigger<()>>,
    pub(super) on_open: Option<OnOpen>,
}

/// The part of a connection that its filters can see. Shared, because a filter that runs may use
/// its own connection.
pub(super) struct Surroundings {
    /// The address of the peer, as the system tells it.
    pub(super) peer: Address,
    pub(super) waker: FilterWaker,
}

/// A filter that was put in by a handler that has not returned.
pub(super) struct Next {
    pub(super) filter: Box<dyn Filter>,
    /// Output that was written before the filter was put in, for the filters below.
    pub(super) unsent: Vec<u8>,
}

/// Whether the filters have sent their end, such as the close_notify of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    /// Something may still be written.
    NotYet,
    /// The end was sent, behind `before` bytes that waited.
    Done { before: usize },
}

/// The failure of the filters of a connection.
pub(in crate::connection) enum Failed {
    /// A truncation: the connection is lost.
    AtEnd(Failure),
    Otherwise(Failure),
}

impl Filtered {
    pub(in crate::connection) fn new(peer: Address, waker: FilterWaker) -> Self {
        Self {
            engine: None,
            next: None,
            plain: Output::default(),
            up: None,
            carries_plain: false,
            finish: Finish::NotYet,
            failure: None,
            has_failed: false,
            end_is_told: false,
            surroundings: Rc::new(Surroundings { peer, waker }),
            timer: None,
            opening: None,
            on_open: None,
        }
    }

    /// Whether the filters are open and no other one is about to be put in.
    pub(super) fn is_open(&self) -> bool {
        self.next.is_none() && self.engine.as_ref().is_some_and(|engine| engine.is_open())
    }

    /// Whether the filters have said that they will deliver nothing more.
    pub(super) fn has_ended(&self) -> bool {
        self.engine
            .as_ref()
            .is_some_and(|engine| engine.has_ended())
    }

    pub(super) fn wake_at(&self) -> Option<Duration> {
        self.engine.as_ref().and_then(|engine| engine.wake_at())
    }
}

impl Failed {
    /// The failure, and why the connection ends.
    pub(in crate::connection) fn reason(self) -> (Failure, ConnectionClosed) {
        match self {
            Self::AtEnd(failure) => {
                let error = failure.clone().into_error();
                let lost = io::Error::new(io::ErrorKind::UnexpectedEof, error);
                (failure, ConnectionClosed::Lost(lost))
            }
            Self::Otherwise(failure) => (failure.clone(), ConnectionClosed::Failed(failure)),
        }
    }
}
