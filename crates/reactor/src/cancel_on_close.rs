//! `CancelSet`: the delayed calls and Deferreds that are cancelled when their owner closes.

use deferred::{DeferredHandle, DelayedCall, LoopingCall, State};

/// Above this length, finished members are removed from a set for the first time.
const FIRST_PRUNE: usize = 8;

/// The delayed calls and Deferreds that a protocol waits for.
#[derive(Default)]
pub(crate) struct CancelSet {
    list: Vec<Cancellable>,
    /// Above this length, finished members are removed. Set by each removal to twice the number of
    /// members that were left.
    prune_at: usize,
}

pub(crate) enum Cancellable {
    Call(DelayedCall),
    Wait(DeferredHandle),
    Loop(LoopingCall),
}

impl CancelSet {
    /// Adds `cancellable`. If finished members are to be removed now, returns the whole set, and
    /// leaves `self` empty: the caller calls [`without_done`](Self::without_done) with nothing
    /// borrowed, and [merges](Self::merge) the result.
    pub(crate) fn add(&mut self, cancellable: Cancellable) -> Option<Self> {
        self.list.push(cancellable);
        // The set is returned, because `without_done` may run user code, which may add to this set.
        (self.list.len() > self.prune_at.max(FIRST_PRUNE)).then(|| std::mem::take(self))
    }

    /// Removes the members that are finished. To ask for the state of a Deferred may run user code.
    pub(crate) fn without_done(mut self) -> Self {
        self.list.retain(Cancellable::is_open);
        self.prune_at = 2 * self.list.len();
        self
    }

    /// Puts back the set that `add` has returned; members added since then stay.
    pub(crate) fn merge(&mut self, mut other: Self) {
        // Members that were added in between stand behind the others.
        other.list.append(&mut self.list);
        *self = other;
    }

    /// Cancels all members; finished ones do nothing. This runs user code.
    pub(crate) fn cancel(self) {
        for cancellable in self.list {
            cancellable.cancel();
        }
    }
}

impl Cancellable {
    fn is_open(&self) -> bool {
        match self {
            Self::Call(call) => call.is_active(),
            Self::Wait(deferred) => deferred.state().is_some_and(|state| state != State::Done),
            Self::Loop(looping) => looping.is_running(),
        }
    }

    pub(crate) fn cancel(self) {
        match self {
            // Does nothing if the call was made or cancelled already.
            Self::Call(call) => {
                call.cancel();
            }
            Self::Wait(deferred) => deferred.cancel(),
            // Does nothing if the loop was stopped already.
            Self::Loop(looping) => {
                looping.stop();
            }
        }
    }
}
