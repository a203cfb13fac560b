//! State of the filters of a connection: plain values, which `filtered` moves from one to the next.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use deferred::{DelayedCall, Failure, Result, Trigger};

use crate::address::Address;
use crate::connection::output::Output;
use crate::core::Spare;
use crate::error::ConnectionClosed;
use crate::filter::{Engine, Filter, FilterWaker};

/// Called once the filters that a connection begins with are open and `connection_made` has
/// returned, or with why that does not happen.
pub(crate) type OnOpen = Box<dyn FnOnce(Result<()>)>;

/// The filters of one connection.
pub(in crate::connection) struct Filtered {
    /// `None` before the first one is started, while it runs, and once it has failed.
    pub(super) engine: Option<Box<Engine>>,
    /// A filter that was put in and is not started: it already gets the output, but not the input.
    pub(super) next: Option<Next>,
    /// Output that no filter has taken yet.
    pub(super) plain: Output,
    /// Input that the filters have delivered and the framing has not got yet. `None` if there is
    /// none, so that an idle connection has no buffer.
    pub(super) up: Option<Spare>,
    /// The output that waits to be sent may have bytes of the protocol in it, and not only of the
    /// filters. Set when a filter takes bytes, cleared when nothing waits.
    pub(super) carries_plain: bool,
    pub(super) finish: Finish,
    /// The filters have failed, and the failure has not been reported yet.
    pub(super) failure: Option<Failed>,
    /// Set with the failure, never cleared: the filters are called no more.
    pub(super) has_failed: bool,
    /// The protocol got the end of the input. Set by the source, never cleared.
    pub(in crate::connection) end_is_told: bool,
    pub(super) surroundings: Rc<Surroundings>,
    /// The time at which a filter wants to be called, and the call.
    pub(super) timer: Option<(Duration, DelayedCall)>,
    /// Waits for a filter to be open that was put in.
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
    /// Written before, for the filters below.
    pub(super) unsent: Vec<u8>,
}

/// Whether the filters have sent what stands at the end.
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
