//! Wait queue: Deferreds that wait in FIFO order.
//!
//! A cancelled waiter leaves the queue. Its entry is found by its ticket (binary search) and
//! emptied; empty entries are removed at the ends of the queue, and when they are more than
//! half of it. So the queue is never more than twice as long as the number of waiters.

use std::collections::VecDeque;
use std::panic::Location;

use crate::chain::{Canceller, Fits, Flavour, Local, Receiver, ReceiverState, Sender};
use crate::panics::drop_each_contained;

/// A FIFO of senders to be fired, each with a value of its waiter.
pub(crate) struct Waiters<M: Flavour, T, X = ()> {
    /// Sorted by ticket. INVARIANT: neither the first nor the last entry is empty.
    line: VecDeque<(u64, Option<(Sender<M, T>, X)>)>,
    empty: usize,
}

/// Numbers the waiters of one state.
#[derive(Default)]
pub(crate) struct Tickets {
    last: u64,
}

impl Tickets {
    fn draw(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

impl<M: Flavour, T, X> Drop for Waiters<M, T, X> {
    fn drop(&mut self) {
        drop_each_contained(std::mem::take(&mut self.line));
    }
}

impl<M: Flavour, T: Fits<M>, X> Waiters<M, T, X> {
    pub(crate) fn new() -> Self {
        Self {
            line: VecDeque::new(),
            empty: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.line.len() - self.empty
    }

    /// Takes the first waiter out.
    pub(crate) fn pop(&mut self) -> Option<(Sender<M, T>, X)> {
        let (_, first) = self.line.pop_front()?;
        self.trim();
        first
    }

    /// Puts `sender` into the line. A sender with a later ticket, drawn by another thread, may be
    /// there already.
    pub(crate) fn insert(&mut self, ticket: u64, sender: Sender<M, T>, brought: X) {
        // The line is sorted by ticket, for `remove`.
        let at = self.line.partition_point(|(other, _)| *other < ticket);
        self.line.insert(at, (ticket, Some((sender, brought))));
    }

    /// Takes the waiter with `ticket` out, if it still waits.
    pub(crate) fn remove(&mut self, ticket: u64) -> Option<(Sender<M, T>, X)> {
        let at = self.line.binary_search_by_key(&ticket, |(other, _)| *other);
        let removed = self.line[at.ok()?].1.take();
        self.empty += usize::from(removed.is_some());
        self.trim();
        // Cancelled waiters leave an empty place, as removing from the middle would move the
        // others. The places are removed when they are more than half, so a cancel costs constant
        // time on average.
        if self.empty > self.line.len() / 2 {
            self.line.retain(|(_, sender)| sender.is_some());
            self.empty = 0;
        }
        removed
    }

    fn trim(&mut self) {
        while let Some((_, None)) = self.line.front() {
            self.line.pop_front();
            self.empty -= 1;
        }
        while let Some((_, None)) = self.line.back() {
            self.line.pop_back();
            self.empty -= 1;
        }
    }
}

/// A state with one wait queue or several.
pub(crate) trait HasWaiters<M: Flavour>: 'static {
    /// The data of a waiter that leaves; it is dropped without a lock.
    type Left;

    fn tickets(&mut self) -> &mut Tickets;
    /// Takes the waiter with `ticket` out of its queue.
    fn leave(&mut self, ticket: u64) -> Self::Left;
}

/// A flavour in which waiters of an `S` can be cancelled.
pub(crate) trait WaitsIn<S: HasWaiters<Self>>: Flavour {
    /// The canceller of the waiter with `ticket`. It refers to the state weakly.
    fn leave_line(state: &Self::Handle<S>, ticket: u64) -> Self::Canceller;
}

impl<S: HasWaiters<Self>> WaitsIn<S> for Local {
    fn leave_line(state: &Self::Handle<S>, ticket: u64) -> Self::Canceller {
        let state = std::rc::Rc::downgrade(state);
        Box::new(move |_core| {
            if let Some(state) = state.upgrade() {
                leave::<Self, S>(&state, ticket);
            }
        })
    }
}

#[cfg(feature = "sync")]
impl<S: HasWaiters<Self> + Send> WaitsIn<S> for crate::chain::Shared {
    fn leave_line(state: &Self::Handle<S>, ticket: u64) -> Self::Canceller {
        let state = std::sync::Arc::downgrade(state);
        Box::new(move |_core| {
            if let Some(state) = state.upgrade() {
                leave::<Self, S>(&state, ticket);
            }
        })
    }
}

fn leave<M: Flavour, S: HasWaiters<M>>(state: &M::Handle<S>, ticket: u64) {
    let left = M::with(state, |state| state.leave(ticket));
    crate::panics::drop_contained(left);
}

/// Returns what `look` finds, or else waits: `join` puts a sender into a queue, under its
/// ticket.
pub(crate) fn wait_in_line<M, S, G, X>(
    state: &M::Handle<S>,
    made_at: &'static Location<'static>,
    mut look: impl FnMut(&mut S) -> Option<X>,
    join: impl FnOnce(&mut S, u64, Sender<M, G>),
) -> Result<X, Receiver<M, G>>
where
    M: WaitsIn<S>,
    S: HasWaiters<M>,
    G: Fits<M>,
{
    let ticket = M::with(state, |state| match look(state) {
        Some(found) => Ok(found),
        None => Err(state.tickets().draw()),
    });
    let ticket = match ticket {
        Ok(found) => return Ok(found),
        Err(ticket) => ticket,
    };
    // Made without the lock, because it allocates. The ticket was drawn before, so the place in the
    // line is that of the first look.
    let (sender, receiver) = Sender::pair(made_at);
    sender.set_canceller(Canceller::Call(M::leave_line(state, ticket)));
    let mut joining = Some((sender, join));
    // Another thread may have brought something since the first look.
    let found = M::with(state, |state| {
        let found = look(state);
        if found.is_none()
            && let Some((sender, join)) = joining.take()
        {
            join(state, ticket, sender);
        }
        found
    });
    match found {
        None => Err(receiver),
        Some(found) => {
            // The chain is not needed. Its sender is dropped below, and its `Abandoned` is ignored.
            receiver.let_go(ReceiverState::Ignored);
            Ok(found)
        }
    }
}
