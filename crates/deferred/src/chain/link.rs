//! Linked receiver: the typed consuming end of a chain that has a core.

use std::marker::PhantomData;
use std::task::Waker;

use super::flavour::Flavour;
use super::raw::{CoreRef, Fits, Listener, Local, NestedWaker, ReceiverRef, Slot};
use super::task::{SharedTask, WeakTask, address, is_same_task};
use super::variance::Invariant;
use crate::failure::Result;
use crate::panics::drop_contained;

/// The consuming end of a chain that has a core.
///
/// INVARIANT: there is one for a core, and `T` is the output of its last stage.
pub(crate) struct LinkedReceiver<M: Flavour, T> {
    pub(super) core: ReceiverRef<M>,
    result: Invariant<T>,
}

impl<M: Flavour, T: Fits<M>> LinkedReceiver<M, T> {
    pub(super) fn new(core: ReceiverRef<M>) -> Self {
        Self {
            core,
            result: PhantomData,
        }
    }

    pub(super) fn into_core(self) -> CoreRef<M> {
        self.core.into_core()
    }

    pub(crate) fn core(&self) -> &CoreRef<M> {
        &self.core
    }

    /// Takes the result if all stages have run.
    #[inline(always)]
    pub(super) fn take(&mut self) -> Option<Result<T>> {
        self.core.take_settled(Slot::take::<T>)?
    }

    /// Makes the chain wake `waker` when all stages have run. They may have run by the time this
    /// returns: the clone and the drop of a waker are code of users, which may fire the chain.
    pub(crate) fn set_waker(&self, waker: &Waker) {
        let is_set = self.core.with(|state| {
            let old = state.cold.waker();
            old.is_some_and(|old| old.will_wake(waker))
        });
        if !is_set {
            self.set_listener(Listener::Waker(waker.clone()));
        }
    }

    fn set_listener(&self, listener: Listener<M>) {
        let task = listener.task();
        // The old listener is dropped without the lock: it may be a waker, which is code of the
        // executor.
        let replaced = self
            .core
            .with(|state| state.cold.replace_listener(listener));
        if let Some(replaced) = replaced {
            if replaced.task().is_some_and(|old| Some(old) != task) {
                M::unlinked(&self.core);
            }
            drop_contained(replaced);
        }
    }
}

impl<T: 'static> LinkedReceiver<Local, T> {
    /// Makes the chain resume `task` when all stages have run.
    pub(crate) fn set_task(&self, task: &SharedTask) {
        let is_set = self.core.with(|state| {
            let old = state.cold.task();
            old.is_some_and(|old| is_same_task(old, task))
        });
        if !is_set {
            self.set_listener(Listener::Task(task.clone()));
        }
    }

    /// Makes the chain wake `waker`, the waker of another future inside of `task`, when all stages
    /// have run.
    pub(crate) fn set_nested(&self, waker: &Waker, task: &SharedTask) {
        let is_set = self.core.with(|state| {
            let old = state.cold.nested();
            old.is_some_and(|old| {
                old.waker.will_wake(waker) && old.task.address() == address(&**task)
            })
        });
        if !is_set {
            self.set_listener(Listener::Nested(Box::new(NestedWaker {
                waker: waker.clone(),
                task: WeakTask::new(task),
            })));
        }
    }
}
