//! What few chains have.

use std::mem::MaybeUninit;

use crate::chain::core::{Canceller, Listener};
use crate::chain::mode::Mode;

/// Who gets the result of the chain, who is told when it is at its end, for whom it
/// waits, and what is to be done when it is cancelled.
///
/// One byte says which of them are there. So a chain with none of them, as most are,
/// takes one write to make and one look to see that there is nothing to be dropped.
pub(crate) struct Rare<M: Mode> {
    /// INVARIANT: those whose bits are set, and no others, hold something.
    there: u8,
    waiter: MaybeUninit<M::Ref>,
    listener: MaybeUninit<Listener<M>>,
    waiting_on: MaybeUninit<M::Weak>,
    canceller: MaybeUninit<Canceller<M>>,
}

const WAITER: u8 = 1;
const LISTENER: u8 = 2;
const WAITING_ON: u8 = 4;
const CANCELLER: u8 = 8;

/// One of them.
struct Place<'a, X> {
    there: &'a mut u8,
    bit: u8,
    /// INVARIANT: the one with this bit.
    content: &'a mut MaybeUninit<X>,
}

impl<X> Place<'_, X> {
    #[inline(always)]
    fn take(self) -> Option<X> {
        if *self.there & self.bit == 0 {
            return None;
        }
        *self.there &= !self.bit;
        // SAFETY: it was there, and is no longer said to be.
        Some(unsafe { self.content.assume_init_read() })
    }

    #[inline(always)]
    fn replace(self, content: X) -> Option<X> {
        let Self {
            there,
            bit,
            content: place,
        } = self;
        let old = Place {
            there: &mut *there,
            bit,
            content: &mut *place,
        }
        .take();
        place.write(content);
        *there |= bit;
        old
    }
}

impl<M: Mode> Rare<M> {
    /// Makes one at `place` that holds nothing.
    ///
    /// # Safety
    /// `place` is aligned and valid for writes.
    #[inline(always)]
    pub(super) unsafe fn write_none(place: *mut Self) {
        // SAFETY: by contract; the others may be left uninitialised.
        unsafe { (&raw mut (*place).there).write(0) }
    }

    /// Whether there is nothing.
    #[inline(always)]
    pub(crate) fn is_none(&self) -> bool {
        self.there == 0
    }

    /// Whether somebody gets the result, or is told.
    #[inline(always)]
    pub(crate) fn is_listened_to(&self) -> bool {
        self.there & (WAITER | LISTENER) != 0
    }

    pub(crate) fn waiter(&self) -> Option<&M::Ref> {
        let is_there = self.there & WAITER != 0;
        // SAFETY: it is there.
        is_there.then(|| unsafe { self.waiter.assume_init_ref() })
    }

    #[inline(always)]
    pub(crate) fn take_waiter(&mut self) -> Option<M::Ref> {
        self.waiter_place().take()
    }

    #[inline(always)]
    pub(crate) fn replace_waiter(&mut self, waiter: M::Ref) -> Option<M::Ref> {
        self.waiter_place().replace(waiter)
    }

    #[inline(always)]
    fn waiter_place(&mut self) -> Place<'_, M::Ref> {
        Place {
            there: &mut self.there,
            bit: WAITER,
            content: &mut self.waiter,
        }
    }

    pub(crate) fn listener(&self) -> Option<&Listener<M>> {
        let is_there = self.there & LISTENER != 0;
        // SAFETY: it is there.
        is_there.then(|| unsafe { self.listener.assume_init_ref() })
    }

    #[inline(always)]
    pub(crate) fn take_listener(&mut self) -> Option<Listener<M>> {
        self.listener_place().take()
    }

    #[inline(always)]
    pub(crate) fn replace_listener(&mut self, listener: Listener<M>) -> Option<Listener<M>> {
        self.listener_place().replace(listener)
    }

    #[inline(always)]
    fn listener_place(&mut self) -> Place<'_, Listener<M>> {
        Place {
            there: &mut self.there,
            bit: LISTENER,
            content: &mut self.listener,
        }
    }

    pub(crate) fn waiting_on(&self) -> Option<&M::Weak> {
        let is_there = self.there & WAITING_ON != 0;
        // SAFETY: it is there.
        is_there.then(|| unsafe { self.waiting_on.assume_init_ref() })
    }

    #[inline(always)]
    pub(crate) fn take_waiting_on(&mut self) -> Option<M::Weak> {
        self.waiting_on_place().take()
    }

    #[inline(always)]
    pub(crate) fn replace_waiting_on(&mut self, inner: M::Weak) -> Option<M::Weak> {
        self.waiting_on_place().replace(inner)
    }

    #[inline(always)]
    fn waiting_on_place(&mut self) -> Place<'_, M::Weak> {
        Place {
            there: &mut self.there,
            bit: WAITING_ON,
            content: &mut self.waiting_on,
        }
    }

    #[inline(always)]
    pub(crate) fn has_canceller(&self) -> bool {
        self.there & CANCELLER != 0
    }

    pub(crate) fn canceller(&self) -> Option<&Canceller<M>> {
        // SAFETY: it is there.
        self.has_canceller()
            .then(|| unsafe { self.canceller.assume_init_ref() })
    }

    #[inline(always)]
    pub(crate) fn take_canceller(&mut self) -> Option<Canceller<M>> {
        self.canceller_place().take()
    }

    #[inline(always)]
    pub(crate) fn replace_canceller(&mut self, canceller: Canceller<M>) -> Option<Canceller<M>> {
        self.canceller_place().replace(canceller)
    }

    #[inline(always)]
    fn canceller_place(&mut self) -> Place<'_, Canceller<M>> {
        Place {
            there: &mut self.there,
            bit: CANCELLER,
            content: &mut self.canceller,
        }
    }
}

impl<M: Mode> Drop for Rare<M> {
    #[inline]
    fn drop(&mut self) {
        if !self.is_none() {
            drop((
                self.take_waiter(),
                self.take_listener(),
                self.take_waiting_on(),
                self.take_canceller(),
            ));
        }
    }
}
