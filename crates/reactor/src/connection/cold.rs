//! Cold state: rarely used state of a connection, in one box that is allocated on first use, so
//! that an idle connection stays small.
//!
//! At the end of a connection, `ConnectionSource::finish` has the box taken out and calls
//! [`ColdState::finish`]; at a switch of protocols, the next source takes it over.

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

/// Default of the close timeout: a closing connection is aborted when its peer has taken no output
/// for this long.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Cell of a [`ColdState`], in each connection.
/// [`Flags::HAS_COLD_STATE`](super::flags::Flags::HAS_COLD_STATE) is set when the box is made, so
/// that the hot path need not look here.
#[derive(Default)]
pub(super) struct ColdCell {
    cold: RefCell<Option<Box<ColdState>>>,
}

/// Arguments of `AnySource::open_span`, kept while the filters with which a connection
/// begins are not open yet: only after that is the peer's address known (PROXY headers), and
/// `connection_made` called.
pub(super) struct Opening {
    /// Sequence number of the connection in its loop, for its span in the log.
    pub(super) number: u64,
    pub(super) on_close: Option<OnClose>,
}

#[derive(Default)]
pub(super) struct ColdState {
    /// `Some` while the filters with which the connection begins are not open.
    pub(super) opening: Option<Opening>,
    /// The failure of one of these filters, for `on_open` or the log.
    pub(super) opening_failure: Option<Failure>,
    /// The connection's span in the log, if there is a subscriber for it.
    pub(super) span: Option<Span>,
    pub(super) producer: Option<Producer>,
    /// The push producer is paused. Set when more output than the high-water mark waits; cleared
    /// when at most half of it waits, and when a producer is registered.
    pub(super) producer_is_paused: bool,
    /// Triggers of `drained` and `ready`.
    pub(super) waiters: WaitList<Until>,
    /// Triggers of `closed`.
    pub(super) closed: WaitList<(), ConnectionClosed>,
    /// The pump that gets the input instead of the protocol. The connection that is read owns it;
    /// it refers to both of its connections weakly, so there is no reference cycle.
    pub(super) pump: Option<Rc<dyn Pump>>,
    /// Pumps that write to this connection, each owned by the connection that it reads. `broken`
    /// informs them of the end of this connection.
    pub(super) pumped_from: Vec<Weak<dyn Pump>>,
    pub(super) on_close: Option<OnClose>,
    pub(super) close_timeout: CloseTimeout,
    /// The close timeout or stall timeout that runs: see `progress`. `None` while neither applies,
    /// and while `end_if_stalled` runs, which has taken it out.
    pub(super) watch: Option<Watch>,
    /// `None` without an idle timeout, and while `close_if_idle` runs, which has taken it out.
    pub(super) idle: Option<Idle>,
    /// The timers and waits of the protocol, which are cancelled when the connection ends.
    pub(super) cancel_on_close: CancelSet,
    /// Hands the connection to another protocol: see `switching`.
    pub(super) switch: Option<Switch>,
}

/// Called by `ConnectionSource::switch` after the handler that has asked for the switch has
/// returned, because the switch moves the protocol's state, which a handler borrows.
pub(super) type Switch = Box<dyn FnOnce()>;

/// Gets the reason for the end of a connection, after the protocol's `connection_lost`.
pub(crate) type OnClose = Box<dyn FnOnce(ConnectionClosed)>;

/// State of the output that a waiter waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// No output waits to be sent.
    Drained,
    /// At most the high-water mark waits; or at most half of it, if more than the mark has waited,
    /// so that a writer does not stop and start with each send.
    Ready,
}

/// A pump from one connection, the source, to another, the sink. A trait, so that this file does
/// not import the type, which refers to connections, and so to this state.
pub(super) trait Pump {
    /// Writes input of the source to the sink.
    fn forward(&self, bytes: &[u8]);
    /// The sink has room again: ends the pause, and has the loop read from the source.
    fn go_on(&self);
    /// Ends this pump's pause of the source, if it has paused it. Called by `go_on`; when another
    /// pump takes the place of this one; and for the last input, after a send has failed.
    fn end_pause(&self);
    /// Ends the sink's output: the peer of the source has finished sending.
    fn finish(&self);
    /// One of the two connections is over: closes the other one, and fails the Deferred of `pump`.
    fn broken(&self, reason: &ConnectionClosed);
}

