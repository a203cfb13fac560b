//! A closure that is called once, or never, without its type.

use crate::chain::{Local, Slot};

/// The largest closure that is kept in place.
const WORDS: usize = 3;

type Kept = Slot<Local, WORDS>;

/// A closure that is called once, or never.
///
/// A small one is kept in place, as many are made and few are large. Dropping it drops
/// the closure, containing a panic.
pub(super) struct Call {
    /// Empty when the closure is taken.
    closure: Kept,
    /// Calls what is in there.
    invoke: fn(Kept),
}

impl Call {
    /// None: making it does nothing.
    #[inline]
    pub(super) const fn none() -> Self {
        Self {
            closure: Kept::empty(),
            invoke: |_| {},
        }
    }

    /// Puts one where there is none. In its place, since it is written by words, and
    /// moved by more at once, which would have to wait for them.
    #[inline]
    pub(super) fn put<F: FnOnce() + 'static>(&mut self, f: F) {
        self.closure.put_value(f);
        self.invoke = invoke::<F>;
    }

    /// Takes the closure out.
    #[inline]
    pub(super) fn take(&mut self) -> Self {
        Self {
            closure: self.closure.take_all(),
            invoke: self.invoke,
        }
    }

    /// Makes the call.
    #[inline]
    pub(super) fn invoke(self) {
        (self.invoke)(self.closure);
    }
}

fn invoke<F: FnOnce() + 'static>(mut closure: Kept) {
    if let Some(f) = closure.take_value::<F>() {
        f();
    }
}
