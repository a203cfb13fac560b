//! What forgets a type: [`Slot`] for one result, [`Stages`] for the queue of
//! stages, [`ColdState`] for what few chains have. [`Core`] says who may touch them, a
//! [`RunGuard`] is the right to do so, and [`Local`] and [`Shared`] share a core between
//! the handles of one thread or of many. [`Pinned`] is a body of `inline_callbacks` in
//! the allocation that its references share.
//!
//! This is the one module of the crate with unsafe code. It exists because a box
//! per stage is what a chain would otherwise cost: kept here, a closure or a
//! value of ordinary size lives inside the chain's own allocation.
//!
//! The rest of the crate cannot misuse it. A value that is taken out is checked
//! against the type that was put in, so a mistake gives `None` and not a wrong
//! value; a stage is queued together with what runs it.

#![expect(
    unsafe_code,
    reason = "inline storage of erased values; a box for each costs twice as much as the chain"
)]

mod atomic;
mod buffer;
mod cold;
mod core;
mod counted;
mod free_list;
mod local;
mod pinned;
mod receiver_ref;
mod run_guard;
#[cfg(feature = "sync")]
mod shared;
mod slot;
#[cfg(feature = "sync")]
mod spin_lock;
mod stages;

use std::mem::MaybeUninit;

pub(crate) use self::cold::{ColdState, CommonState};
pub(crate) use self::core::{Core, Incoming, LockedState, StateGuard};
pub(crate) use self::counted::{CoreRef, CoreWeak, Counts};
pub(crate) use self::free_list::FreeList;
pub(crate) use self::local::{Local, LocalCell};
pub(crate) use self::pinned::{PinWeak, Pinned};
pub(crate) use self::receiver_ref::ReceiverRef;
pub(crate) use self::run_guard::{OwnedRunGuard, Release, RunGuard};
#[cfg(feature = "sync")]
pub(crate) use self::shared::Shared;
pub(crate) use self::slot::Slot;
pub(crate) use self::stages::{Queued, Stages};

type Word = MaybeUninit<u64>;

const fn words_of<T>() -> usize {
    size_of::<T>().div_ceil(size_of::<Word>())
}

/// Whether a `T` can be put at any place that is aligned to a word.
const fn word_aligned<T>() -> bool {
    align_of::<T>() <= align_of::<Word>()
}

/// Moves `value` to `place`, boxed if `BOXED`.
///
/// # Safety
/// `place` is aligned to a word and valid for writes of `words_of` of a `T`, or
/// of one word if `BOXED`; if not `BOXED`, a word's alignment is enough for `T`.
#[inline(always)]
unsafe fn write<T>(place: *mut Word, value: T, boxed: bool) {
    if boxed {
        // SAFETY: by contract.
        unsafe { place.cast::<Box<T>>().write(Box::new(value)) }
    } else {
        // SAFETY: by contract.
        unsafe { place.cast::<T>().write(value) }
    }
}

/// Moves out what [`write`] put at `place`.
///
/// # Safety
/// `place` holds a `T` written by [`write`] with the same `boxed`, which is not
/// used again afterwards.
#[inline(always)]
unsafe fn read<T>(place: *const Word, boxed: bool) -> T {
    if boxed {
        // SAFETY: by contract.
        *unsafe { place.cast::<Box<T>>().read() }
    } else {
        // SAFETY: by contract.
        unsafe { place.cast::<T>().read() }
    }
}
