//! Members of the network in memory: sockets and listeners that have something to report.

use std::cell::{Cell, RefCell};
use std::rc::Weak;

use crate::readiness::{Interest, Key, Ready};

/// Something on the network that a source of the loop is registered for.
pub(super) trait Member {
    fn key(&self) -> Key;
    /// `None` while nothing is to be told.
    fn interest(&self) -> Option<Interest>;
    /// What there is to be told, whatever the interest.
    fn state(&self) -> Ready;
}

/// All that have joined, and what holds for each of them.
pub(super) struct Members {
    joined: RefCell<Vec<Weak<dyn Member>>>,
    /// The most that one read gives.
    largest_read: Cell<usize>,
}

impl Default for Members {
    fn default() -> Self {
        Self {
            joined: RefCell::default(),
            largest_read: Cell::new(usize::MAX),
        }
    }
}

impl Members {
    pub(super) fn set_largest_read(&self, bytes: usize) {
        // A read of 0 bytes would mean the end.
        self.largest_read.set(bytes.max(1));
    }

    pub(super) fn largest_read(&self) -> usize {
        self.largest_read.get()
    }

    /// Adds a member, which leaves when it is dropped.
    pub(super) fn join(&self, member: Weak<dyn Member>) {
        self.joined.borrow_mut().push(member);
    }

    /// Tells of those that have something to tell, in the order in which they came.
    pub(super) fn collect_ready(&self, ready: &mut Vec<(Key, Ready)>) {
        // In the order in which they joined, as `epoll` reports: so each run of a test has the same
        // order. Members that were dropped leave the list here.
        self.joined.borrow_mut().retain(|member| {
            let Some(member) = member.upgrade() else {
                return false;
            };
            if let Some(interest) = member.interest() {
                let state = member.state();
                let told = Ready::new(
                    state.is_readable() && interest.readable,
                    state.is_writable() && interest.writable,
                    state.is_hung_up(),
                );
                if told.is_readable() || told.is_writable() {
                    ready.push((member.key(), told));
                }
            }
            true
        });
    }
}
