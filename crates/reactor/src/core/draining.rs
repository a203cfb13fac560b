//! Draining: at a stop, connections and children may be sent what was written before, for a
//! limited time.
//!
//! A handler that has written something may rely on it that this is sent, and the peer may
//! be slow. So a source that has something to send does not end with the others: it begins to
//! close, and the shutdown waits until all of these are over, or the timeout is.

use std::collections::HashSet;
use std::rc::Rc;

use deferred::{Deferred, succeed};

use super::Core;
use super::state::{Draining, Lifecycle};
use crate::panics::contain;
use crate::poll::Key;

impl Core {
    /// Closes all sources but the loop's own: at once those that have nothing to send. The Deferred
    /// fires when the others have ended, too.
    pub(super) fn disconnect_all(self: &Rc<Self>) -> Deferred<()> {
        let may_wait = !self.shutdown_timeout.get().is_zero();
        let drained = self.begin_draining();
        // A copy of the list, since sources leave the registry when they end.
        for (key, source) in self.registry.all_with_keys() {
            if source.is_internal() {
                continue;
            }
            let mut is_waited_for = false;
            if may_wait {
                let source = Rc::clone(&source);
                contain("what begins to close", || {
                    is_waited_for = source.begin_to_close();
                });
            }
            if !is_waited_for {
                contain("what was shut down", || source.shut_down());
            } else if let Some(draining) = &mut *self.draining.borrow_mut() {
                draining.left.insert(key);
            }
        }
        if self.state.get() != Lifecycle::ShuttingDown {
            // A handler has called `crash`, which has dropped the trigger of this.
            return drained;
        }
        let is_drained = match &*self.draining.borrow() {
            Some(draining) => draining.left.is_empty(),
            None => true,
        };
        if is_drained {
            // First: the next line drops its trigger.
            drained.ignore();
            self.forget_draining();
            return succeed(());
        }
        self.state.set(Lifecycle::Draining);
        drained
    }

    /// Has `is_over` take note of sources that end.
    fn begin_draining(self: &Rc<Self>) -> Deferred<()> {
        // Weak, because the core owns its timers.
        let core = Rc::downgrade(self);
        let timeout = self
            .timers
            .call_later(self.shutdown_timeout.get(), move || {
                if let Some(core) = core.upgrade() {
                    core.give_up_draining();
                }
            });
        let (done, drained) = Deferred::pair();
        self.draining.replace(Some(Draining {
            left: HashSet::new(),
            done,
            timeout,
        }));
        drained
    }

    /// Notes that the source under `key` has ended, which the shutdown may wait for.
    pub(crate) fn is_over(&self, key: Key) {
        if let Some(draining) = &mut *self.draining.borrow_mut()
            && draining.left.remove(&key)
            && draining.left.is_empty()
            && self.state.get() == Lifecycle::Draining
        {
            self.set_drained();
        }
    }

    fn set_drained(&self) {
        self.state.set(Lifecycle::Drained);
        // No event of a descriptor would end the wait.
        self.skips_wait.set(true);
    }

    /// Shuts down the sources that are still closing: the timeout is over.
    fn give_up_draining(&self) {
        let left = match &*self.draining.borrow() {
            // Cloned: shutting a source down calls `is_over`, which borrows the set.
            Some(draining) => draining.left.clone(),
            None => return,
        };
        for key in left {
            if let Some(source) = self.registry.get(key) {
                contain("what was shut down", || source.shut_down());
            }
        }
        if self.state.get() == Lifecycle::Draining {
            self.set_drained();
        }
    }

    /// Resumes the shutdown, since no connection is closing any more.
    #[cold]
    pub(super) fn end_draining(&self) {
        self.state.set(Lifecycle::ShuttingDown);
        if let Some(draining) = self.draining.take() {
            draining.timeout.cancel();
            // `callback` errs if the wait was cancelled; then nothing waits.
            let _ = draining.done.callback(());
        }
    }

    /// Forgets a shutdown that waits: the loop has crashed, or is dropped.
    pub(super) fn forget_draining(&self) {
        if let Some(draining) = self.draining.take() {
            draining.timeout.cancel();
        }
    }
}
