//! Lock of a core, and the place for stages that come while another thread runs it.

use std::mem::MaybeUninit;

/// Lock of the state of a core: lends the content to one thread at a time.
///
/// # Safety
/// `with` and `get_mut` lend the content to one caller at a time, and `as_ptr` points to it.
pub(crate) unsafe trait CoreLock<X> {
    /// Makes a lock at `place`, and calls `write` to write its content.
    ///
    /// # Safety
    /// `write` initialises the content behind its argument.
    unsafe fn init(place: &mut MaybeUninit<Self>, write: impl FnOnce(*mut X))
    where
        Self: Sized;

    /// Calls `f` with the content.
    ///
    /// INVARIANT: `f` runs no code of users, and takes no other lock. See
    /// [`Flavour::with`](crate::chain::flavour::Flavour::with).
    fn with<R>(&self, f: impl FnOnce(&mut X) -> R) -> R;

    /// Address of the content.
    fn as_ptr(&self) -> *mut X;

    /// The content of a lock that no other thread has.
    fn get_mut(&mut self) -> &mut X;
}

/// Place for an `X` that is made when it is first needed.
pub(crate) trait Incoming<X>: Sized {
    const NONE: Self;

    fn is_none(&self) -> bool;
    fn take(&mut self) -> Option<X>;
    fn get_or_insert_with(&mut self, make: impl FnOnce() -> X) -> &mut X;
}

/// [`Incoming`] of a single-threaded chain, which adds each stage to the queue at once.
pub(crate) struct NoIncoming;

impl<X> Incoming<X> for NoIncoming {
    const NONE: Self = Self;

    #[inline(always)]
    fn is_none(&self) -> bool {
        true
    }

    #[inline(always)]
    fn take(&mut self) -> Option<X> {
        None
    }

    fn get_or_insert_with(&mut self, _make: impl FnOnce() -> X) -> &mut X {
        unreachable!("one thread runs the chain and adds to it")
    }
}

/// [`Incoming`] of a chain of several threads: a box, so that a chain without one stays small.
#[cfg(feature = "sync")]
impl<X> Incoming<X> for Option<Box<X>> {
    const NONE: Self = None;

    #[inline(always)]
    fn is_none(&self) -> bool {
        self.is_none()
    }

    #[inline(always)]
    fn take(&mut self) -> Option<X> {
        self.take().map(|content| *content)
    }

    #[inline(always)]
    fn get_or_insert_with(&mut self, make: impl FnOnce() -> X) -> &mut X {
        self.get_or_insert_with(|| Box::new(make()))
    }
}
