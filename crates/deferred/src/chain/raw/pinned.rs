//! Pinned future: one that is polled in place, inside of a reference-counted allocation.
//!
//! So an async task is one allocation, without a second one for a boxed future. Since several
//! references share it, none of them is mutable: a phase makes sure that the future is polled
//! or dropped by one call at a time.

use std::cell::{Cell, UnsafeCell};
use std::future::Future;
use std::marker::PhantomPinned;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use crate::panics::run_contained;

/// A future, and the state that belongs to it.
pub(crate) struct Pinned<H, F> {
    head: H,
    phase: Cell<Phase>,
    /// Number of polls, modulo 2^32.
    polls: Cell<u32>,
    /// INVARIANT: holds a future unless `phase` is `Gone`. Only the call that has moved
    /// `phase` to `Polled` or `Gone` refers to it.
    future: UnsafeCell<ManuallyDrop<F>>,
    /// Once it is behind a `Pin`, it is not moved.
    _pinned: PhantomPinned,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The future is there, and not being polled. The first phase.
    Idle,
    /// Set by `poll`, and cleared (to `Idle`) when the poll returns or panics.
    Polled,
    /// Set by `clear`, unless it is being polled: the future is dropped. The last phase.
    Gone,
}

impl<H, F> Pinned<H, F> {
    pub(crate) fn new(head: H, future: F) -> Self {
        Self {
            head,
            phase: Cell::new(Phase::Idle),
            polls: Cell::new(0),
            future: UnsafeCell::new(ManuallyDrop::new(future)),
            _pinned: PhantomPinned,
        }
    }

    /// Whether the future is there and not being polled.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.phase.get() == Phase::Idle
    }

    #[inline]
    pub(crate) fn is_gone(&self) -> bool {
        self.phase.get() == Phase::Gone
    }

    /// Number of polls, modulo 2^32.
    pub(crate) fn polls(&self) -> u32 {
        self.polls.get()
    }

    /// Polls the future; `None` if it is being polled, or gone.
    #[inline]
    pub(crate) fn poll(self: Pin<&Self>, cx: &mut Context<'_>) -> Option<Poll<F::Output>>
    where
        F: Future,
    {
        if !self.is_idle() {
            return None;
        }
        self.phase.set(Phase::Polled);
        self.polls.set(self.polls.get().wrapping_add(1));
        let _polled = Polled(&self.phase);
        // SAFETY: the phase was `Idle`, so the future is there and no other call refers to
        // it, and stays `Polled` until this returns. It is never moved: `self` is pinned and
        // not `Unpin`.
        let future = unsafe { Pin::new_unchecked(&mut **self.future.get()) };
        Some(future.poll(cx))
    }

    /// Drops the future where it is, containing a panic, unless it is being polled.
    pub(crate) fn clear(&self) {
        if !self.is_idle() {
            return;
        }
        self.phase.set(Phase::Gone);
        run_contained("a drop", || {
            // SAFETY: the phase was `Idle`, so the future was there and no other call refers
            // to it; now it is `Gone`. It is dropped in place, as pinning demands.
            unsafe { ManuallyDrop::drop(&mut *self.future.get()) };
        });
    }
}

impl<H, F> Deref for Pinned<H, F> {
    type Target = H;

    #[inline]
    fn deref(&self) -> &H {
        &self.head
    }
}

impl<H, F> Drop for Pinned<H, F> {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A future is being polled, for as long as this lives.
struct Polled<'a>(&'a Cell<Phase>);

impl Drop for Polled<'_> {
    fn drop(&mut self) {
        self.0.set(Phase::Idle);
    }
}

/// A weak reference to something pinned.
pub(crate) struct PinWeak<X: ?Sized> {
    weak: Weak<X>,
}

impl<X: ?Sized> PinWeak<X> {
    pub(crate) fn new(this: &Pin<Rc<X>>) -> Self {
        // SAFETY: the unpinned reference is only used to make a weak one, from which
        // `upgrade` makes pinned ones only: so the content is never moved.
        let counted = unsafe { Pin::into_inner_unchecked(Pin::clone(this)) };
        Self {
            weak: Rc::downgrade(&counted),
        }
    }

    pub(crate) fn upgrade(&self) -> Option<Pin<Rc<X>>> {
        let counted = self.weak.upgrade()?;
        // SAFETY: it was pinned when the weak reference was made.
        Some(unsafe { Pin::new_unchecked(counted) })
    }

    /// The address of the content, which may be dropped.
    pub(crate) fn address(&self) -> *const () {
        self.weak.as_ptr().cast()
    }
}

impl<X: ?Sized> Clone for PinWeak<X> {
    fn clone(&self) -> Self {
        Self {
            weak: Weak::clone(&self.weak),
        }
    }
}
