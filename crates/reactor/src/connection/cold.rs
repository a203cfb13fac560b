//! What most connections have none of, in one box, so that the others are small.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use deferred::Failure;

use tracing::Span;

use super::progress::{CloseTimeout, Watch};
use super::pump::Pump;
use super::source::OnClose;
use crate::address::Address;
use crate::cancel_on_close::CancelSet;
use crate::error::{ConnectionClosed, Gone};
use crate::panics::contain;
use crate::producer::{Producer, PushProducer};
use crate::wait_list::WaitList;

#[derive(Default)]
pub(super) struct ColdCell {
    cold: RefCell<Option<Box<ColdState>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// Nothing waits to be sent.
    Drained,
    /// So little waits that more may be written.
    Ready,
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
    pub(super) span: Option<Span>,
    pub(super) producer: Option<Producer>,
    /// It has been told to wait.
    pub(super) producer_is_paused: bool,
    pub(super) waiters: WaitList<Until>,
    /// What comes in goes there.
    pub(super) pump: Option<Rc<dyn Pump>>,
    /// What is to be sent comes from there.
    pub(super) pumped_from: Option<Weak<dyn Pump>>,
    pub(super) on_close: Option<OnClose>,
    pub(super) close_timeout: CloseTimeout,
    pub(super) watch: Option<Watch>,
    pub(super) cancel_on_close: CancelSet,
}

impl ColdCell {
    /// Calls `f`, which runs nothing of a user's, with them.
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut ColdState) -> R) -> R {
        f(self.cold.borrow_mut().get_or_insert_default())
    }

    /// The same, if there are any.
    pub(super) fn look<R>(&self, f: impl FnOnce(&mut ColdState) -> Option<R>) -> Option<R> {
        self.cold.borrow_mut().as_deref_mut().and_then(f)
    }

    pub(super) fn take(&self) -> Option<Box<ColdState>> {
        self.cold.take()
    }

    #[inline]
    pub(super) fn span(&self) -> Option<Span> {
        self.cold.borrow().as_ref()?.span.clone()
    }
}

/// What tells of a connection, if anybody listens.
pub(super) fn open_span<P>(number: u64, peer: &Address) -> Option<Span> {
    let span = tracing::debug_span!(
        target: "reactor",
        "connection",
        number,
        %peer,
        protocol = std::any::type_name::<P>()
    );
    (!span.is_disabled()).then_some(span)
}

pub(super) fn end_producer(mut producer: Producer) {
    contain("a producer", || producer.stop());
    contain("a producer's drop", || drop(producer));
}

impl ColdState {
    /// The producer, if it is one that writes by itself.
    pub(super) fn push_producer(&self) -> Option<Rc<dyn PushProducer>> {
        match &self.producer {
            Some(Producer::Push(push)) => Some(Rc::clone(push)),
            _ => None,
        }
    }

    pub(super) fn needs_reason(&self) -> bool {
        self.on_close.is_some() || self.pump.is_some() || self.pumped_from.is_some()
    }

    /// The connection is over: cancels, stops and tells.
    pub(super) fn finish(self: Box<Self>, reason: Option<ConnectionClosed>) {
        let cold = *self;
        cold.cancel_on_close.cancel();
        if let Some(watch) = cold.watch {
            watch.cancel();
        }
        if let Some(producer) = cold.producer {
            end_producer(producer);
        }
        for trigger in cold.waiters.take_all() {
            // Errs only if another of these has just cancelled it.
            let _ = trigger.errback(Gone);
        }
        if let Some(reason) = reason {
            let from = cold.pumped_from.and_then(|pump| pump.upgrade());
            for pump in cold.pump.into_iter().chain(from) {
                pump.broken(&reason);
            }
            if let Some(on_close) = cold.on_close {
                contain("who is told of the end of a connection", || {
                    on_close(reason);
                });
            }
        }
    }
}
