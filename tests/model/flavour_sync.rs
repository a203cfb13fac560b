//! The other Deferred under test: as `flavour.rs`, for the thread-safe one.

use std::sync::{Arc, Weak};

pub(crate) use deferred::State;
pub(crate) use deferred::sync::{DeferredHandle as Handle, Pause, maybe_deferred};
use parking_lot::Mutex;

use super::real::Value;

pub(crate) type Deferred = deferred::sync::Deferred<Value>;
pub(crate) type Trigger = deferred::sync::Trigger<Value>;
pub(crate) type WeakTrigger = deferred::sync::WeakTrigger<Value>;

/// State that a program's callbacks share.
pub(crate) struct Shared<T>(Arc<Mutex<T>>);

/// One that does not keep it alive.
pub(crate) struct WeakShared<T>(Weak<Mutex<T>>);

impl<T> Shared<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Arc::new(Mutex::new(value)))
    }

    /// Reaches the state. `f` neither calls nor drops anything of the Deferred's:
    /// what has to be dropped it gives back.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.0.try_lock().expect("reached from inside itself"))
    }

    pub(crate) fn downgrade(&self) -> WeakShared<T> {
        WeakShared(Arc::downgrade(&self.0))
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> WeakShared<T> {
    pub(crate) fn upgrade(&self) -> Option<Shared<T>> {
        self.0.upgrade().map(Shared)
    }
}
