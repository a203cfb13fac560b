//! Keeping other people's panics where they happened.
//!
//! A callback that panics becomes a [`Failure`](crate::Failure); a *drop* that
//! panics has nobody to tell, so it is logged and the chain goes on.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `f`; a panic comes back as its payload.
///
/// Unwind safety is asserted: nothing of ours is borrowed while user code runs,
/// and what the user's closure captured is gone once it has panicked.
///
/// What was [put off](until_caught) while the panic unwound is done first.
#[inline]
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    let caught = catch_unwind(AssertUnwindSafe(f));
    if caught.is_err() {
        do_what_was_put_off();
    }
    caught
}

thread_local! {
    static PUT_OFF: RefCell<Vec<fn()>> = const { RefCell::new(Vec::new()) };
}

/// Has `f` called when the panic that unwinds now has been caught.
pub(crate) fn until_caught(f: fn()) {
    // At the end of the thread, nobody waits for it.
    let _ = PUT_OFF.try_with(|put_off| put_off.borrow_mut().push(f));
}

/// Does what was put off, if the thread no longer panics.
#[cold]
fn do_what_was_put_off() {
    if std::thread::panicking() {
        return;
    }
    for f in PUT_OFF.try_with(RefCell::take).unwrap_or_default() {
        f();
    }
}

/// Drops `value`, containing a panic.
pub(crate) fn drop_contained<T>(value: T) {
    if std::mem::needs_drop::<T>() {
        run_contained("a drop", || drop(value));
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
