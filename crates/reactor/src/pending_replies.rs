//! Pending replies: Deferreds whose results come from other threads, each under a number.
//!
//! A trigger cannot be sent to another thread. So it stays here, and the other thread gets its
//! number.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::error::ReactorGone;

/// Called with the result, or with `ReactorGone` if the reactor is dropped first.
pub(crate) type Delivery = Box<dyn FnOnce(Result<Box<dyn Any + Send>, ReactorGone>)>;

/// The deliveries that are still expected.
#[derive(Default)]
pub(crate) struct PendingReplies {
    next: Cell<u64>,
    deliveries: RefCell<BTreeMap<u64, Delivery>>,
}

impl PendingReplies {
    /// The number that the next `insert` will use.
    pub(crate) fn next(&self) -> u64 {
        self.next.get()
    }

    pub(crate) fn insert(&self, delivery: Delivery) {
        let number = self.next.replace(self.next.get() + 1);
        self.deliveries.borrow_mut().insert(number, delivery);
    }

    /// Takes out a delivery; `None` if the reply has arrived already, or its Deferred was
    /// cancelled.
    pub(crate) fn remove(&self, number: u64) -> Option<Delivery> {
        self.deliveries.borrow_mut().remove(&number)
    }

    /// Takes out all deliveries, in the order in which they were inserted.
    pub(crate) fn take_all(&self) -> impl Iterator<Item = Delivery> {
        self.deliveries.take().into_values()
    }
}
