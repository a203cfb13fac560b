//! What threads meet at: the atomics of `std`; or those of `loom`, which tries all orders
//! of what threads do, if built with `--cfg deferred_loom`.

#[cfg(all(feature = "sync", not(deferred_loom)))]
pub(super) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
#[cfg(not(deferred_loom))]
pub(super) use std::sync::atomic::{AtomicU32, Ordering};

#[cfg(deferred_loom)]
pub(super) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

/// Stands beside what one thread at a time may reach, by whatever rule, and is told when
/// one does. `loom` fails if another one might at the same time; else it does nothing.
pub(super) struct Witness(#[cfg(deferred_loom)] loom::cell::UnsafeCell<()>);

#[cfg(not(deferred_loom))]
impl Witness {
    #[inline(always)]
    pub(super) const fn new() -> Self {
        Self()
    }

    #[inline(always)]
    pub(super) fn reached(&self) {}
}

#[cfg(deferred_loom)]
impl Witness {
    pub(super) fn new() -> Self {
        Self(loom::cell::UnsafeCell::new(()))
    }

    pub(super) fn reached(&self) {
        self.0.with_mut(|_content| ());
    }
}
