//! FIFO of a queue: stored items, waiting consumers, producers that wait for room.

use std::collections::VecDeque;

use super::error::{QueueClosed, QueueOverflow, QueueUnderflow};
use super::waiters::{HasWaiters, Tickets, Waiters, WaitsIn, wait_in_line};
use crate::chain::{Fits, Flavour, Receiver, Sender, hand_over};
use crate::failure::Failure;
use crate::panics::{drop_contained, drop_each_contained};
use crate::stage_trace::CallSite;

pub(crate) struct Items<M: Flavour, T: 'static> {
    state: M::Handle<ItemState<M, T>>,
}

pub(crate) struct ItemState<M: Flavour, T> {
    stored: VecDeque<T>,
    /// Consumers that wait for an item. INVARIANT: empty while an item is stored, or waits for
    /// room.
    getters: Waiters<M, T>,
    /// Producers that wait for room, each with its item. INVARIANT: empty while there is room.
    putters: Waiters<M, (), T>,
    tickets: Tickets,
    /// Maximum number of stored items; `None` for no limit.
    size: Option<usize>,
    /// Maximum number of waiting consumers; `None` for no limit.
    backlog: Option<usize>,
    /// Set by `close`, never cleared: no item may be put, but `get` takes the rest.
    is_closed: bool,
}

impl<M: Flavour, T> Drop for ItemState<M, T> {
    fn drop(&mut self) {
        drop_each_contained(std::mem::take(&mut self.stored));
    }
}

impl<M: Flavour, T: Fits<M>> HasWaiters<M> for ItemState<M, T>
where
    (): Fits<M>,
{
    type Left = (Option<(Sender<M, T>, ())>, Option<(Sender<M, ()>, T)>);

    fn tickets(&mut self) -> &mut Tickets {
        &mut self.tickets
    }

    fn leave(&mut self, ticket: u64) -> Self::Left {
        (self.getters.remove(ticket), self.putters.remove(ticket))
    }
}

/// Effect of a `put`.
enum Put<M: Flavour, T> {
    /// The item is for this consumer; the caller fires it without the lock.
    To(Sender<M, T>, T),
    Stored,
    Full(T),
    Closed(T),
}

/// What `get` finds.
enum Found<M: Flavour, T> {
    /// An item, and the producer that got room by its removal.
    Item(T, Option<Sender<M, ()>>),
    /// As many consumers wait as `backlog` allows.
    Refused(QueueUnderflow),
    /// The queue is closed and empty.
    Closed,
}

