//! `Ledger`: what has happened in a run, and what should not have.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// What has happened in the run of a seed. Assertions within the loop would be contained as panics
/// of a handler, so they are notes here.
#[derive(Default)]
pub(crate) struct Ledger {
    violations: RefCell<Vec<String>>,
    counts: RefCell<BTreeMap<&'static str, usize>>,
    trace: RefCell<Vec<String>>,
    /// How often a request has reached a handler, by its number.
    handled: RefCell<BTreeMap<u64, usize>>,
    /// Handlers that run.
    live: Cell<usize>,
    /// Set when the front site begins to finish.
    pub(crate) is_finishing: Cell<bool>,
    pub(crate) rooms: RefCell<BTreeMap<String, Vec<u64>>>,
    /// What each member of a room should have got, and has got.
    pub(crate) expected: RefCell<BTreeMap<u64, Vec<String>>>,
    pub(crate) received: RefCell<BTreeMap<u64, Vec<String>>>,
    /// Members for which one of the sides has said that it is over: the server's, the client's.
    pub(crate) left: RefCell<BTreeMap<u64, [usize; 2]>>,
}

impl Ledger {
    pub(crate) fn violation(&self, text: String) {
        self.violations.borrow_mut().push(text);
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.violations.borrow().clone()
    }

    pub(crate) fn count(&self, event: &'static str) {
        *self.counts.borrow_mut().entry(event).or_default() += 1;
    }

    pub(crate) fn counts(&self) -> BTreeMap<&'static str, usize> {
        self.counts.borrow().clone()
    }

    pub(crate) fn note(&self, text: String) {
        self.trace.borrow_mut().push(text);
    }

    pub(crate) fn trace(&self) -> Vec<String> {
        self.trace.borrow().clone()
    }

    /// A handler gets the request with this number.
    pub(crate) fn begin(self: &Rc<Self>, number: u64) -> Live {
        *self.handled.borrow_mut().entry(number).or_default() += 1;
        self.live.set(self.live.get() + 1);
        Live(Rc::clone(self))
    }

    pub(crate) fn handled(&self, number: u64) -> usize {
        self.handled
            .borrow()
            .get(&number)
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn live(&self) -> usize {
        self.live.get()
    }
}

/// A handler that runs.
pub(crate) struct Live(Rc<Ledger>);

impl Drop for Live {
    fn drop(&mut self) {
        self.0.live.set(self.0.live.get() - 1);
    }
}

/// The content of the answer with this number.
pub(crate) fn content(number: u64, length: usize) -> Vec<u8> {
    format!("{number};")
        .into_bytes()
        .into_iter()
        .cycle()
        .take(length)
        .collect()
}
