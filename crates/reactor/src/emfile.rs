//! Reserved descriptor, for a process that has no others left (`EMFILE`).
//!
//! A process that has used all its descriptors cannot accept a connection, not even to close it:
//! connections stay in the backlog, and the listener is readable in each turn. So the reactor
//! closes its reserved descriptor; with the freed descriptor, it accepts a waiting connection and
//! closes it, and then reserves a descriptor again.

use std::cell::Cell;
use std::fs::File;
use std::os::fd::OwnedFd;

/// Largest number of connections that one call of [`ReservedFd::turn_away`] closes.
const AT_A_TIME: usize = 64;

#[derive(Default)]
pub(crate) struct ReservedFd {
    descriptor: Cell<Option<OwnedFd>>,
}

impl ReservedFd {
    /// Opens the reserved descriptor, if there is none.
    pub(crate) fn fill(&self) {
        let descriptor = self.descriptor.take();
        // If the open fails, no descriptor is reserved until the next call, and waiting connections
        // stay in the backlog.
        let descriptor = descriptor.or_else(|| File::open("/dev/null").map(Into::into).ok());
        self.descriptor.set(descriptor);
    }

    /// Calls `turn_away_one` again and again, each time with one descriptor free for it. Ends
    /// when it returns `false`, because no connection waits, or after [`AT_A_TIME`]
    /// connections. Returns the number of connections that were turned away.
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
