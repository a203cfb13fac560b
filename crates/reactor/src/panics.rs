//! Panics: functions that call user code or drop user values, and log a panic instead of passing it
//! on.

use deferred::{Failure, Outcome, maybe_deferred};

/// Calls `f`, which is user code. A panic is logged as one of `what`, and ends only this call.
#[inline]
pub(crate) fn contain(what: &'static str, f: impl FnOnce()) {
    if let Err(panicked) = Failure::catch(f) {
        log_panic(what, &panicked);
    }
}

#[cold]
fn log_panic(what: &str, panicked: &Failure) {
    tracing::error!(target: "reactor", "{what} {panicked}");
}

/// Logs the failure of a call: the one that it has returned, or that of the Deferred that it has
/// returned.
#[inline]
pub(crate) fn log_failure<O: Outcome<Value = ()>>(outcome: O) {
    // A type without data, such as `()`, has no failure.
    if size_of::<O>() != 0 {
        maybe_deferred(|| outcome).log_error().ignore();
    }
}

/// Drops `value`; a panic in its drop is logged as one of `what`.
pub(crate) fn drop_contained<X>(what: &'static str, value: X) {
    if const { std::mem::needs_drop::<X>() } {
        drop_erased(what, &mut Dropped(Some(value)));
    }
}

/// A value to be dropped, without its type.
trait Discard {
    fn discard(&mut self);
}

struct Dropped<X>(Option<X>);

impl<X> Discard for Dropped<X> {
    fn discard(&mut self) {
        drop(self.0.take());
    }
}

/// As [`drop_contained`]: compiled once, and not for each type, because to catch a panic takes more
/// code than a drop.
#[inline(never)]
fn drop_erased(what: &'static str, value: &mut dyn Discard) {
    contain(what, || value.discard());
}

/// Drops values one by one. If a whole `Vec` were dropped at once, a second panic would abort the
/// process.
pub(crate) fn drop_each<X>(what: &'static str, values: impl IntoIterator<Item = X>) {
    for value in values {
        drop_contained(what, value);
    }
}
