//! `CancelSet`: the delayed calls and Deferreds that are cancelled when their owner closes.

use deferred::{DeferredHandle, DelayedCall, LoopingCall, State};

/// At this length, a set is looked through for the first time.
const FIRST_PRUNE: usize = 8;

/// What a protocol waits for.
#[derive(Default)]
pub(crate) struct CancelSet {
    list: Vec<Cancellable>,
    /// At this length, what is done is taken out of the list; twice what was left then.
    prune_at: usize,
}

pub(crate) enum Cancellable {
    Call(DelayedCall),
    Wait(DeferredHandle),
    Loop(LoopingCall),
}

impl CancelSet {
    /// Adds `cancellable`. Gives all of the set, emptied, if it is time to take out what is
    /// done: the caller does so [with nothing borrowed](Self::without_done), and
    /// [merges](Self::merge) the rest.
    pub(crate) fn add(&mut self, cancellable: Cancellable) -> Option<Self> {
        self.list.push(cancellable);
        // Given out whole, because the look at a Deferred may run code of the user, which may add
        // to this set.
        (self.list.len() > self.prune_at.max(FIRST_PRUNE)).then(|| std::mem::take(self))
    }

    /// What is not done. To look at a Deferred may run code of users.
    pub(crate) fn without_done(mut self) -> Self {
        self.list.retain(Cancellable::is_open);
        self.prune_at = 2 * self.list.len();
        self
    }

    /// Puts back what was taken out; what was added since then stays.
    pub(crate) fn merge(&mut self, mut other: Self) {
        // What was added in between stands behind the others.
        other.list.append(&mut self.list);
        *self = other;
    }

    /// Cancels what is not done. That runs code of users.
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
