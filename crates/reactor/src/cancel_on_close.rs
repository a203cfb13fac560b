//! What is to be cancelled when somebody is over.

use deferred::{DeferredHandle, DelayedCall, State};

/// The delayed calls and Deferreds that a protocol waits for.
#[derive(Default)]
pub(crate) struct CancelSet {
    list: Vec<Cancellable>,
    /// At this length, those that are done with are sorted out.
    sort_out_at: usize,
}

pub(crate) enum Cancellable {
    Call(DelayedCall),
    Wait(DeferredHandle),
}

impl CancelSet {
    pub(crate) fn add(&mut self, cancellable: Cancellable) {
        if self.list.len() >= self.sort_out_at.max(8) {
            self.list.retain(Cancellable::is_open);
            self.sort_out_at = 2 * self.list.len();
        }
        self.list.push(cancellable);
    }

    /// Cancels those that are open. That runs code of users.
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
        }
    }

    pub(crate) fn cancel(self) {
        match self {
            // It may have been made meanwhile.
            Self::Call(call) => {
                call.cancel();
            }
            Self::Wait(deferred) => deferred.cancel(),
        }
    }
}
