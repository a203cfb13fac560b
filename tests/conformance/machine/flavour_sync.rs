//! The other Deferred under test: as `flavour.rs`, for the thread-safe one.

use std::sync::{Arc, Mutex, PoisonError};

pub(super) use deferred::State;
pub(super) use deferred::sync::{
    DeferredHandle as Handle, DeferredList, DeferredLock, DeferredSemaphore, LockGuard, Pause,
    Permit, fail, maybe_deferred, race, succeed,
};

pub(super) type Deferred = deferred::sync::Deferred<i64>;
pub(super) type Pending<T> = deferred::sync::Deferred<T>;
pub(super) type DeferredQueue = deferred::sync::DeferredQueue<i64>;
pub(super) type Trigger = deferred::sync::Trigger<i64>;
pub(super) type PendingTrigger<T> = deferred::sync::Trigger<T>;
pub(super) type Result = deferred::Result<i64>;

/// State that the program's callbacks share.
pub(super) struct Shared<T>(Arc<Mutex<T>>);

impl<T> Shared<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Arc::new(Mutex::new(value)))
    }

    /// Reaches the state. `f` neither calls nor drops anything of the Deferred's:
    /// what has to be dropped it gives back.
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
