//! `WaitList`: FIFO list of triggers whose Deferreds wait for an event. A cancelled Deferred leaves
//! its list at once, so that repeated waits with a timeout do not use more and more memory while
//! the event does not happen.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use deferred::{Deferred, Trigger};

/// Triggers of waiting Deferreds, each with a note, such as the event for which it waits. The list
/// is allocated by the first `add`: most connections never have a waiter.
///
/// Notes are plain data: [`take_due`](Self::take_due) drops them while the list is borrowed.
pub(crate) struct WaitList<N: 'static, T: 'static = ()> {
    /// Shared with the cancellers, which refer to it weakly: the list owns the triggers, and these
    /// own the cancellers, so strong references would be a cycle.
    inner: OnceCell<Rc<RefCell<Inner<N, T>>>>,
}

struct Inner<N, T: 'static> {
    /// Number of the next waiter. Never used twice, so that a canceller removes its own waiter.
    next: u64,
    /// The waiters by number, which is the order of `add`, so that a cancel finds its waiter
    /// quickly.
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

    /// Adds a waiter at the end, and returns its Deferred. If the Deferred is cancelled while the
    /// list exists, the waiter is removed, and then `on_left` is called.
    #[track_caller]
    pub(crate) fn add(&self, note: N, on_left: impl FnOnce() + 'static) -> Deferred<T> {
        let shared = self.inner.get_or_init(Rc::default);
        // Weak, because the list owns the trigger, and with it this canceller.
        let list = Rc::downgrade(shared);
        // The borrow may last until the end, because nothing below runs user code.
        let mut inner = shared.borrow_mut();
        let number = inner.next;
        inner.next += 1;
        let (trigger, deferred) = Deferred::with_canceller(move |_trigger| {
            if let Some(list) = list.upgrade() {
                let left = list.borrow_mut().waiting.remove(&number);
                // The borrow has ended, because this drop and `on_left` may use the list.
                drop(left);
                on_left();
            }
        });
        inner.waiting.insert(number, (note, trigger));
        deferred
    }

    /// Takes out the triggers for whose notes `is_due` returns `true`, the oldest first. The caller
    /// must fire them with nothing borrowed, because their callbacks may add waiters. `is_due` must
    /// not use the list, which is borrowed.
    pub(crate) fn take_due(&self, mut is_due: impl FnMut(&N) -> bool) -> Vec<Trigger<T>> {
        let Some(inner) = self.inner.get() else {
            return Vec::new();
        };
        let waiting = &mut inner.borrow_mut().waiting;
        let due = waiting.extract_if(.., |_number, (note, _trigger)| is_due(note));
        due.map(|(_number, (_note, trigger))| trigger).collect()
    }

    /// Takes out all triggers, like [`take_due`](Self::take_due).
    pub(crate) fn take_all(&self) -> Vec<Trigger<T>> {
        self.take_due(|_note| true)
    }
}
