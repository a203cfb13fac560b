//! Type-erased closure of a timer, stored inline if it is small.

use crate::chain::{Local, Slot};

/// Closures up to this size are stored inline.
const WORDS: usize = 3;

type Kept = Slot<Local, WORDS>;

/// A closure that is called at most once.
///
/// A small one is stored inline, without an allocation. Dropping it drops the closure, with a
/// panic contained.
pub(super) struct Call {
    /// Empty once the closure was taken.
    closure: Kept,
    /// For the type of the value in `closure`.
    vtable: &'static Vtable,
}

struct Vtable {
    invoke: fn(Kept),
    /// The name of the closure's type, which names the function that it stands in.
    name: fn() -> &'static str,
}

impl Call {
    /// No closure: invoking it does nothing.
    #[inline]
    pub(super) const fn none() -> Self {
        Self {
            closure: Kept::empty(),
            vtable: &Vtable {
                invoke: |_| {},
                name: || "",
            },
        }
    }

    /// Stores a closure where there is none.
    ///
    /// It is written in place: a move of a value that was just written word by word would stall
    /// on store forwarding.
    #[inline]
    pub(super) fn put<F: FnOnce() + 'static>(&mut self, f: F) {
        self.closure.put_value(f);
        self.vtable = const {
            &Vtable {
                invoke: invoke::<F>,
                name: std::any::type_name::<F>,
            }
        };
    }

    /// Takes the closure out.
    #[inline]
    pub(super) fn take(&mut self) -> Self {
        Self {
            closure: self.closure.take_all(),
            vtable: self.vtable,
        }
    }

    /// Calls the closure.
    #[inline]
    pub(super) fn invoke(self) {
        (self.vtable.invoke)(self.closure);
    }

    pub(super) fn name(&self) -> &'static str {
        (self.vtable.name)()
    }
}

fn invoke<F: FnOnce() + 'static>(mut closure: Kept) {
    if let Some(f) = closure.take_value::<F>() {
        f();
    }
}
