//! What connections have put off until nobody's handler runs.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use super::Core;

/// How often connections that keep each other busy may go round in one turn.
const SETTLE_ROUNDS: usize = 16;

/// Something with work that is to be done before the loop waits.
pub(crate) trait Unsettled {
    fn settle(self: Rc<Self>);
}

/// Those that have some, in order.
#[derive(Default)]
pub(super) struct PutOff {
    list: RefCell<VecDeque<Rc<dyn Unsettled>>>,
    /// How many there are: each turn asks several times whether there is one.
    count: Cell<usize>,
}

impl PutOff {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.count.get() == 0
    }

    pub(super) fn add(&self, unsettled: Rc<dyn Unsettled>) {
        self.count.set(self.count.get() + 1);
        self.list.borrow_mut().push_back(unsettled);
    }

    fn take_first(&self) -> Option<Rc<dyn Unsettled>> {
        let first = self.list.borrow_mut().pop_front()?;
        self.count.set(self.count.get() - 1);
        Some(first)
    }

    /// Takes out all of them.
    pub(super) fn take_all(&self) -> VecDeque<Rc<dyn Unsettled>> {
        self.count.set(0);
        self.list.take()
    }
}

impl Core {
    /// Has `unsettled` settled before the loop waits.
    pub(crate) fn settle_soon(&self, unsettled: Rc<dyn Unsettled>) {
        self.put_off.add(unsettled);
    }

    /// Lets connections do what they have put off. What they give one another
    /// to do is done too, up to a limit: the rest is for the next turn. Says
    /// whether there was anything.
    #[inline(always)]
    pub(super) fn settle(&self) -> bool {
        !self.put_off.is_empty() && self.settle_all()
    }

    #[inline(never)]
    fn settle_all(&self) -> bool {
        for round in 0..SETTLE_ROUNDS {
            let count = self.put_off.count.get();
            if count == 0 {
                return round > 0;
            }
            for _ in 0..count {
                if let Some(first) = self.put_off.take_first() {
                    self.timed("what a connection called", || first.settle());
                }
            }
        }
        true
    }
}
