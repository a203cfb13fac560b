//! The Deferred under test: the one file that says which it is.
//!
//! The callbacks of a program capture nothing but a [`Shared`], plain data and what
//! is named here. So another flavour of Deferred is another file like this one.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

pub(crate) use deferred::{DeferredHandle as Handle, Pause, State, maybe_deferred};

use super::real::Value;

pub(crate) type Deferred = deferred::Deferred<Value>;
pub(crate) type Trigger = deferred::Trigger<Value>;
pub(crate) type WeakTrigger = deferred::WeakTrigger<Value>;

/// State that a program's callbacks share.
pub(crate) struct Shared<T>(Rc<RefCell<T>>);

/// One that does not keep it alive.
pub(crate) struct WeakShared<T>(Weak<RefCell<T>>);

impl<T> Shared<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Rc::new(RefCell::new(value)))
    }

    /// Reaches the state. `f` neither calls nor drops anything of the Deferred's:
    /// what has to be dropped it gives back.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.0.borrow_mut())
    }

    pub(crate) fn downgrade(&self) -> WeakShared<T> {
        WeakShared(Rc::downgrade(&self.0))
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T> WeakShared<T> {
    pub(crate) fn upgrade(&self) -> Option<Shared<T>> {
        self.0.upgrade().map(Shared)
    }
}
