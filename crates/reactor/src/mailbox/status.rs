//! Status of a mailbox: whether its owner is closed, and what is cancelled with it.

use std::cell::{Cell, RefCell};

use crate::cancel_on_close::CancelSet;

/// State of a mailbox, which each type of owner stores in its own way: a connection in its flags,
/// so that they can be tested together.
pub(crate) trait MailboxStatus {
    /// Whether the owner is closed: further requests have no effect.
    fn is_closed(&self) -> bool;

    /// Whether the owner is in the loop's run queue.
    fn is_queued(&self) -> bool;

    fn set_queued(&self, is_queued: bool);

    /// Calls `f` with the set. `f` must not run user code.
    fn with_cancel_set<R>(&self, f: impl FnOnce(&mut CancelSet) -> R) -> R;
}

/// A [`MailboxStatus`] in separate cells.
#[derive(Default)]
pub(crate) struct PlainStatus {
    // Set by `close_with`, never cleared.
    pub(super) is_closed: Cell<bool>,
    // Set by `touch`, cleared when the loop runs the owner.
    is_queued: Cell<bool>,
    pub(super) cancel_on_close: RefCell<CancelSet>,
}

impl MailboxStatus for PlainStatus {
    fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    fn is_queued(&self) -> bool {
        self.is_queued.get()
    }

    fn set_queued(&self, is_queued: bool) {
        self.is_queued.set(is_queued);
    }

    fn with_cancel_set<R>(&self, f: impl FnOnce(&mut CancelSet) -> R) -> R {
        f(&mut self.cancel_on_close.borrow_mut())
    }
}
