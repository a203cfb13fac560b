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
    if let Err(panicked) = Failure::catch(|| drop(value)) {
        tracing::error!(target: "reactor", "{what} {panicked}");
    }
}

/// Drops values one by one. If a whole `Vec` were dropped at once, a second panic would abort the
/// process.
pub(crate) fn drop_each<X>(what: &'static str, values: impl IntoIterator<Item = X>) {
    for value in values {
        drop_contained(what, value);
    }
}
