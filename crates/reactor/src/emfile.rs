//! Reserved descriptor, for when the process has no others left (`EMFILE`).
//!
//! A process that has used all its descriptors cannot accept, and cannot refuse
//! either: connections stay in the backlog, and the listener is readable in each turn.
//! With one descriptor given up for the moment, they can be accepted and closed.

use std::cell::Cell;
use std::fs::File;
use std::os::fd::OwnedFd;

/// How many are turned away in one call.
const AT_A_TIME: usize = 64;

#[derive(Default)]
pub(crate) struct ReservedFd {
    descriptor: Cell<Option<OwnedFd>>,
}

impl ReservedFd {
    /// Sees to it that there is one.
    pub(crate) fn fill(&self) {
        let descriptor = self.descriptor.take();
        // Without one, waiting connections cannot be refused.
        let descriptor = descriptor.or_else(|| File::open("/dev/null").map(Into::into).ok());
        self.descriptor.set(descriptor);
    }

    /// Calls `turn_away_one`, which has one free descriptor, until it returns that no
    /// connection waits; gives how many were turned away.
    pub(crate) fn turn_away(&self, mut turn_away_one: impl FnMut() -> bool) -> usize {
        let mut turned_away = 0;
        while turned_away < AT_A_TIME && self.descriptor.take().is_some() {
            let was_one = turn_away_one();
            self.fill();
            if !was_one {
                break;
            }
            turned_away += 1;
        }
        turned_away
    }
}
