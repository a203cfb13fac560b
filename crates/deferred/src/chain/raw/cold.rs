//! What few chains have.

use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::{Deref, DerefMut};
use std::task::Waker;

use super::{CoreRef, CoreWeak};
use crate::chain::core::{Canceller, Cancelling, Listener, NestedWaker, ReceiverState};
use crate::chain::flavour::Flavour;

/// Who gets the result of the chain, who is told when it is at its end, for whom it
/// waits, and what is to be done when it is cancelled.
///
/// One byte says which of them are there. So a chain with none of them, as most are,
/// takes one write to make and one look to see that there is nothing to be dropped.
/// There is no enum in it, since that would be read as a whole, and whoever reads at
/// once what was just written piece by piece has to wait for it.
#[repr(C)] // what is mostly looked at first
pub(crate) struct ColdState<M: Flavour> {
    common: CommonState,
    consumer: Consumer<M>,
    cancel_target: CancelTarget<M>,
}

/// What every chain has, and fits beside the byte that says what else is there.
#[repr(C)]
pub(crate) struct CommonState {
    /// INVARIANT: those whose bits are set, and no others, hold something.
    present: u8,
    pub(in crate::chain) cancelling: Cancelling,
    pub(in crate::chain) receiver: ReceiverState,
    /// Threads that have this chain wait for another one and still look for a cycle: a few
    /// instructions each, so that there are never 256. While there is one, the chain is not
    /// taken out of the path: see [`wait_for`](crate::chain::wait::wait_for).
    pub(in crate::chain) joining: u8,
    pub(in crate::chain) triggers: u32,
}

impl CommonState {
    /// Of a new chain, which nobody has cancelled.
    #[inline(always)]
    pub(super) fn new(triggers: u32) -> Self {
        Self {
            present: 0,
            cancelling: Cancelling::No,
            receiver: ReceiverState::Held,
            joining: 0,
            triggers,
        }
    }
}

impl<M: Flavour> Deref for ColdState<M> {
    type Target = CommonState;

    #[inline(always)]
    fn deref(&self) -> &CommonState {
        &self.common
    }
}

impl<M: Flavour> DerefMut for ColdState<M> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut CommonState {
        &mut self.common
    }
}

/// Who is told. INVARIANT: one of them at the most.
union Consumer<M: Flavour> {
    waiter: ManuallyDrop<MaybeUninit<CoreRef<M>>>,
    waker: ManuallyDrop<MaybeUninit<Waker>>,
    task: ManuallyDrop<MaybeUninit<M::Task>>,
    nested: ManuallyDrop<MaybeUninit<Box<NestedWaker<M>>>>,
}

/// What is cancelled: something else while the chain is unfired, and the one that it waits
/// for while it waits. INVARIANT: one of them at the most.
union CancelTarget<M: Flavour> {
    waiting_on: ManuallyDrop<MaybeUninit<CoreWeak<M>>>,
    canceller: ManuallyDrop<MaybeUninit<M::Canceller>>,
    parts: ManuallyDrop<MaybeUninit<M::Group>>,
    fired_by: ManuallyDrop<MaybeUninit<M::WeakTask>>,
}

const WAITER: u8 = 1;
const WAKER: u8 = 2;
const TASK: u8 = 4;
const WAITING_ON: u8 = 8;
const CANCELLER: u8 = 16;
const PARTS: u8 = 32;
const FIRED_BY: u8 = 64;
const NESTED: u8 = 128;

/// One of them.
struct Entry<'a, X> {
    present: &'a mut u8,
    bit: u8,
    /// INVARIANT: the one with this bit.
    content: &'a mut MaybeUninit<X>,
}

impl<X> Entry<'_, X> {
    #[inline(always)]
    fn take(self) -> Option<X> {
        if *self.present & self.bit == 0 {
            return None;
        }
        *self.present &= !self.bit;
        // SAFETY: it was there, and is no longer said to be.
        Some(unsafe { self.content.assume_init_read() })
    }

    #[inline(always)]
    fn replace(self, content: X) -> Option<X> {
        let Self {
            present,
            bit,
            content: place,
        } = self;
        let old = Entry {
            present: &mut *present,
            bit,
            content: &mut *place,
        }
        .take();
        place.write(content);
        *present |= bit;
        old
    }
}

