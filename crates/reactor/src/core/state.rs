//! State of the loop: the states of its lifecycle, and what a shutdown that drains carries.
//!
//! `lifecycle` and `draining` have all transitions between them, and the picture of these.

use std::collections::HashSet;

use deferred::{DelayedCall, Trigger};

use crate::poll::Key;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lifecycle {
    /// Not running: before the first turn, and after a shutdown or a crash. `block_on` and
    /// `turn` leave it, too; between two calls of theirs the loop is `Running`.
    #[default]
    Idle,
    /// From the first turn on. Left by `stop` or `crash`.
    Running,
    /// The triggers of the shutdown are called, or one of their Deferreds is waited for. Entered
    /// at the end of the turn that has called `stop`, and once more when draining is over; left
    /// for `Draining`, and for `Idle` after the last trigger.
    ShuttingDown,
    /// Connections and children are sent what was written to them. There is a [`Draining`]
    /// then, which has the keys of those that are left. Left for `Drained`.
    Draining,
    // INVARIANT: the states from here on need work at the end of the turn, see
    // `ends_with_the_turn`.
    /// `stop` was called in this turn.
    Stopping,
    /// The last of those that were drained has ended, or their time is over. The shutdown
    /// goes on at the end of the turn, since a handler may be what has ended it.
    Drained,
}

impl Lifecycle {
    #[inline(always)]
    pub(super) fn ends_with_the_turn(self) -> bool {
        // The variants have the numbers of their order above.
        self as u8 >= Self::Stopping as u8
    }
}

/// What the shutdown waits for after the first triggers. It is there from `disconnect_all` on,
/// also before the state is `Draining`: sources that end while others are told to are noted.
pub(super) struct Draining {
    /// Keys of the sources that are still closing.
    pub(super) left: HashSet<Key>,
    pub(super) done: Trigger<()>,
    pub(super) timeout: DelayedCall,
}