/// With `None`, a close waits for the peer without a limit.
pub(super) struct CloseTimeout(pub(super) Option<Duration>);

impl Default for CloseTimeout {
    fn default() -> Self {
        Self(Some(CLOSE_TIMEOUT))
    }
}

/// Watch on a peer that has to take output in time: see `progress`. Times are of the loop's clock.
pub(super) struct Watch {
    /// Time at which the peer has last taken output, or the watch began.
    pub(super) since: Duration,
    /// Time at which `look` is due.
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
    /// Time on the loop's clock at which bytes were last received or sent, or the timeout was set.
    pub(super) since: Duration,
    pub(super) look: DelayedCall,
}

impl Idle {
    pub(super) fn cancel(self) {
        self.look.cancel();
    }
}

impl ColdCell {
    /// Calls `f` with the state, which is made if there is none. `f` must not run user code,
    /// because the cell is borrowed.
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut ColdState) -> R) -> R {
        f(self.cold.borrow_mut().get_or_insert_default())
    }

    /// As [`with`](Self::with), but returns `None` if there is no state.
    pub(super) fn look<R>(&self, f: impl FnOnce(&mut ColdState) -> Option<R>) -> Option<R> {
        self.cold.borrow_mut().as_deref_mut().and_then(f)
    }

    /// Takes the state at the end of the connection, or for the next protocol's source.
    pub(super) fn take(&self) -> Option<Box<ColdState>> {
        self.cold.take()
    }

    pub(super) fn put(&self, cold: Option<Box<ColdState>>) {
        self.cold.replace(cold);
    }

    #[inline]
    pub(super) fn span(&self) -> Option<Span> {
        // A clone, so that the cell is not borrowed while the span is entered: a handler runs then.
        self.cold.borrow().as_ref()?.span.clone()
    }
}

/// The span of a connection in the log, if a subscriber records it.
pub(super) fn new_span(number: u64, peer: &Address, protocol: &'static str) -> Option<Span> {
    let span = tracing::debug_span!(
        target: "reactor",
        "connection",
        number,
        %peer,
        protocol
    );
    // Without a subscriber, a connection needs no box for its span.
    (!span.is_disabled()).then_some(span)
}

/// Stops a producer whose connection is over, and drops it. Both run user code.
pub(super) fn end_producer(mut producer: Producer) {
    // Contained one by one, so that a panic of `stop` does not skip the drop.
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

    /// Whether [`finish`](Self::finish) uses the reason. A caller clones it only then, because
    /// `connection_lost` takes it.
    pub(super) fn needs_reason(&self) -> bool {
        self.on_close.is_some()
            || self.pump.is_some()
            || !self.pumped_from.is_empty()
            || !self.closed.is_empty()
    }

    /// Ends everything in the box, since the connection is over: cancels timers and waits, stops
    /// the producer, fires the waiters. `reason` is `Some` if it
    /// [`needs_reason`](Self::needs_reason).
    ///
    /// This runs user code. The connection is `CLOSED` and the box was taken out of its cell, so
    /// that code can add nothing here.
    pub(super) fn finish(self: Box<Self>, reason: Option<ConnectionClosed>) {
        // Fields are moved out one by one, and each is dropped when its turn comes.
        let cold = *self;
        // The order is a promise: first, the waits that cannot succeed any more end; last, the
        // callbacks that get the reason run. So those callbacks find no timer or producer of the
        // connection.
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
            // Errs only if a callback of an earlier waiter has cancelled this one.
            let _ = trigger.errback(Gone);
        }
        if let Some(reason) = reason {
            // If the source connection of a pump is over, the pump is gone, and its weak reference
            // gives `None`.
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
                // Errs only if a callback of an earlier waiter has cancelled this one.
                let _ = trigger.callback(reason.clone());
            }
        }
    }
}
