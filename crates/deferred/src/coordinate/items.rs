//! Items on their way from those who put them to those who wait for them: what a
//! queue is made of.

use std::collections::VecDeque;

use super::error::{QueueClosed, QueueOverflow, QueueUnderflow};
use super::waiters::{HasWaiters, Tickets, Waiters, WaitsIn, wait_in_line};
use crate::chain::{End, Fits, Mode, Source, hand_over};
use crate::contain::{drop_contained, drop_each_contained};
use crate::failure::Failure;
use crate::trail::Place;

pub(crate) struct Items<M: Mode, T: 'static> {
    state: M::Handle<ItemState<M, T>>,
}

pub(crate) struct ItemState<M: Mode, T> {
    stored: VecDeque<T>,
    /// Wait for an item. INVARIANT: none while an item is stored, or waits for room.
    getters: Waiters<M, T>,
    /// Wait for room, each with its item. INVARIANT: none while there is room.
    putters: Waiters<M, (), T>,
    tickets: Tickets,
    size: Option<usize>,
    backlog: Option<usize>,
    /// Nothing may be put any more. What was put, or waits for room, can still be got.
    is_closed: bool,
}

impl<M: Mode, T> Drop for ItemState<M, T> {
    fn drop(&mut self) {
        drop_each_contained(std::mem::take(&mut self.stored));
    }
}

impl<M: Mode, T: Fits<M>> HasWaiters<M> for ItemState<M, T>
where
    (): Fits<M>,
{
    type Left = (Option<(Source<M, T>, ())>, Option<(Source<M, ()>, T)>);

    fn tickets(&mut self) -> &mut Tickets {
        &mut self.tickets
    }

    fn leave(&mut self, ticket: u64) -> Self::Left {
        (self.getters.remove(ticket), self.putters.remove(ticket))
    }
}

/// What became of an item.
enum Put<M: Mode, T> {
    To(Source<M, T>, T),
    Stored,
    Full(T),
    Closed(T),
}

/// What a getter finds.
enum Found<M: Mode, T> {
    /// An item; and who has got room by that.
    Item(T, Option<Source<M, ()>>),
    Refused(QueueUnderflow),
    Closed,
}

impl<M: Mode, T: Fits<M>> Items<M, T>
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
                Put::To(getter, item) => match give(&getter, item) {
                    Ok(()) => return Ok(()),
                    Err(refused) => refused,
                },
            };
        }
    }

    /// Puts an item when there is room for it.
    pub(crate) fn put_when_room(&self, item: T, made_at: Place) -> End<M, ()>
    where
        M: WaitsIn<ItemState<M, T>>,
    {
        // `look` and `join` share it: one of them takes it.
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
                |state, ticket, source| {
                    if let Some(item) = item.take() {
                        state.putters.insert(ticket, source, item);
                    }
                },
            );
            match found {
                Err(end) => return end,
                Ok(Put::Stored) => return End::Ready(Ok(())),
                Ok(Put::To(getter, given)) => match give(&getter, given) {
                    Ok(()) => return End::Ready(Ok(())),
                    Err(refused) => item.set(Some(refused)),
                },
                Ok(Put::Closed(refused) | Put::Full(refused)) => {
                    drop_contained(refused);
                    let closed = Failure::raised_at_place(QueueClosed::new(), made_at);
                    return End::Ready(Err(closed));
                }
            }
        }
    }

    pub(crate) fn get(&self, made_at: Place) -> Result<End<M, T>, QueueUnderflow>
    where
        M: WaitsIn<ItemState<M, T>>,
    {
        let found = wait_in_line::<M, _, _, _>(
            &self.state,
            made_at,
            ItemState::look,
            |state, ticket, source| state.getters.insert(ticket, source, ()),
        );
        match found {
            Err(end) => Ok(end),
            Ok(Found::Refused(underflow)) => Err(underflow),
            Ok(Found::Closed) => {
                let closed = Failure::raised_at_place(QueueClosed::new(), made_at);
                Ok(End::Ready(Err(closed)))
            }
            Ok(Found::Item(item, putter)) => {
                if let Some(putter) = putter {
                    // Errs if another thread has just cancelled it: the item was put all
                    // the same.
                    let _ = give(&putter, ());
                }
                Ok(End::Ready(Ok(item)))
            }
        }
    }

    pub(crate) fn close(&self, closed_at: Place) {
        let mut next = M::with(&self.state, |state| {
            state.is_closed = true;
            state.getters.pop()
        });
        while let Some((getter, ())) = next {
            let closed = Failure::raised_at_place(QueueClosed::new(), closed_at);
            // Otherwise it was cancelled, or has nothing to run.
            if let Ok(Some(getter)) = getter.fire_unrun(Err(closed)) {
                hand_over(getter);
            }
            next = M::with(&self.state, |state| state.getters.pop());
        }
    }
}

/// Fires a waiter; the item comes back if another thread has just cancelled it.
fn give<M: Mode, T: Fits<M>>(waiter: &Source<M, T>, item: T) -> Result<(), T> {
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

impl<M: Mode, T: Fits<M>> ItemState<M, T>
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

    fn look(&mut self) -> Option<Found<M, T>> {
        if let Some(item) = self.stored.pop_front() {
            return Some(Found::Item(item, self.admit()));
        }
        // With a size of 0, an item goes from hand to hand.
        if let Some((putter, item)) = self.putters.pop() {
            return Some(Found::Item(item, Some(putter)));
        }
        if self.is_closed {
            return Some(Found::Closed);
        }
        let backlog = self.backlog?;
        (self.getters.len() >= backlog).then(|| Found::Refused(QueueUnderflow::new()))
    }

    /// Stores the item of the first that waits for room, if there is room.
    fn admit(&mut self) -> Option<Source<M, ()>> {
        if !self.has_room() {
            return None;
        }
        let (putter, item) = self.putters.pop()?;
        self.stored.push_back(item);
        Some(putter)
    }
}

impl<M: Mode, T> Clone for Items<M, T> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
        }
    }
}
