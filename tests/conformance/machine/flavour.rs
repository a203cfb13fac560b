//! The Deferred under test: the one place that says which it is.
//!
//! The rest of the machine uses these names only, and captures nothing in a
//! callback but a [`Shared`] and plain data. So another flavour of Deferred is
//! another file like this one: `flavour_sync.rs`.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

pub(super) use deferred::{
    DeferredHandle as Handle, DeferredList, DeferredLock, DeferredSemaphore, DelayedCall,
    LockGuard, LoopingCall, Pause, Permit, State, VirtualClock as Clock, defer_later, fail,
    maybe_deferred, race, sleep, succeed,
};

pub(super) type Deferred = deferred::Deferred<i64>;
pub(super) type Pending<T> = deferred::Deferred<T>;
pub(super) type DeferredQueue = deferred::DeferredQueue<i64>;
pub(super) type Trigger = deferred::Trigger<i64>;
pub(super) type PendingTrigger<T> = deferred::Trigger<T>;
pub(super) type Result = deferred::Result<i64>;

/// State that the program's callbacks share.
pub(super) struct Shared<T>(Rc<RefCell<T>>);

impl<T> Shared<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Rc::new(RefCell::new(value)))
    }

    /// Reaches the state. `f` neither calls nor drops anything of the Deferred's:
    /// what has to be dropped it gives back.
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.0.borrow_mut())
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

/// One tick of a program's clock.
const TICK: Duration = Duration::from_millis(125);

pub(super) fn ticks(count: u64) -> Duration {
    TICK.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
}

pub(super) fn in_ticks(time: Duration) -> u64 {
    (time.as_nanos() / TICK.as_nanos()) as u64
}
