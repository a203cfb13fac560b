//! Cold state: the fields of a chain that few chains use.

use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::{Deref, DerefMut};
use std::task::Waker;

use super::core_ref::{CoreRef, CoreWeak};
use super::head::{Canceller, Listener, NestedWaker};
use super::storage::Storage;
use crate::chain::phase::{Cancelling, ReceiverState};

/// The consumer of the result (a waiter, waker or task) and the target of a cancel (the
/// awaited chain, canceller, parts or task).
///
/// One byte of flags says which are initialised. So a chain with none of them takes one
/// store to make, and one load to see that nothing is to be dropped. It has no enums: an
/// enum is read as a whole, and a load of a whole that was just stored in pieces stalls the
/// processor until the stores have left its buffer.
#[repr(C)] // the flags first: often the only part that is read
pub(crate) struct ColdState<M: Storage> {
    common: CommonState,
    consumer: Consumer<M>,
    cancel_target: CancelTarget<M>,
}

/// The state that every chain has; it shares a word with the flags.
#[repr(C)]
pub(crate) struct CommonState {
    /// INVARIANT: exactly the fields whose bits are set are initialised.
    present: u8,
    pub(in crate::chain) cancelling: Cancelling,
    pub(in crate::chain) receiver: ReceiverState,
    /// Number of threads that have made this chain wait and still search for a cycle from it. While
    /// there is one, the chain is not handed down: see [`wait_for`](crate::chain::wait::wait_for).
    // Stays at 255 once it was reached, which takes 255 threads at the same moment: such a chain is
    // never handed down, which costs memory in a loop of returned Deferreds, and is never wrong.
    joining: u8,
    pub(in crate::chain) triggers: u32,
}

impl CommonState {
    /// The state of a new chain.
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

    /// Called when a thread has made this chain wait, before it searches for a cycle.
    pub(in crate::chain) fn search_begins(&mut self) {
        self.joining = self.joining.saturating_add(1);
    }

    /// Called when that thread has ended its search.
    pub(in crate::chain) fn search_ends(&mut self) {
        if self.joining != u8::MAX {
            self.joining = self.joining.saturating_sub(1);
        }
    }

    /// Whether a thread searches for a cycle from this chain, or may do so.
    pub(in crate::chain) fn is_searched_from(&self) -> bool {
        self.joining != 0
    }
}

impl<M: Storage> Deref for ColdState<M> {
    type Target = CommonState;

    #[inline(always)]
    fn deref(&self) -> &CommonState {
        &self.common
    }
}

impl<M: Storage> DerefMut for ColdState<M> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut CommonState {
        &mut self.common
    }
}

/// What gets the result, or is woken by it. INVARIANT: at most one is initialised.
union Consumer<M: Storage> {
    waiter: ManuallyDrop<MaybeUninit<CoreRef<M>>>,
    waker: ManuallyDrop<MaybeUninit<Waker>>,
    task: ManuallyDrop<MaybeUninit<M::Task>>,
    /// A waker of a future inside of a task, such as `FuturesUnordered`, with the task.
    nested: ManuallyDrop<MaybeUninit<Box<NestedWaker<M>>>>,
}

/// The target of a cancel: the last three while the chain is unfired, `waiting_on` while it
/// waits. INVARIANT: at most one is initialised.
union CancelTarget<M: Storage> {
    waiting_on: ManuallyDrop<MaybeUninit<CoreWeak<M>>>,
    canceller: ManuallyDrop<MaybeUninit<M::Canceller>>,
    /// The parts of a combined chain.
    parts: ManuallyDrop<MaybeUninit<M::Group>>,
    /// The task whose end fires the chain.
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

/// One of the fields, with its flag.
struct Entry<'a, X> {
    present: &'a mut u8,
    bit: u8,
    /// INVARIANT: the field that `bit` stands for.
    content: &'a mut MaybeUninit<X>,
}

