//! Remains of a dropped core: its fields that may hold further chains, to be dropped without
//! recursion.

use super::core::Core;
use super::core_ref::CoreRef;
use super::head::{Canceller, Listener};
use super::slot::Slot;
use super::stages::Stages;
use super::storage::Storage;
use crate::panics::drop_contained;

/// The fields of a dropped core that may hold further chains.
pub(crate) struct Remains<M: Storage> {
    _slot: Slot<M>,
    _stages: Stages<Core<M>>,
    _waiter: Option<CoreRef<M>>,
    _listener: Option<Listener<M>>,
    _canceller: Option<Canceller<M>>,
}

impl<M: Storage> Drop for Core<M> {
    /// The fields may hold further chains, nested to any depth, so they go to the trampoline, which
    /// drops one core after another. The fields of a core that holds no chain are dropped here.
    #[cold]
    fn drop(&mut self) {
        let (slot, stages) = self.take_parts();
        let is_empty = stages.is_empty();
        let cold = &mut self.head_mut().cold;
        let waiter = cold.take_waiter();
        let listener = cold.take_listener();
        let canceller = cold.take_canceller();
        let holds_more = !is_empty || waiter.is_some() || canceller.is_some();
        match listener {
            None | Some(Listener::Waker(_) | Listener::Nested(_)) if !holds_more => {
                drop_contained(listener);
            }
            listener => M::discard(Remains {
                _slot: slot,
                _stages: stages,
                _waiter: waiter,
                _listener: listener,
                _canceller: canceller,
            }),
        }
    }
}