impl<M: Flavour> ColdState<M> {
    /// Makes one at `place` that holds nothing.
    ///
    /// # Safety
    /// `place` is aligned and valid for writes.
    #[inline(always)]
    pub(super) unsafe fn write_none(place: *mut Self, common: CommonState) {
        // SAFETY: by contract; the others may be left uninitialised.
        unsafe { (&raw mut (*place).common).write(common) }
    }

    /// Whether there is nothing.
    #[inline(always)]
    pub(crate) fn is_none(&self) -> bool {
        self.common.present == 0
    }

    /// Whether somebody gets the result, or is told.
    #[inline(always)]
    pub(crate) fn is_listened_to(&self) -> bool {
        self.common.present & (WAITER | WAKER | TASK | NESTED) != 0
    }

    pub(crate) fn waiter(&self) -> Option<&CoreRef<M>> {
        let is_there = self.common.present & WAITER != 0;
        // SAFETY: it is there.
        is_there.then(|| unsafe { self.consumer.waiter.assume_init_ref() })
    }

    #[inline(always)]
    pub(crate) fn take_waiter(&mut self) -> Option<CoreRef<M>> {
        self.waiter_entry().take()
    }

    #[inline(always)]
    pub(crate) fn replace_waiter(&mut self, waiter: CoreRef<M>) -> Option<CoreRef<M>> {
        assert!(
            self.common.present & (WAKER | TASK | NESTED) == 0,
            "who waits has the receiver, and those who were told before are gone"
        );
        self.waiter_entry().replace(waiter)
    }

