//! `WaitList`: triggers of Deferreds that wait for something, in the order in which they
//! came. A Deferred that is cancelled leaves its list at once, so that a wait with a
//! timeout, repeated, takes no memory while the event does not come.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use deferred::{Deferred, Trigger};

/// The triggers of those that wait, each with a note: what it waits for, say. It takes no
/// memory before the first one.
pub(crate) struct WaitList<N: 'static, T: 'static = ()> {
    inner: OnceCell<Rc<RefCell<Inner<N, T>>>>,
}

struct Inner<N, T: 'static> {
    next: u64,
    waiting: BTreeMap<u64, (N, Trigger<T>)>,
}

impl<N, T: 'static> Default for Inner<N, T> {
    fn default() -> Self {
        Self {
            next: 0,
            waiting: BTreeMap::new(),
        }
    }
}

impl<N: 'static, T: 'static> Default for WaitList<N, T> {
    fn default() -> Self {
        Self {
            inner: OnceCell::new(),
        }
    }
}

impl<N: 'static, T: 'static> WaitList<N, T> {
    pub(crate) fn is_empty(&self) -> bool {
        let inner = self.inner.get();
        inner.is_none_or(|inner| inner.borrow().waiting.is_empty())
    }

    /// Adds one to the end. `on_left` is called when it was cancelled and has left.
    #[track_caller]
    pub(crate) fn add(&self, note: N, on_left: impl FnOnce() + 'static) -> Deferred<T> {
        let shared = self.inner.get_or_init(Rc::default);
        let list = Rc::downgrade(shared);
        let mut inner = shared.borrow_mut();
        let number = inner.next;
        inner.next += 1;
        let (trigger, deferred) = Deferred::with_canceller(move |_trigger| {
            if let Some(list) = list.upgrade() {
                let left = list.borrow_mut().waiting.remove(&number);
                drop(left);
                on_left();
            }
        });
        inner.waiting.insert(number, (note, trigger));
        deferred
    }

    /// Takes out those whose note `is_due`. They are fired by the caller, when nothing is
    /// borrowed: what they call may wait again.
    pub(crate) fn take_due(&self, mut is_due: impl FnMut(&N) -> bool) -> Vec<Trigger<T>> {
        let Some(inner) = self.inner.get() else {
            return Vec::new();
        };
        let waiting = &mut inner.borrow_mut().waiting;
        let due = waiting.extract_if(.., |_number, (note, _trigger)| is_due(note));
        due.map(|(_number, (_note, trigger))| trigger).collect()
    }

    pub(crate) fn take_all(&self) -> Vec<Trigger<T>> {
        self.take_due(|_note| true)
    }
}
