//! Panics of users' code: caught, or logged and contained.
//!
//! A panic of a callback becomes a [`Failure`](crate::Failure). A panic of a *drop* has no
//! result that could carry it, so it is logged and the chain goes on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `f`; a panic comes back as its payload.
///
/// Unwind safety is asserted: the crate borrows none of its state while user code runs, and
/// the captures of a closure that has panicked are dropped.
///
/// It may be called while the thread is panicking: a panic inside of `f` is caught before it
/// could meet the one that unwinds.
#[inline]
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(f))
}

/// Drops `value`, containing a panic.
pub(crate) fn drop_contained<T>(value: T) {
    if const { std::mem::needs_drop::<T>() } {
        // A panic ends the process, so there is nothing to catch.
        if cfg!(panic = "abort") {
            return drop(value);
        }
        run_erased("a drop", &mut Dropped(Some(value)));
    }
}

/// Drops values one by one, containing each panic: a second one in the drop of a whole
/// collection would end the process.
pub(crate) fn drop_each_contained<T>(values: impl IntoIterator<Item = T>) {
    if const { std::mem::needs_drop::<T>() } {
        values.into_iter().for_each(drop_contained);
    }
}

/// Runs `f`; a panic is logged as coming from `what`.
pub(crate) fn run_contained(what: &'static str, f: impl FnOnce()) {
    if cfg!(panic = "abort") {
        return f();
    }
    run_erased(what, &mut Called(Some(f)));
}

/// Something to do once, without its type. (A `dyn FnMut` would have the code of each closure
/// compiled twice, for `FnOnce` too.)
trait Once {
    fn run(&mut self);
}

struct Dropped<T>(Option<T>);

impl<T> Once for Dropped<T> {
    fn run(&mut self) {
        drop(self.0.take());
    }
}

struct Called<F>(Option<F>);

impl<F: FnOnce()> Once for Called<F> {
    fn run(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

/// As [`run_contained`]: compiled once, not for each type that is dropped, because to catch
/// and to log takes more code than a drop.
#[inline(never)]
fn run_erased(what: &'static str, once: &mut dyn Once) {
    let mut caught = catch(|| once.run()).err();
    // A payload may panic when it is dropped, with a payload of its own.
    while let Some(payload) = caught {
        // A subscriber is user code: it may panic, too.
        let logged = catch(|| tracing::error!(target: "deferred", "{what} panicked; contained"));
        caught = catch(|| drop((payload, logged))).err();
    }
}
