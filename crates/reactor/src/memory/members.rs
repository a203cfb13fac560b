//! Members of the simulated network: the sockets and listeners whose readiness is reported to the
//! loop.

use std::cell::{Cell, RefCell};
use std::rc::Weak;

use crate::readiness::{Interest, Key, Ready};

/// A socket or a listener that belongs to a source of the loop.
pub(super) trait Member {
    fn key(&self) -> Key;
    /// The events to be reported; `None` while none are, not even a hang-up.
    fn interest(&self) -> Option<Interest>;
    /// The readiness, whatever the interest is.
    fn state(&self) -> Ready;
}

/// All members, and a setting that applies to each of them.
pub(super) struct Members {
    joined: RefCell<Vec<Weak<dyn Member>>>,
    /// Most bytes that one read returns.
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

    /// Adds the events of all members to `ready`, in the order in which the members have joined.
    pub(super) fn collect_ready(&self, ready: &mut Vec<(Key, Ready)>) {
        // A fixed order, so that each run of a test is the same. Members that were dropped are
        // removed from the list here.
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
