//! State of the loop: the states of its lifecycle, and the data of a shutdown that drains.
//!
//! All transitions are in `lifecycle`, which has a diagram, and in `draining`.

use std::collections::HashSet;

use deferred::{DelayedCall, Trigger};

use crate::poll::Key;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lifecycle {
    /// Not running: before the first turn, and after a shutdown or a crash. Left by `run`,
    /// `block_on` and `turn`; between two calls of `block_on` or `turn`, the loop stays `Running`.
    #[default]
    Idle,
    /// Entered at the first turn. Left by `stop` and `crash`.
    Running,
    /// The triggers of the shutdown are being called, or the loop waits for a Deferred of one of
    /// them. Entered at the end of the turn that has called `stop`, and once more when draining is
    /// over; left for `Draining`, and for `Idle` after the last trigger.
    ShuttingDown,
    /// Unsent output of connections and children is being sent. Their keys are in the [`Draining`].
    /// Left for `Drained`.
    Draining,
    // INVARIANT: the states from here on need work at the end of the turn, see
    // `ends_with_the_turn`.
    /// `stop` was called in this turn.
    Stopping,
    /// The last of these sources has ended, or the timeout has passed. The shutdown continues at
    /// the end of the turn, and not at once, because a handler that is still running may have ended
    /// the source.
    Drained,
}

impl Lifecycle {
    #[inline(always)]
    pub(super) fn ends_with_the_turn(self) -> bool {
        // The discriminants follow the order of the variants above.
        self as u8 >= Self::Stopping as u8
    }
}

/// The sources for which the shutdown waits after the triggers of the phase `Before`. Exists from
/// `disconnect_all` on, even before the state is `Draining`, so that sources which end while others
/// begin to close are noted.
pub(super) struct Draining {
    /// Keys of the sources that are still closing.
    pub(super) left: HashSet<Key>,
    pub(super) done: Trigger<()>,
    pub(super) timeout: DelayedCall,
}