impl<X> Entry<'_, X> {
    #[inline(always)]
    fn take(self) -> Option<X> {
        if *self.present & self.bit == 0 {
            return None;
        }
        *self.present &= !self.bit;
        // SAFETY: the flag was set, so it is initialised; now the flag is cleared.
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

impl<M: Storage> ColdState<M> {
    /// Writes a state to `place` in which none of the flagged fields is initialised.
    ///
    /// # Safety
    /// `place` is aligned and valid for writes.
    #[inline(always)]
    pub(super) unsafe fn write_none(place: *mut Self, common: CommonState) {
        // SAFETY: by contract; without flags, the unions may stay uninitialised.
        unsafe { (&raw mut (*place).common).write(common) }
    }

    /// Whether no field is initialised.
    #[inline(always)]
    pub(crate) fn is_none(&self) -> bool {
        self.common.present == 0
    }

    /// Whether there is a waiter, a waker or a task.
    #[inline(always)]
    pub(crate) fn is_listened_to(&self) -> bool {
        self.common.present & (WAITER | WAKER | TASK | NESTED) != 0
    }

    pub(crate) fn waiter(&self) -> Option<&CoreRef<M>> {
        let is_there = self.common.present & WAITER != 0;
        // SAFETY: its flag is set.
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
            "a waiter owns the receiver, so no waker or task is left"
        );
        self.waiter_entry().replace(waiter)
    }

    #[inline(always)]
    fn waiter_entry(&mut self) -> Entry<'_, CoreRef<M>> {
        Entry {
            present: &mut self.common.present,
            bit: WAITER,
            // SAFETY: all fields are `MaybeUninit`, so any bytes are valid.
            content: unsafe { &mut self.consumer.waiter },
        }
    }

    pub(crate) fn waker(&self) -> Option<&Waker> {
        let is_there = self.common.present & WAKER != 0;
        // SAFETY: its flag is set.
        is_there.then(|| unsafe { self.consumer.waker.assume_init_ref() })
    }

    pub(crate) fn task(&self) -> Option<&M::Task> {
        let is_there = self.common.present & TASK != 0;
        // SAFETY: its flag is set.
        is_there.then(|| unsafe { self.consumer.task.assume_init_ref() })
    }

    pub(crate) fn nested(&self) -> Option<&NestedWaker<M>> {
        let is_there = self.common.present & NESTED != 0;
        // SAFETY: its flag is set.
        is_there.then(|| &**unsafe { self.consumer.nested.assume_init_ref() })
    }

    /// Whether there is a waker, alone or with a task.
    #[inline(always)]
    pub(crate) fn has_waker(&self) -> bool {
        self.common.present & (WAKER | NESTED) != 0
    }

    /// Takes the waker, alone or with a task.
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

    /// Returns the one that it replaces.
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
            // SAFETY: all fields are `MaybeUninit`, so any bytes are valid.
            content: unsafe { &mut self.consumer.waker },
        }
    }

    #[inline(always)]
    fn task_entry(&mut self) -> Entry<'_, M::Task> {
        Entry {
            present: &mut self.common.present,
            bit: TASK,
            // SAFETY: all fields are `MaybeUninit`, so any bytes are valid.
            content: unsafe { &mut self.consumer.task },
        }
    }

    #[inline(always)]
    fn nested_entry(&mut self) -> Entry<'_, Box<NestedWaker<M>>> {
        Entry {
            present: &mut self.common.present,
            bit: NESTED,
            // SAFETY: all fields are `MaybeUninit`, so any bytes are valid.
            content: unsafe { &mut self.consumer.nested },
        }
    }

    pub(crate) fn waiting_on(&self) -> Option<&CoreWeak<M>> {
        let is_there = self.common.present & WAITING_ON != 0;
        // SAFETY: its flag is set.
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
            "a canceller is taken when the chain is fired"
        );
        self.waiting_on_entry().replace(inner)
    }

    #[inline(always)]
    fn waiting_on_entry(&mut self) -> Entry<'_, CoreWeak<M>> {
        Entry {
            present: &mut self.common.present,
            bit: WAITING_ON,
            // SAFETY: all fields are `MaybeUninit`, so any bytes are valid.
            content: unsafe { &mut self.cancel_target.waiting_on },
        }
    }

    /// Whether there is a canceller of any kind.
    #[inline(always)]
    pub(crate) fn has_canceller(&self) -> bool {
        self.common.present & (CANCELLER | PARTS | FIRED_BY) != 0
    }

    /// The task that fires the chain in the end, if there is one.
    pub(crate) fn fired_by(&self) -> Option<&M::WeakTask> {
        let is_there = self.common.present & FIRED_BY != 0;
        // SAFETY: its flag is set.
        is_there.then(|| unsafe { self.cancel_target.fired_by.assume_init_ref() })
    }

    /// The group of the parts that the chain is made of, if there is one.
    pub(crate) fn parts(&self) -> Option<&M::Group> {
        let is_there = self.common.present & PARTS != 0;
        // SAFETY: its flag is set.
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

    /// Returns the one that it replaces.
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
            // SAFETY: all fields are `MaybeUninit`, so any bytes are valid.
            content: unsafe { &mut self.cancel_target.canceller },
        }
    }

    #[inline(always)]
    fn parts_entry(&mut self) -> Entry<'_, M::Group> {
        Entry {
            present: &mut self.common.present,
            bit: PARTS,
            // SAFETY: all fields are `MaybeUninit`, so any bytes are valid.
            content: unsafe { &mut self.cancel_target.parts },
        }
    }

    #[inline(always)]
    fn fired_by_entry(&mut self) -> Entry<'_, M::WeakTask> {
        Entry {
            present: &mut self.common.present,
            bit: FIRED_BY,
            // SAFETY: all fields are `MaybeUninit`, so any bytes are valid.
            content: unsafe { &mut self.cancel_target.fired_by },
        }
    }
}

impl<M: Storage> Drop for ColdState<M> {
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

#[cfg(test)]
mod tests {
    use super::CommonState;

    #[test]
    fn a_search_counts_from_its_begin_to_its_end() {
        let mut state = CommonState::new(0);
        assert!(!state.is_searched_from());
        for _ in 0..2 {
            state.search_begins();
        }
        state.search_ends();
        assert!(state.is_searched_from());
        state.search_ends();
        assert!(!state.is_searched_from());
    }

    #[test]
    fn no_number_of_threads_makes_a_chain_look_unsearched() {
        let mut state = CommonState::new(0);
        for _ in 0..300 {
            state.search_begins();
            assert!(state.is_searched_from());
        }
        // Some of them are not counted, so the chain stays as it is for good.
        for _ in 0..300 {
            state.search_ends();
            assert!(state.is_searched_from());
        }
    }
}
