//! Draining: at a stop, connections that are closing may send what is left, for a limited
//! time.
//!
//! A connection that is closing has been promised that what was written before is sent, and
//! its peer may be slow. So it does not end with the others: the shutdown waits
//! until all of these are over, or the timeout is.

use std::collections::HashSet;
use std::rc::Rc;

use deferred::{Deferred, DelayedCall, Trigger, succeed};

use super::Core;
use super::lifecycle::Lifecycle;
use crate::panics::contain;
use crate::poll::Key;

pub(super) struct Draining {
    /// Keys of the connections that are still closing.
    left: HashSet<Key>,
    done: Trigger<()>,
    timeout: DelayedCall,
}

impl Core {
    /// Shuts down all sources but the loop's own and the connections that are closing. The
    /// Deferred fires when these have ended, too.
    pub(super) fn disconnect_all(self: &Rc<Self>) -> Deferred<()> {
        let sources = self.registry.all_with_keys();
        let may_wait = !self.shutdown_timeout.get().is_zero();
        let closing = sources
            .iter()
            .filter(|(_, source)| may_wait && source.is_closing());
        let left: HashSet<Key> = closing.map(|(key, _)| *key).collect();
        // Before the other sources are shut down: one of these may end a draining connection, which
        // must be counted.
        let drained = self.drain(&left);
        for (key, source) in sources {
            if !source.is_internal() && !left.contains(&key) {
                contain("what was shut down", || source.shut_down());
            }
        }
        drained
    }

    fn drain(self: &Rc<Self>, left: &HashSet<Key>) -> Deferred<()> {
        let timeout = self.shutdown_timeout.get();
        if left.is_empty() {
            return succeed(());
        }
        let core = Rc::downgrade(self);
        let timeout = self.timers.call_later(timeout, move || {
            if let Some(core) = core.upgrade() {
                core.give_up_draining();
            }
        });
        let (done, drained) = Deferred::pair();
        self.state.set(Lifecycle::Draining);
        self.draining.replace(Some(Draining {
            left: left.clone(),
            done,
            timeout,
        }));
        drained
    }

    /// Notes that the connection under `key` has ended, which the shutdown may wait for.
    pub(crate) fn is_over(&self, key: Key) {
        if let Some(draining) = &mut *self.draining.borrow_mut()
            && draining.left.remove(&key)
            && draining.left.is_empty()
            && self.state.get() == Lifecycle::Draining
        {
            self.set_drained();
        }
    }

    /// Shuts down the connections that are still closing: the timeout is over.
    fn set_drained(&self) {
        self.state.set(Lifecycle::Drained);
        self.skips_wait.set(true);
    }

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
