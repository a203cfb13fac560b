//! Drops of values that are users', with their panics contained.

use deferred::Failure;

/// Drops `value`; a panic of that is logged as one of `what`.
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
