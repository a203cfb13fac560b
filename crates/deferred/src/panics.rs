//! Keeping other people's panics where they happened.
//!
//! A callback that panics becomes a [`Failure`](crate::Failure); a *drop* that
//! panics has nobody to tell, so it is logged and the chain goes on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `f`; a panic comes back as its payload.
///
/// Unwind safety is asserted: nothing of ours is borrowed while user code runs,
/// and what the user's closure captured is gone once it has panicked.
///
/// It may be called while the thread is panicking: what a user has to run in a drop, a
/// panic inside of it included, does not get in the way of the panic that unwinds.
#[inline]
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(f))
}

/// Drops `value`, containing a panic.
pub(crate) fn drop_contained<T>(value: T) {
    if std::mem::needs_drop::<T>() {
        run_contained("a drop", || drop(value));
    }
}

/// Drops values one by one, containing each panic: a second one in the drop of a whole
/// collection would end the process.
pub(crate) fn drop_each_contained<T>(values: impl IntoIterator<Item = T>) {
    if std::mem::needs_drop::<T>() {
        values.into_iter().for_each(drop_contained);
    }
}

/// Runs `f`; a panic is logged as coming from `what`.
pub(crate) fn run_contained(what: &'static str, f: impl FnOnce()) {
    let mut caught = catch(f).err();
    // A payload may panic when it is dropped, with a payload of its own.
    while let Some(payload) = caught {
        // The log is other people's code, too.
        let logged = catch(|| tracing::error!(target: "deferred", "{what} panicked; contained"));
        caught = catch(|| drop((payload, logged))).err();
    }
}
