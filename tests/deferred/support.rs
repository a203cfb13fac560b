//! What the tests record with.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::rc::Rc;

pub(crate) use deferred::assertions::{failure_of as failure, success_result_of as value};
use deferred::unhandled::{self, Unhandled};
use deferred::{Deferred, Failure};

/// An error with a number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Coded(pub(crate) i32);

impl fmt::Display for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error {}", self.0)
    }
}

impl Error for Coded {}

/// The number of a [`Coded`] failure.
pub(crate) fn code(failure: &Failure) -> i32 {
    match failure.downcast_ref() {
        Some(Coded(code)) => *code,
        None => panic!("another failure: {failure:?}"),
    }
}

/// Takes the result of a Deferred that must have it.
pub(crate) fn result<T>(deferred: Deferred<T>) -> deferred::Result<T> {
    deferred
        .into_result()
        .unwrap_or_else(|deferred| panic!("no result yet: {deferred:?}"))
}

/// What happened, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn add(&self, what: impl fmt::Display) {
        self.0.borrow_mut().push(what.to_string());
    }

    /// What happened since this was last asked.
    pub(crate) fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

/// Counts.
#[derive(Clone, Default)]
pub(crate) struct Count(Rc<Cell<usize>>);

impl Count {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn add(&self) {
        self.0.set(self.0.get() + 1);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.get()
    }

    /// Something that counts when it is dropped.
    pub(crate) fn on_drop(&self) -> OnDrop {
        OnDrop(self.clone())
    }
}

pub(crate) struct OnDrop(Count);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.add();
    }
}

/// Something whose drop panics, after counting.
pub(crate) struct PanicOnDrop(pub(crate) Count);

impl Drop for PanicOnDrop {
    fn drop(&mut self) {
        self.0.add();
        panic!("dropped");
    }
}

/// Runs `body`, keeping what it leaves unhandled.
#[derive(Clone, Default)]
pub(crate) struct Reports(Rc<RefCell<Vec<Unhandled>>>);

impl Reports {
    pub(crate) fn during<R>(body: impl FnOnce(&Self) -> R) -> R {
        let reports = Self::default();
        let sink = reports.clone();
        unhandled::with_hook(
            move |unhandled| sink.0.borrow_mut().push(unhandled.clone()),
            || body(&reports),
        )
    }

    /// What was reported since this was last asked.
    pub(crate) fn take(&self) -> Vec<Unhandled> {
        self.0.take()
    }

    pub(crate) fn messages(&self) -> Vec<String> {
        let reports = self.take();
        reports
            .iter()
            .map(|unhandled| unhandled.failure().message())
            .collect()
    }
}
