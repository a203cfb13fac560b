//! Items on their way from those who put them to those who wait for them: what a
//! queue is made of.

use std::collections::VecDeque;
use std::panic::Location;

use super::error::{QueueOverflow, QueueUnderflow};
use super::waiters::{HasWaiters, Waiters, WaitsIn, wait_in_line};
use crate::chain::{End, Fits, Mode, Source, hand_over};

pub(crate) struct Items<M: Mode, T: 'static> {
    state: M::Handle<ItemState<M, T>>,
}

pub(crate) struct ItemState<M: Mode, T> {
    /// INVARIANT: empty while somebody waits.
    stored: VecDeque<T>,
    waiters: Waiters<M, T>,
    size: Option<usize>,
    backlog: Option<usize>,
}

impl<M: Mode, T: Fits<M>> HasWaiters<M> for ItemState<M, T> {
    type Granted = T;

    fn waiters(&mut self) -> &mut Waiters<M, T> {
        &mut self.waiters
    }
}

/// Where an item goes.
enum Put<M: Mode, T> {
    To(Source<M, T>, T),
    Stored,
    Refused(T),
}

impl<M: Mode, T: Fits<M>> Items<M, T> {
    pub(crate) fn new(size: Option<usize>, backlog: Option<usize>) -> Self {
        Self {
            state: M::handle(ItemState {
                stored: VecDeque::new(),
                waiters: Waiters::new(),
                size,
                backlog,
            }),
        }
    }

    /// How many items are stored.
    pub(crate) fn stored(&self) -> usize {
        M::with(&self.state, |state| state.stored.len())
    }

    /// How many wait for an item.
    pub(crate) fn waiting(&self) -> usize {
        M::with(&self.state, |state| state.waiters.len())
    }

    pub(crate) fn put(&self, mut item: T) -> Result<(), QueueOverflow<T>> {
        loop {
            let (waiter, given) = match M::with(&self.state, |state| state.put(item)) {
                Put::Stored => return Ok(()),
                Put::Refused(item) => return Err(QueueOverflow::new(item)),
                Put::To(waiter, item) => (waiter, item),
            };
            match waiter.fire_unrun(Ok(given)) {
                Ok(Some(waiter)) => {
                    hand_over(waiter);
                    return Ok(());
                }
                Ok(None) => return Ok(()),
                // It was cancelled a moment ago, by another thread.
                Err(Ok(refused)) => item = refused,
                Err(Err(_)) => unreachable!("what was refused is what was given"),
            }
        }
    }

    pub(crate) fn get(
        &self,
        made_at: &'static Location<'static>,
    ) -> Result<End<M, T>, QueueUnderflow>
    where
        M: WaitsIn<ItemState<M, T>>,
    {
        let found = wait_in_line::<M, _, _>(&self.state, made_at, |state| {
            if let Some(item) = state.stored.pop_front() {
                return Some(Ok(item));
            }
            let is_full = state
                .backlog
                .is_some_and(|limit| state.waiters.len() >= limit);
            is_full.then_some(Err(QueueUnderflow))
        });
        match found {
            Ok(item) => Ok(End::Ready(Ok(item?))),
            Err(end) => Ok(end),
        }
    }
}

impl<M: Mode, T: Fits<M>> ItemState<M, T> {
    fn put(&mut self, item: T) -> Put<M, T> {
        if let Some(waiter) = self.waiters.pop() {
            return Put::To(waiter, item);
        }
        if self.size.is_some_and(|limit| self.stored.len() >= limit) {
            return Put::Refused(item);
        }
        self.stored.push_back(item);
        Put::Stored
    }
}

impl<M: Mode, T> Clone for Items<M, T> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
        }
    }
}
