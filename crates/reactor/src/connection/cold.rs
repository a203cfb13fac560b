//! Cold state: what few connections have, in one box that is allocated on first use, so that
//! an idle connection stays small.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::Duration;

use deferred::{DelayedCall, Failure};
use tracing::Span;

use crate::address::Address;
use crate::cancel_on_close::CancelSet;
use crate::error::{ConnectionClosed, Gone};
use crate::panics::contain;
use crate::producer::{Producer, PushProducer};
use crate::wait_list::WaitList;

/// How long a closing connection waits for a peer that takes nothing, unless that is set.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Place of a [`ColdState`]. [`Flags::HAS_COLD_STATE`](super::flags::Flags::HAS_COLD_STATE)
/// says whether there is one.
#[derive(Default)]
pub(super) struct ColdCell {
    cold: RefCell<Option<Box<ColdState>>>,
}

/// What a connection keeps until the filters that it begins with are open.
pub(super) struct Opening {
    pub(super) number: u64,
    pub(super) on_close: Option<OnClose>,
}

#[derive(Default)]
pub(super) struct ColdState {
    pub(super) opening: Option<Opening>,
    /// Why those filters have failed.
    pub(super) opening_failure: Option<Failure>,
    /// The connection's span in the log, if there is a subscriber for it.
    pub(super) span: Option<Span>,
    pub(super) producer: Option<Producer>,
    /// The push producer was paused, and not resumed since. Set when more than the high-water
    /// mark waits, cleared at half of it, and when a producer is registered.
    pub(super) producer_is_paused: bool,
    /// Triggers of `drained` and `ready`.
    pub(super) waiters: WaitList<Until>,
    /// Triggers of `closed`.
    pub(super) closed: WaitList<(), ConnectionClosed>,
    /// Input goes there, and not to the protocol. Owned here, by the reader; the pump refers to
    /// both of its connections weakly, so there is no circle.
    pub(super) pump: Option<Rc<dyn Pump>>,
    /// Pumps of other connections, whose output comes here: they hear of the end.
    pub(super) pumped_from: Vec<Weak<dyn Pump>>,
    pub(super) on_close: Option<OnClose>,
    pub(super) close_timeout: CloseTimeout,
    /// `None` while the peer need not take anything, and while `end_if_stalled` runs.
    pub(super) watch: Option<Watch>,
    /// `None` without an idle timeout, and while `close_if_idle` runs.
    pub(super) idle: Option<Idle>,
    pub(super) cancel_on_close: CancelSet,
    /// Hands the connection to another protocol: see `switching`.
    pub(super) switch: Option<Switch>,
}

/// Runs when no handler does.
pub(super) type Switch = Box<dyn FnOnce()>;

/// Gets the reason of the end of a connection, after the protocol.
pub(crate) type OnClose = Box<dyn FnOnce(ConnectionClosed)>;

/// What a waiter waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// Nothing waits to be sent.
    Drained,
    /// At most the high-water mark waits; once more has waited, at most half of it.
    Ready,
}

/// What the bytes of a connection go to, instead of its protocol.
pub(super) trait Pump {
    fn forward(&self, bytes: &[u8]);
    /// There is room again.
    fn go_on(&self);
    /// Ends the pause of reading that waits for room.
    fn end_pause(&self);
    /// The peer has finished sending.
    fn finish(&self);
    /// One of the two connections is over.
    fn broken(&self, reason: &ConnectionClosed);
}

/// `None` lets a close take for ever.
pub(super) struct CloseTimeout(pub(super) Option<Duration>);

impl Default for CloseTimeout {
    fn default() -> Self {
        Self(Some(CLOSE_TIMEOUT))
    }
}

/// Watch on a peer that has to take output in time: see `progress`.
pub(super) struct Watch {
    /// When the peer has last taken something, or the watch began.
    pub(super) since: Duration,
    /// When to look again.
    pub(super) look_at: Duration,
    pub(super) look: DelayedCall,
}

