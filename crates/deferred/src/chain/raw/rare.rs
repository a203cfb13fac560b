//! What few chains have.

use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::{Deref, DerefMut};
use std::task::Waker;

use super::{CoreRef, CoreWeak};
use crate::chain::core::{Canceller, Cancelling, EndState, Inside, Listener};
use crate::chain::mode::Mode;

/// Who gets the result of the chain, who is told when it is at its end, for whom it
/// waits, and what is to be done when it is cancelled.
///
/// One byte says which of them are there. So a chain with none of them, as most are,
/// takes one write to make and one look to see that there is nothing to be dropped.
/// There is no enum in it, since that would be read as a whole, and whoever reads at
/// once what was just written piece by piece has to wait for it.
#[repr(C)] // what is mostly looked at first
pub(crate) struct Rare<M: Mode> {
    beside: Beside,
    told: Told<M>,
    cancelled: Cancelled<M>,
}

/// What every chain has, and fits beside the byte that says what else is there.
#[repr(C)]
pub(crate) struct Beside {
    /// INVARIANT: those whose bits are set, and no others, hold something.
    there: u8,
    pub(in crate::chain) cancelling: Cancelling,
    pub(in crate::chain) end: EndState,
    pub(in crate::chain) triggers: u32,
}

impl Beside {
    /// Of a new chain, which nobody has cancelled.
    #[inline(always)]
    pub(super) fn new(triggers: u32) -> Self {
        Self {
            there: 0,
            cancelling: Cancelling::No,
            end: EndState::Held,
            triggers,
        }
    }
}

impl<M: Mode> Deref for Rare<M> {
    type Target = Beside;

    #[inline(always)]
    fn deref(&self) -> &Beside {
        &self.beside
    }
}

impl<M: Mode> DerefMut for Rare<M> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Beside {
        &mut self.beside
    }
}

/// Who is told. INVARIANT: one of them at the most.
union Told<M: Mode> {
    waiter: ManuallyDrop<MaybeUninit<CoreRef<M>>>,
    waker: ManuallyDrop<MaybeUninit<Waker>>,
    body: ManuallyDrop<MaybeUninit<M::Body>>,
    inside: ManuallyDrop<MaybeUninit<Box<Inside<M>>>>,
}

/// What is cancelled: something else while the chain is unfired, and the one that it waits
/// for while it waits. INVARIANT: one of them at the most.
union Cancelled<M: Mode> {
    waiting_on: ManuallyDrop<MaybeUninit<CoreWeak<M>>>,
    canceller: ManuallyDrop<MaybeUninit<M::Canceller>>,
    parts: ManuallyDrop<MaybeUninit<M::Group>>,
    fired_by: ManuallyDrop<MaybeUninit<M::WeakBody>>,
}