impl<M: Flavour, T: Fits<M>> Items<M, T>
where
    (): Fits<M>,
{
    pub(crate) fn new(size: Option<usize>, backlog: Option<usize>) -> Self {
        Self {
            state: M::handle(ItemState {
                stored: VecDeque::new(),
                getters: Waiters::new(),
                putters: Waiters::new(),
                tickets: Tickets::default(),
                size,
                backlog,
                is_closed: false,
            }),
        }
    }

    pub(crate) fn stored(&self) -> usize {
        M::with(&self.state, |state| state.stored.len())
    }

    pub(crate) fn waiting(&self) -> usize {
        M::with(&self.state, |state| state.getters.len())
    }

    pub(crate) fn waiting_for_room(&self) -> usize {
        M::with(&self.state, |state| state.putters.len())
    }

    pub(crate) fn is_closed(&self) -> bool {
        M::with(&self.state, |state| state.is_closed)
    }

    pub(crate) fn put(&self, mut item: T) -> Result<(), QueueOverflow<T>> {
        loop {
            item = match M::with(&self.state, |state| state.put(item)) {
                Put::Stored => return Ok(()),
                Put::Full(item) => return Err(QueueOverflow::full(item)),
                Put::Closed(item) => return Err(QueueOverflow::closed(item)),
                // Fired without the lock, because callbacks run. If the consumer was cancelled in
                // between, its item comes back, and the next consumer is tried.
                Put::To(getter, item) => match give(&getter, item) {
                    Ok(()) => return Ok(()),
                    Err(refused) => refused,
                },
            };
        }
    }

    /// Puts an item, at once or when there is room for it.
    pub(crate) fn put_when_room(&self, item: T, made_at: CallSite) -> Receiver<M, ()>
    where
        M: WaitsIn<ItemState<M, T>>,
    {
        // The two closures share the item: the first one gives it back if the queue is full,
        // and the second one then waits with it.
        let item = std::cell::Cell::new(Some(item));
        loop {
            let found = wait_in_line::<M, _, _, _>(
                &self.state,
                made_at,
                |state| match state.put(item.take()?) {
                    Put::Full(refused) => {
                        item.set(Some(refused));
                        None
                    }
                    put => Some(put),
                },
                |state, ticket, sender| {
                    if let Some(item) = item.take() {
                        state.putters.insert(ticket, sender, item);
                    }
                },
            );
            match found {
                Err(receiver) => return receiver,
                Ok(Put::Stored) => return Receiver::Ready(Ok(())),
                Ok(Put::To(getter, given)) => match give(&getter, given) {
                    Ok(()) => return Receiver::Ready(Ok(())),
                    Err(refused) => item.set(Some(refused)),
                },
                // `Full` does not come here: the first closure makes the producer wait instead.
                Ok(Put::Closed(refused) | Put::Full(refused)) => {
                    drop_contained(refused);
                    let closed = Failure::raised_at_place(QueueClosed::new(), made_at);
                    return Receiver::Ready(Err(closed));
                }
            }
        }
    }

    pub(crate) fn get(&self, made_at: CallSite) -> Result<Receiver<M, T>, QueueUnderflow>
    where
        M: WaitsIn<ItemState<M, T>>,
    {
        let found = wait_in_line::<M, _, _, _>(
            &self.state,
            made_at,
            ItemState::look,
            |state, ticket, sender| state.getters.insert(ticket, sender, ()),
        );
        match found {
            Err(receiver) => Ok(receiver),
            Ok(Found::Refused(underflow)) => Err(underflow),
            Ok(Found::Closed) => {
                let closed = Failure::raised_at_place(QueueClosed::new(), made_at);
                Ok(Receiver::Ready(Err(closed)))
            }
            Ok(Found::Item(item, putter)) => {
                if let Some(putter) = putter {
                    // Errs if another thread has just cancelled the put; harmless: the queue has
                    // taken its item already.
                    let _ = give(&putter, ());
                }
                Ok(Receiver::Ready(Ok(item)))
            }
        }
    }

    pub(crate) fn close(&self, closed_at: CallSite) {
        let mut next = M::with(&self.state, |state| {
            state.is_closed = true;
            state.getters.pop()
        });
        while let Some((getter, ())) = next {
            let closed = Failure::raised_at_place(QueueClosed::new(), closed_at);
            // `Err`: another thread has just cancelled the get. `Ok(None)`: the get has no
            // callback to run.
            if let Ok(Some(getter)) = getter.fire_unrun(Err(closed)) {
                hand_over(getter);
            }
            // One at a time, each under its own lock: a callback may cancel another getter, which
            // then has left.
            next = M::with(&self.state, |state| state.getters.pop());
        }
    }
}

/// Fires a waiter; the item comes back if another thread has just cancelled the waiter.
fn give<M: Flavour, T: Fits<M>>(waiter: &Sender<M, T>, item: T) -> Result<(), T> {
    match waiter.fire_unrun(Ok(item)) {
        Ok(Some(waiter)) => {
            hand_over(waiter);
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(Ok(refused)) => Err(refused),
        Err(Err(_)) => unreachable!("what was refused is what was given"),
    }
}

impl<M: Flavour, T: Fits<M>> ItemState<M, T>
where
    (): Fits<M>,
{
    fn put(&mut self, item: T) -> Put<M, T> {
        if self.is_closed {
            return Put::Closed(item);
        }
        if let Some((getter, ())) = self.getters.pop() {
            return Put::To(getter, item);
        }
        if !self.has_room() {
            return Put::Full(item);
        }
        self.stored.push_back(item);
        Put::Stored
    }

    fn has_room(&self) -> bool {
        self.size.is_none_or(|size| self.stored.len() < size)
    }

    /// Effect of a `get`; `None` if the consumer has to wait.
    fn look(&mut self) -> Option<Found<M, T>> {
        // Stored items first, then those of waiting producers: so items leave in the order in which
        // they were put.
        if let Some(item) = self.stored.pop_front() {
            return Some(Found::Item(item, self.admit()));
        }
        // With a size of 0, items go from producer to consumer without being stored.
        if let Some((putter, item)) = self.putters.pop() {
            return Some(Found::Item(item, Some(putter)));
        }
        if self.is_closed {
            return Some(Found::Closed);
        }
        let backlog = self.backlog?;
        (self.getters.len() >= backlog).then(|| Found::Refused(QueueUnderflow::new()))
    }

    /// If there is room, stores the item of the first producer that waits for it.
    fn admit(&mut self) -> Option<Sender<M, ()>> {
        if !self.has_room() {
            return None;
        }
        let (putter, item) = self.putters.pop()?;
        self.stored.push_back(item);
        Some(putter)
    }
}

impl<M: Flavour, T> Clone for Items<M, T> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
        }
    }
}