    #[inline(always)]
    fn waiter_entry(&mut self) -> Entry<'_, CoreRef<M>> {
        Entry {
            present: &mut self.common.present,
            bit: WAITER,
            // SAFETY: whatever is there, it is room for one.
            content: unsafe { &mut self.consumer.waiter },
        }
    }

    pub(crate) fn waker(&self) -> Option<&Waker> {
        let is_there = self.common.present & WAKER != 0;
        // SAFETY: it is there.
        is_there.then(|| unsafe { self.consumer.waker.assume_init_ref() })
    }

    pub(crate) fn task(&self) -> Option<&M::Task> {
        let is_there = self.common.present & TASK != 0;
        // SAFETY: it is there.
        is_there.then(|| unsafe { self.consumer.task.assume_init_ref() })
    }

    pub(crate) fn nested(&self) -> Option<&NestedWaker<M>> {
        let is_there = self.common.present & NESTED != 0;
        // SAFETY: it is there.
        is_there.then(|| &**unsafe { self.consumer.nested.assume_init_ref() })
    }

    /// Whether somebody is to be woken, be it inside of a body.
    #[inline(always)]
    pub(crate) fn has_waker(&self) -> bool {
        self.common.present & (WAKER | NESTED) != 0
    }

    /// The one who is to be woken, be it inside of a body.
    pub(crate) fn take_waker(&mut self) -> Option<Waker> {
        if let Some(waker) = self.waker_entry().take() {
            return Some(waker);
        }
        self.nested_entry().take().map(|nested| nested.waker)
    }

    #[inline(always)]
    pub(crate) fn take_task(&mut self) -> Option<M::Task> {
        self.task_entry().take()
    }

    #[inline(always)]
    pub(crate) fn take_listener(&mut self) -> Option<Listener<M>> {
        if let Some(task) = self.take_task() {
            return Some(Listener::Task(task));
        }
        if let Some(nested) = self.nested_entry().take() {
            return Some(Listener::Nested(nested));
        }
        self.waker_entry().take().map(Listener::Waker)
    }

    /// Gives the one that was there.
    #[inline(always)]
    pub(crate) fn replace_listener(&mut self, listener: Listener<M>) -> Option<Listener<M>> {
        assert!(
            self.common.present & WAITER == 0,
            "the receiver is the waiter's"
        );
        let old = self.take_listener();
        match listener {
            Listener::Waker(waker) => drop(self.waker_entry().replace(waker)),
            Listener::Task(task) => drop(self.task_entry().replace(task)),
            Listener::Nested(nested) => drop(self.nested_entry().replace(nested)),
        }
        old
    }

    #[inline(always)]
    fn waker_entry(&mut self) -> Entry<'_, Waker> {
        Entry {
            present: &mut self.common.present,
            bit: WAKER,
            // SAFETY: whatever is there, it is room for one.
            content: unsafe { &mut self.consumer.waker },
        }
    }

    #[inline(always)]
    fn task_entry(&mut self) -> Entry<'_, M::Task> {
        Entry {
            present: &mut self.common.present,
            bit: TASK,
            // SAFETY: whatever is there, it is room for one.
            content: unsafe { &mut self.consumer.task },
        }
    }

    #[inline(always)]
    fn nested_entry(&mut self) -> Entry<'_, Box<NestedWaker<M>>> {
        Entry {
            present: &mut self.common.present,
            bit: NESTED,
            // SAFETY: whatever is there, it is room for one.
            content: unsafe { &mut self.consumer.nested },
        }
    }

    pub(crate) fn waiting_on(&self) -> Option<&CoreWeak<M>> {
        let is_there = self.common.present & WAITING_ON != 0;
        // SAFETY: it is there.
        is_there.then(|| unsafe { self.cancel_target.waiting_on.assume_init_ref() })
    }

    #[inline(always)]
    pub(crate) fn take_waiting_on(&mut self) -> Option<CoreWeak<M>> {
        self.waiting_on_entry().take()
    }

    #[inline(always)]
    pub(crate) fn replace_waiting_on(&mut self, inner: CoreWeak<M>) -> Option<CoreWeak<M>> {
        assert!(
            !self.has_canceller(),
            "what is cancelled of an unfired chain goes when it is fired"
        );
        self.waiting_on_entry().replace(inner)
    }

    #[inline(always)]
    fn waiting_on_entry(&mut self) -> Entry<'_, CoreWeak<M>> {
        Entry {
            present: &mut self.common.present,
            bit: WAITING_ON,
            // SAFETY: whatever is there, it is room for one.
            content: unsafe { &mut self.cancel_target.waiting_on },
        }
    }

    /// Whether there is a canceller of any kind.
    #[inline(always)]
    pub(crate) fn has_canceller(&self) -> bool {
        self.common.present & (CANCELLER | PARTS | FIRED_BY) != 0
    }

    /// The body that fires the chain in the end, if that is what is cancelled.
    pub(crate) fn fired_by(&self) -> Option<&M::WeakTask> {
        let is_there = self.common.present & FIRED_BY != 0;
        // SAFETY: it is there.
        is_there.then(|| unsafe { self.cancel_target.fired_by.assume_init_ref() })
    }

    /// What knows the parts of the chain, if it is made of some.
    pub(crate) fn parts(&self) -> Option<&M::Group> {
        let is_there = self.common.present & PARTS != 0;
        // SAFETY: it is there.
        is_there.then(|| unsafe { self.cancel_target.parts.assume_init_ref() })
    }

    #[inline(always)]
    pub(crate) fn take_canceller(&mut self) -> Option<Canceller<M>> {
        if !self.has_canceller() {
            return None;
        }
        if let Some(canceller) = self.canceller_entry().take() {
            return Some(Canceller::Call(canceller));
        }
        if let Some(parts) = self.parts_entry().take() {
            return Some(Canceller::Parts(parts));
        }
        self.fired_by_entry().take().map(Canceller::Task)
    }

    /// Gives the one that was there.
    #[inline(always)]
    pub(crate) fn replace_canceller(&mut self, canceller: Canceller<M>) -> Option<Canceller<M>> {
        assert!(
            self.common.present & WAITING_ON == 0,
            "a chain that waits was fired, and has no canceller"
        );
        let old = self.take_canceller();
        match canceller {
            Canceller::Call(canceller) => drop(self.canceller_entry().replace(canceller)),
            Canceller::Parts(parts) => drop(self.parts_entry().replace(parts)),
            Canceller::Task(task) => drop(self.fired_by_entry().replace(task)),
        }
        old
    }

    #[inline(always)]
    fn canceller_entry(&mut self) -> Entry<'_, M::Canceller> {
        Entry {
            present: &mut self.common.present,
            bit: CANCELLER,
            // SAFETY: whatever is there, it is room for one.
            content: unsafe { &mut self.cancel_target.canceller },
        }
    }

    #[inline(always)]
    fn parts_entry(&mut self) -> Entry<'_, M::Group> {
        Entry {
            present: &mut self.common.present,
            bit: PARTS,
            // SAFETY: whatever is there, it is room for one.
            content: unsafe { &mut self.cancel_target.parts },
        }
    }

    #[inline(always)]
    fn fired_by_entry(&mut self) -> Entry<'_, M::WeakTask> {
        Entry {
            present: &mut self.common.present,
            bit: FIRED_BY,
            // SAFETY: whatever is there, it is room for one.
            content: unsafe { &mut self.cancel_target.fired_by },
        }
    }
}

impl<M: Flavour> Drop for ColdState<M> {
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
