//! What awaits chains from outside of any: a body of `inline_callbacks`.

use std::cell::Cell;
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::task::Waker;

use super::raw::{CoreRef, CoreWeak, Local, OwnedClaim};

/// A body that awaits Deferreds, one after the other, and fires one in the end.
///
/// Only chains of one thread know of bodies: by a shared chain it is woken like any
/// other future.
pub(crate) trait Body {
    /// Goes on, since something it awaits has come; gives the chain of its result if
    /// that is to be run now.
    fn resume(self: Rc<Self>) -> Option<OwnedClaim<Local>>;

    /// The chain that gets its result, while there is one.
    fn result(&self) -> Option<CoreRef<Local>>;

    /// Cancels what it awaits.
    fn cancel(self: Rc<Self>, cancelled_at: &'static Location<'static>);

    /// The chains it awaits, and whether it waits to be woken by something else.
    fn awaited(&self) -> (Vec<CoreWeak<Local>>, bool);

    /// Hears who is to be woken when it is, being the one who polls for what comes of
    /// it.
    fn polled_by(&self, waker: &Waker);
}

pub(crate) type SharedBody = Rc<dyn Body>;
pub(crate) type WeakBody = Weak<dyn Body>;

thread_local! {
    static ASLEEP: Cell<usize> = const { Cell::new(0) };
}

/// Whether some body of this thread waits to be woken by something that is no
/// Deferred.
#[inline]
pub(crate) fn is_any_asleep() -> bool {
    ASLEEP.try_with(Cell::get).is_ok_and(|count| count > 0)
}

/// Counts one more body that sleeps, or one less.
pub(crate) fn count_asleep(by: isize) {
    // At the end of the thread, nobody asks any more.
    let _ = ASLEEP.try_with(|count| count.set(count.get().saturating_add_signed(by)));
}
