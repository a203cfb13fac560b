//! Storage of values and closures without their types.
//!
//! [`Slot`] keeps one result, `Stages` the queue of callbacks, `ColdState` the fields that few
//! chains use. [`Core`] has all of them: a [`RunGuard`] is the right to run its stages, a
//! [`StateGuard`] the right to its other fields. [`CoreRef`] counts the references to a core,
//! [`Local`] and `Shared` say how. [`Pinned`] is the future of an async task, in the
//! allocation that its references share.
//!
//! This is the one module of the crate with unsafe code. It exists because a box for each
//! callback costs more than all the rest of a chain. Here a closure of up to 128 bytes and a
//! value of up to 64 bytes need no box of their own.
//!
//! No safe call from outside can break its invariants. A value that is taken out of a slot is
//! compared with the type that was put in, so a mistake gives `None` and not a wrong value;
//! a stage is queued together with the function that runs it.

#![expect(
    unsafe_code,
    reason = "inline storage of erased values; a box for each costs twice as much as the chain"
)]

mod atomic;
mod block;
mod buffer;
mod cold;
mod core;
mod core_ref;
mod counts;
mod free_list;
mod head;
mod local;
mod lock;
mod pinned;
mod receiver_ref;
mod record;
mod remains;
mod run_guard;
#[cfg(feature = "sync")]
mod shared;
mod slot;
#[cfg(feature = "sync")]
mod spin_lock;
mod stages;
mod state_guard;
mod storage;
mod word;

pub(crate) use self::core::Core;
pub(crate) use self::core_ref::{CoreRef, CoreWeak};
pub(crate) use self::free_list::FreeList;
pub(crate) use self::head::{Canceller, Group, Listener, NestedWaker};
pub(crate) use self::local::{Local, LocalCell, LocalCounts};
pub(crate) use self::lock::{CoreLock, NoIncoming};
pub(crate) use self::pinned::{PinWeak, Pinned};
pub(crate) use self::receiver_ref::ReceiverRef;
pub(crate) use self::record::Queued;
pub(crate) use self::remains::Remains;
pub(crate) use self::run_guard::{Flow, OwnedRunGuard, Release, RunGuard};
#[cfg(feature = "sync")]
pub(crate) use self::shared::{Shared, SharedCounts, SharedPhase};
pub(crate) use self::slot::{Fits, Slot};
#[cfg(feature = "sync")]
pub(crate) use self::spin_lock::SpinLock;
pub(crate) use self::state_guard::StateGuard;
pub(crate) use self::storage::Storage;
