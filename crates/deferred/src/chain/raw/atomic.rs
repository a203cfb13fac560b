//! Atomics: those of `std`; or those of `loom`, which tries all interleavings of threads, if
//! built with `--cfg deferred_loom`.

#[cfg(all(feature = "sync", not(deferred_loom)))]
pub(super) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
#[cfg(not(deferred_loom))]
pub(super) use std::sync::atomic::{AtomicU32, Ordering};

#[cfg(deferred_loom)]
pub(super) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

/// Marks accesses to fields that one thread at a time may reach. Under `loom`, a test fails
/// if two threads could do so at the same time; otherwise it does nothing.
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