impl Watch {
    pub(super) fn cancel(self) {
        self.look.cancel();
    }
}

/// An idle timeout that is set: see `idle`.
pub(super) struct Idle {
    pub(super) timeout: Duration,
    /// When something was last received or sent, or the timeout was set.
    pub(super) since: Duration,
    pub(super) look: DelayedCall,
}

impl Idle {
    pub(super) fn cancel(self) {
        self.look.cancel();
    }
}

impl ColdCell {
    /// Calls `f`, which runs no code of users, with the state; makes it first if need be.
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut ColdState) -> R) -> R {
        f(self.cold.borrow_mut().get_or_insert_default())
    }

    /// As [`with`](Self::with), if there is a state.
    pub(super) fn look<R>(&self, f: impl FnOnce(&mut ColdState) -> Option<R>) -> Option<R> {
        self.cold.borrow_mut().as_deref_mut().and_then(f)
    }

    pub(super) fn take(&self) -> Option<Box<ColdState>> {
        self.cold.take()
    }

    pub(super) fn put(&self, cold: Option<Box<ColdState>>) {
        self.cold.replace(cold);
    }

    #[inline]
    pub(super) fn span(&self) -> Option<Span> {
        self.cold.borrow().as_ref()?.span.clone()
    }
}

/// The span of a connection in the log, if there is a subscriber for it.
pub(super) fn open_span<P>(number: u64, peer: &Address) -> Option<Span> {
    let span = tracing::debug_span!(
        target: "reactor",
        "connection",
        number,
        %peer,
        protocol = std::any::type_name::<P>()
    );
    // Without a subscriber, the connection needs no cold state for it.
    (!span.is_disabled()).then_some(span)
}

pub(super) fn end_producer(mut producer: Producer) {
    // Each for itself: a panic of the first must not leave out the second.
    contain("a producer", || producer.stop());
    contain("a producer's drop", || drop(producer));
}

impl ColdState {
    /// The producer, if it is a push producer.
    pub(super) fn push_producer(&self) -> Option<Rc<dyn PushProducer>> {
        match &self.producer {
            Some(Producer::Push(push)) => Some(Rc::clone(push)),
            _ => None,
        }
    }

    pub(super) fn needs_reason(&self) -> bool {
        self.on_close.is_some()
            || self.pump.is_some()
            || !self.pumped_from.is_empty()
            || !self.closed.is_empty()
    }

    /// Cancels, stops and fires all of it, since the connection is over. `reason` is there if
    /// it [`needs_reason`](Self::needs_reason).
    ///
    /// All of it runs code of users, which finds the connection gone: nothing can be added to
    /// what is ended here.
    pub(super) fn finish(self: Box<Self>, reason: Option<ConnectionClosed>) {
        let cold = *self;
        // First what the program waits for in vain, so that nothing of it runs after the news of
        // the end, which come last.
        cold.cancel_on_close.cancel();
        if let Some(watch) = cold.watch {
            watch.cancel();
        }
        if let Some(idle) = cold.idle {
            idle.cancel();
        }
        if let Some(producer) = cold.producer {
            end_producer(producer);
        }
        for trigger in cold.waiters.take_all() {
            // Errs only if another of these has just cancelled it.
            let _ = trigger.errback(Gone);
        }
        if let Some(reason) = reason {
            let from = cold.pumped_from.iter().filter_map(Weak::upgrade);
            for pump in cold.pump.into_iter().chain(from) {
                pump.broken(&reason);
            }
            if let Some(on_close) = cold.on_close {
                let reason = reason.clone();
                contain("a callback for the end of a connection", || {
                    on_close(reason);
                });
            }
            for trigger in cold.closed.take_all() {
                // Errs only if another of these has just cancelled it.
                let _ = trigger.callback(reason.clone());
            }
        }
    }
}
