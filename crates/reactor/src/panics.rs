//! Panics: calls of user code, and drops of user values, whose panics are logged and go no
//! further.

use deferred::{Failure, Outcome, maybe_deferred};

/// Calls `f`, which is user code; a panic in it is logged and ends only that call.
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

/// Logs the failure that a call returned, or that the Deferred it returned comes to.
#[inline]
pub(crate) fn log_failure<O: Outcome<Value = ()>>(outcome: O) {
    // A type without data, such as `()`, holds no failure.
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

/// Drops values one by one: a second panic in the drop of one `Vec` would end the process.
pub(crate) fn drop_each<X>(what: &'static str, values: impl IntoIterator<Item = X>) {
    for value in values {
        drop_contained(what, value);
    }
}
