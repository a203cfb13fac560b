//! A descriptor in reserve, for when there are no others left.
//!
//! A process that has used all its descriptors cannot accept, and cannot refuse
//! either: those who have connected wait, and are told of as waiting again and again.
//! With one descriptor given up for the moment, they can be accepted and closed.

use std::cell::Cell;
use std::fs::File;
use std::os::fd::OwnedFd;

/// How many are turned away at a time.
const AT_A_TIME: usize = 64;

#[derive(Default)]
pub(crate) struct ReservedFd {
    descriptor: Cell<Option<OwnedFd>>,
}

impl ReservedFd {
    /// Sees to it that there is one.
    pub(crate) fn fill(&self) {
        let descriptor = self.descriptor.take();
        // Without any, those who wait are not told.
        let descriptor = descriptor.or_else(|| File::open("/dev/null").map(Into::into).ok());
        self.descriptor.set(descriptor);
    }

    /// Calls `turn_away_one`, for which there is room then, until it says that nobody
    /// waits; gives how many were turned away.
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