const WAITER: u8 = 1;
const WAKER: u8 = 2;
const BODY: u8 = 4;
const WAITING_ON: u8 = 8;
const CANCELLER: u8 = 16;
const PARTS: u8 = 32;
const FIRED_BY: u8 = 64;
const INSIDE: u8 = 128;

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
    pub(super) unsafe fn write_none(place: *mut Self, beside: Beside) {
        // SAFETY: by contract; the others may be left uninitialised.
        unsafe { (&raw mut (*place).beside).write(beside) }
    }

    /// Whether there is nothing.
    #[inline(always)]
    pub(crate) fn is_none(&self) -> bool {
        self.beside.there == 0
    }

    /// Whether somebody gets the result, or is told.
    #[inline(always)]
    pub(crate) fn is_listened_to(&self) -> bool {
        self.beside.there & (WAITER | WAKER | BODY | INSIDE) != 0
    }

    pub(crate) fn waiter(&self) -> Option<&CoreRef<M>> {
        let is_there = self.beside.there & WAITER != 0;
        // SAFETY: it is there.
        is_there.then(|| unsafe { self.told.waiter.assume_init_ref() })
    }

    #[inline(always)]
    pub(crate) fn take_waiter(&mut self) -> Option<CoreRef<M>> {
        self.waiter_place().take()
    }

    #[inline(always)]
    pub(crate) fn replace_waiter(&mut self, waiter: CoreRef<M>) -> Option<CoreRef<M>> {
        assert!(
            self.beside.there & (WAKER | BODY | INSIDE) == 0,
            "who waits has the end, and those who were told before are gone"
        );
        self.waiter_place().replace(waiter)
    }

    #[inline(always)]
    fn waiter_place(&mut self) -> Place<'_, CoreRef<M>> {
        Place {
            there: &mut self.beside.there,
            bit: WAITER,
            // SAFETY: whatever is there, it is room for one.
            content: unsafe { &mut self.told.waiter },
        }
    }

    pub(crate) fn waker(&self) -> Option<&Waker> {
        let is_there = self.beside.there & WAKER != 0;
        // SAFETY: it is there.
        is_there.then(|| unsafe { self.told.waker.assume_init_ref() })
    }

    pub(crate) fn body(&self) -> Option<&M::Body> {
        let is_there = self.beside.there & BODY != 0;
        // SAFETY: it is there.
        is_there.then(|| unsafe { self.told.body.assume_init_ref() })
    }

    pub(crate) fn inside(&self) -> Option<&Inside<M>> {
        let is_there = self.beside.there & INSIDE != 0;
        // SAFETY: it is there.
        is_there.then(|| &**unsafe { self.told.inside.assume_init_ref() })
    }

    /// Whether somebody is to be woken, be it inside of a body.
    #[inline(always)]
    pub(crate) fn has_waker(&self) -> bool {
        self.beside.there & (WAKER | INSIDE) != 0
    }

    /// The one who is to be woken, be it inside of a body.
    pub(crate) fn take_waker(&mut self) -> Option<Waker> {
        if let Some(waker) = self.waker_place().take() {
            return Some(waker);
        }
        self.inside_place().take().map(|inside| inside.waker)
    }

    #[inline(always)]
    pub(crate) fn take_body(&mut self) -> Option<M::Body> {
        self.body_place().take()
    }

    #[inline(always)]
    pub(crate) fn take_listener(&mut self) -> Option<Listener<M>> {
        if let Some(body) = self.take_body() {
            return Some(Listener::Body(body));
        }
        if let Some(inside) = self.inside_place().take() {
            return Some(Listener::Inside(inside));
        }
        self.waker_place().take().map(Listener::Waker)
    }

    /// Gives the one that was there.
    #[inline(always)]
    pub(crate) fn replace_listener(&mut self, listener: Listener<M>) -> Option<Listener<M>> {
        assert!(self.beside.there & WAITER == 0, "the end is the waiter's");
        let old = self.take_listener();
        match listener {
            Listener::Waker(waker) => drop(self.waker_place().replace(waker)),
            Listener::Body(body) => drop(self.body_place().replace(body)),
            Listener::Inside(inside) => drop(self.inside_place().replace(inside)),
        }
        old
    }

    #[inline(always)]
    fn waker_place(&mut self) -> Place<'_, Waker> {
        Place {
            there: &mut self.beside.there,
            bit: WAKER,
            // SAFETY: whatever is there, it is room for one.
            content: unsafe { &mut self.told.waker },
        }
    }

    #[inline(always)]
    fn body_place(&mut self) -> Place<'_, M::Body> {
        Place {
            there: &mut self.beside.there,
            bit: BODY,
            // SAFETY: whatever is there, it is room for one.
            content: unsafe { &mut self.told.body },
        }
    }

    #[inline(always)]
    fn inside_place(&mut self) -> Place<'_, Box<Inside<M>>> {
        Place {
            there: &mut self.beside.there,
            bit: INSIDE,
            // SAFETY: whatever is there, it is room for one.
            content: unsafe { &mut self.told.inside },
        }
    }

    pub(crate) fn waiting_on(&self) -> Option<&CoreWeak<M>> {
        let is_there = self.beside.there & WAITING_ON != 0;
        // SAFETY: it is there.
        is_there.then(|| unsafe { self.cancelled.waiting_on.assume_init_ref() })
    }

    #[inline(always)]
    pub(crate) fn take_waiting_on(&mut self) -> Option<CoreWeak<M>> {
        self.waiting_on_place().take()
    }

    #[inline(always)]
    pub(crate) fn replace_waiting_on(&mut self, inner: CoreWeak<M>) -> Option<CoreWeak<M>> {
        assert!(
            !self.has_canceller(),
            "what is cancelled of an unfired chain goes when it is fired"
        );
        self.waiting_on_place().replace(inner)
    }

    #[inline(always)]
    fn waiting_on_place(&mut self) -> Place<'_, CoreWeak<M>> {
        Place {
            there: &mut self.beside.there,
            bit: WAITING_ON,
            // SAFETY: whatever is there, it is room for one.
            content: unsafe { &mut self.cancelled.waiting_on },
        }
    }

    /// Whether there is a canceller of any kind.
    #[inline(always)]
    pub(crate) fn has_canceller(&self) -> bool {
        self.beside.there & (CANCELLER | PARTS | FIRED_BY) != 0
    }

    /// The body that fires the chain in the end, if that is what is cancelled.
    pub(crate) fn fired_by(&self) -> Option<&M::WeakBody> {
        let is_there = self.beside.there & FIRED_BY != 0;
        // SAFETY: it is there.
        is_there.then(|| unsafe { self.cancelled.fired_by.assume_init_ref() })
    }

    /// What knows the parts of the chain, if it is made of some.
    pub(crate) fn parts(&self) -> Option<&M::Group> {
        let is_there = self.beside.there & PARTS != 0;
        // SAFETY: it is there.
        is_there.then(|| unsafe { self.cancelled.parts.assume_init_ref() })
    }

    #[inline(always)]
    pub(crate) fn take_canceller(&mut self) -> Option<Canceller<M>> {
        if !self.has_canceller() {
            return None;
        }
        if let Some(canceller) = self.canceller_place().take() {
            return Some(Canceller::Call(canceller));
        }
        if let Some(parts) = self.parts_place().take() {
            return Some(Canceller::Parts(parts));
        }
        self.fired_by_place().take().map(Canceller::Body)
    }

    /// Gives the one that was there.
    #[inline(always)]
    pub(crate) fn replace_canceller(&mut self, canceller: Canceller<M>) -> Option<Canceller<M>> {
        assert!(
            self.beside.there & WAITING_ON == 0,
            "a chain that waits was fired, and has no canceller"
        );
        let old = self.take_canceller();
        match canceller {
            Canceller::Call(canceller) => drop(self.canceller_place().replace(canceller)),
            Canceller::Parts(parts) => drop(self.parts_place().replace(parts)),
            Canceller::Body(body) => drop(self.fired_by_place().replace(body)),
        }
        old
    }

    #[inline(always)]
    fn canceller_place(&mut self) -> Place<'_, M::Canceller> {
        Place {
            there: &mut self.beside.there,
            bit: CANCELLER,
            // SAFETY: whatever is there, it is room for one.
            content: unsafe { &mut self.cancelled.canceller },
        }
    }

    #[inline(always)]
    fn parts_place(&mut self) -> Place<'_, M::Group> {
        Place {
            there: &mut self.beside.there,
            bit: PARTS,
            // SAFETY: whatever is there, it is room for one.
            content: unsafe { &mut self.cancelled.parts },
        }
    }

    #[inline(always)]
    fn fired_by_place(&mut self) -> Place<'_, M::WeakBody> {
        Place {
            there: &mut self.beside.there,
            bit: FIRED_BY,
            // SAFETY: whatever is there, it is room for one.
            content: unsafe { &mut self.cancelled.fired_by },
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
