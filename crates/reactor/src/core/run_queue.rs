//! Run queue: sources (connections, ports, children) with pending work. The loop runs them between
//! handlers, and before it waits for descriptors.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

/// Maximum number of rounds in one turn. Bounded, because connections may queue one another without
/// end.
pub(super) const ROUNDS: usize = 16;

/// A source that may have pending work.
pub(crate) trait Runnable {
    fn run_pending(self: Rc<Self>);
}

/// The queued runnables, in the order in which they were added.
#[derive(Default)]
pub(super) struct RunQueue {
    list: RefCell<VecDeque<Rc<dyn Runnable>>>,
    /// Length of the list, so that each turn can test it without a borrow.
    count: Cell<usize>,
}

impl RunQueue {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.count.get() == 0
    }

    pub(super) fn add(&self, runnable: Rc<dyn Runnable>) {
        self.count.set(self.count.get() + 1);
        self.list.borrow_mut().push_back(runnable);
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.count.get()
    }

    pub(super) fn take_first(&self) -> Option<Rc<dyn Runnable>> {
        let first = self.list.borrow_mut().pop_front()?;
        self.count.set(self.count.get() - 1);
        Some(first)
    }

    /// Takes out all runnables, without running them.
    pub(super) fn take_all(&self) -> VecDeque<Rc<dyn Runnable>> {
        self.count.set(0);
        self.list.take()
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Weak;

    use super::*;
    use crate::core::Core;
    use crate::memory::Network;

    /// Logs its name, and queues itself again `left` times.
    struct Noting {
        core: Weak<Core>,
        name: &'static str,
        left: Cell<usize>,
        log: Rc<RefCell<Vec<&'static str>>>,
    }

    impl Runnable for Noting {
        fn run_pending(self: Rc<Self>) {
            self.log.borrow_mut().push(self.name);
            if let (Some(left), Some(core)) = (self.left.get().checked_sub(1), self.core.upgrade())
            {
                self.left.set(left);
                core.run_soon(self);
            }
        }
    }

    fn queue(core: &Rc<Core>, name: &'static str, left: usize) -> Rc<RefCell<Vec<&'static str>>> {
        let log = Rc::default();
        core.run_soon(Rc::new(Noting {
            core: Rc::downgrade(core),
            name,
            left: Cell::new(left),
            log: Rc::clone(&log),
        }));
        log
    }

    #[test]
    fn each_runs_once_in_order() {
        let core = Core::in_memory(Network::new());
        assert!(!core.run_queued(), "it is empty");
        let log = Rc::<RefCell<Vec<_>>>::default();
        for name in ["one", "two", "three"] {
            core.run_soon(Rc::new(Noting {
                core: Weak::new(),
                name,
                left: Cell::new(0),
                log: Rc::clone(&log),
            }));
        }
        assert!(core.run_queued());
        assert_eq!(*log.borrow(), ["one", "two", "three"]);
        assert!(core.run_queue.is_empty());
        assert!(!core.skips_wait.get());
    }

    #[test]
    fn one_that_queues_itself_runs_a_limited_number_of_rounds_and_the_wait_is_skipped() {
        let core = Core::in_memory(Network::new());
        let log = queue(&core, "busy", ROUNDS + 2);
        assert!(core.run_queued());
        assert_eq!(log.borrow().len(), ROUNDS);
        assert!(core.skips_wait.get(), "the rest is for the next turn");
        assert!(core.run_queued());
        assert_eq!(log.borrow().len(), ROUNDS + 3);
        assert!(core.run_queue.is_empty());
    }

    #[test]
    fn taking_all_empties_it() {
        let core = Core::in_memory(Network::new());
        let log = queue(&core, "dropped", 0);
        assert_eq!(core.run_queue.take_all().len(), 1);
        assert!(!core.run_queued());
        assert!(log.borrow().is_empty());
    }
}
