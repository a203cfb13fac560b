//! Draining: at a stop, output that was written to connections and child processes is still sent,
//! for a limited time.
//!
//! A handler may rely on its output being sent, but the peer may be slow. So a source with unsent
//! output does not end at once, but begins to close, and the shutdown waits until all such sources
//! have ended, or until the timeout.

use std::collections::HashSet;
use std::rc::Rc;

use deferred::{Deferred, succeed};

use super::Core;
use super::state::{Draining, Lifecycle};
use crate::panics::contain;
use crate::poll::Key;

impl Core {
    /// Closes all sources except the loop's own: those without unsent output at once. The Deferred
    /// fires when the others have ended, too.
    pub(super) fn disconnect_all(self: &Rc<Self>) -> Deferred<()> {
        let may_wait = !self.shutdown_timeout.get().is_zero();
        let drained = self.begin_draining();
        // Iterates over a copy of the list, because sources leave the registry when they end.
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
            // A handler has called `crash`, which has dropped the trigger of `drained`.
            return drained;
        }
        let is_drained = match &*self.draining.borrow() {
            Some(draining) => draining.left.is_empty(),
            None => true,
        };
        if is_drained {
            // Ignored first, because the next line drops its trigger.
            drained.ignore();
            self.forget_draining();
            return succeed(());
        }
        self.state.set(Lifecycle::Draining);
        drained
    }

    /// Makes the `Draining`, in which `is_over` notes the sources that end.
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

    /// Notes that the source under `key` has ended. If it was the last for which the shutdown
    /// waits, draining is over.
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
        // The loop must not wait, because no event of a descriptor would end the wait.
        self.skips_wait.set(true);
    }

    /// Called at the timeout: shuts down the sources that are still closing.
    fn give_up_draining(&self) {
        let left = match &*self.draining.borrow() {
            // Cloned, because the shutdown of a source calls `is_over`, which borrows the set.
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

    /// Resumes the shutdown, because no source is closing any more.
    #[cold]
    pub(super) fn end_draining(&self) {
        self.state.set(Lifecycle::ShuttingDown);
        if let Some(draining) = self.draining.take() {
            draining.timeout.cancel();
            // `callback` errs if the wait was cancelled; then nothing waits.
            let _ = draining.done.callback(());
        }
    }

    /// Drops the wait of a shutdown, because the loop has crashed or is dropped.
    pub(super) fn forget_draining(&self) {
        if let Some(draining) = self.draining.take() {
            draining.timeout.cancel();
        }
    }
}
