//! Chains that several threads may reach: atomic reference counts and a lock.

use std::convert::Infallible;
use std::mem::MaybeUninit;
use std::panic::Location;
use std::sync::Arc;

use parking_lot::Mutex;

use super::atomic::{AtomicU8, AtomicU64, Ordering};
use super::core::{Core, LockedState};
use super::counted::{CoreRef, Counts, Left, too_many};
use super::free_list::FreeList;
use super::run_guard::OwnedRunGuard;
use super::spin_lock::SpinLock;
use super::stages::Stages;
use crate::chain::core::{Group, Phase};
use crate::chain::flavour::{CrossesThreads, Fits, Flavour, PhaseCell};
use crate::chain::task::Awaited;
use crate::chain::trampoline::Trampoline;
use crate::stage_trace::CallSite;

/// Any number of threads.
#[derive(Debug)]
pub(crate) enum Shared {}

impl<X: Send + 'static> Fits<Shared> for X {}

/// References to a core are `Send` and `Sync` by this, so a core has to be both.
impl CrossesThreads for Shared {}

const _: () = {
    const fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Core<Shared>>();
};

/// Counts that are one number, so that it can be seen at once whether a reference is
/// the only one of all.
pub(crate) struct SharedCounts {
    /// Strong ones in the upper half, weak ones in the lower.
    both: AtomicU64,
}

const STRONG: u64 = 1 << 32;
const WEAK: u64 = 1;

/// What a half must not come to. As several threads may be about to count one more, it
/// is far from what it can hold.
const TOO_MANY: u64 = 1 << 31;

// SAFETY: each count is changed by atomic operations. Whoever drops a reference
// releases what was done by it, and whoever is told that it was the last acquires that;
// so does one who sees, without a change, that his is the only one: nobody else has one
// to add to. A strong one is added from a weak one only while there is another.
unsafe impl Counts for SharedCounts {
    #[inline(always)]
    fn new(strong: u32) -> Self {
        Self {
            both: AtomicU64::new(u64::from(strong) * STRONG + WEAK),
        }
    }

    #[inline(always)]
    fn add_strong(&self) {
        if self.both.fetch_add(STRONG, Ordering::Relaxed) / STRONG >= TOO_MANY {
            too_many();
        }
    }

    #[inline(always)]
    fn drop_strong(&self) -> Left {
        if self.is_sole() {
            return Left::None;
        }
        match self.both.fetch_sub(STRONG, Ordering::AcqRel) / STRONG {
            1 => Left::Weak,
            _ => Left::Strong,
        }
    }

    fn upgrade(&self) -> bool {
        let add = |both| {
            (STRONG..TOO_MANY * STRONG)
                .contains(&both)
                .then(|| both + STRONG)
        };
        let added = self
            .both
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, add);
        match added {
            Ok(_) => true,
            Err(both) if both < STRONG => false,
            Err(_) => too_many(),
        }
    }

    #[inline(always)]
    fn is_sole(&self) -> bool {
        self.both.load(Ordering::Acquire) == STRONG + WEAK
    }

    #[inline(always)]
    fn add_weak(&self) {
        if self.both.fetch_add(WEAK, Ordering::Relaxed) % STRONG >= TOO_MANY {
            too_many();
        }
    }

    fn weak(&self) -> u32 {
        let weak = self.both.load(Ordering::Acquire) % STRONG - WEAK;
        u32::try_from(weak).unwrap_or(u32::MAX)
    }

    #[inline(always)]
    fn is_last_weak(&self) -> bool {
        self.both.load(Ordering::Acquire) == WEAK
    }

    #[inline(always)]
    fn drop_weak(&self) -> bool {
        if self.is_last_weak() {
            return true;
        }
        self.both.fetch_sub(WEAK, Ordering::AcqRel) == WEAK
    }
}

/// A phase that one thread sets while others look.
pub(crate) struct SharedPhase(AtomicU8);

impl PhaseCell for SharedPhase {
    #[inline(always)]
    fn new(phase: Phase) -> Self {
        Self(AtomicU8::new(phase as u8))
    }

    #[inline(always)]
    fn get(&self) -> Phase {
        const PHASES: [Phase; 6] = [
            Phase::Unfired,
            Phase::Running,
            Phase::Waiting,
            Phase::Settled,
            Phase::Paused,
            Phase::Taken,
        ];
        PHASES[usize::from(self.0.load(Ordering::Acquire))]
    }

    #[inline(always)]
    fn set(&self, phase: Phase) {
        self.0.store(phase as u8, Ordering::Release);
    }
}

impl Flavour for Shared {
    const IS_SHARED: bool = true;

    type Counts = SharedCounts;
    type PhaseCell = SharedPhase;
    type CoreLock = SpinLock<LockedState<Self>>;
    type Incoming = Option<Box<Stages<Self>>>;
    type Lock<X> = Mutex<X>;
    type Handle<X: 'static> = Arc<Mutex<X>>;
    type Canceller = Box<dyn FnOnce(CoreRef<Self>) + Send>;
    type Group = Arc<dyn Group<Self> + Send + Sync>;
    type Task = Infallible;
    type WeakTask = Infallible;

    #[inline(always)]
    fn init_locked(
        lock: &mut MaybeUninit<SpinLock<LockedState<Self>>>,
        triggers: u32,
        made_at: CallSite,
    ) {
        // SAFETY: what `init` gives is valid for writes, and is written.
        unsafe {
            SpinLock::init(lock, |place| {
                LockedState::write_new(place, triggers, made_at);
            });
        }
    }

    #[inline(always)]
    fn with_locked<R>(
        lock: &SpinLock<LockedState<Self>>,
        f: impl FnOnce(&mut LockedState<Self>) -> R,
    ) -> R {
        lock.with(f)
    }

    #[inline(always)]
    fn locked_ptr(lock: &SpinLock<LockedState<Self>>) -> *mut LockedState<Self> {
        lock.as_ptr()
    }

    #[inline(always)]
    fn locked_mut(lock: &mut SpinLock<LockedState<Self>>) -> &mut LockedState<Self> {
        lock.get_mut()
    }

    fn call_canceller(canceller: Self::Canceller, core: CoreRef<Self>) {
        canceller(core);
    }

    fn upgrade_task(weak: &Infallible) -> Option<Infallible> {
        match *weak {}
    }

    fn resume(task: Infallible) -> Option<OwnedRunGuard<Self>> {
        match task {}
    }

    fn result_of(task: &Infallible) -> Option<CoreRef<Self>> {
        match *task {}
    }

    fn cancel_task(task: Infallible, _at: &'static Location<'static>) -> Awaited<Self> {
        match task {}
    }

    fn give_up_task(task: Infallible, _at: &'static Location<'static>) {
        match task {}
    }

    fn progress_of(task: &Infallible) -> u32 {
        match *task {}
    }

    fn address_of(task: &Infallible) -> *const () {
        match *task {}
    }

    fn address_of_weak(task: &Infallible) -> *const () {
        match *task {}
    }

    fn awaited_by(task: &Infallible) -> Awaited<Self> {
        match *task {}
    }

    fn is_task_asleep(task: &Infallible) -> bool {
        match *task {}
    }

    fn linked(_outer: &CoreRef<Self>, _inner: &CoreRef<Self>) {}

    fn unlinked(_core: &CoreRef<Self>) {}

    fn handle<X: 'static>(content: X) -> Arc<Mutex<X>> {
        Arc::new(Mutex::new(content))
    }

    #[inline(always)]
    fn with<X, R>(lock: &Mutex<X>, f: impl FnOnce(&mut X) -> R) -> R {
        f(&mut lock.lock())
    }

    fn trampoline<R>(f: impl FnOnce(&Trampoline<Self>) -> R) -> Option<R> {
        #[cfg(not(deferred_loom))]
        thread_local! {
            static TRAMPOLINE: Trampoline<Shared> = const { Trampoline::new() };
        }
        #[cfg(deferred_loom)]
        loom::thread_local! {
            static TRAMPOLINE: Trampoline<Shared> = Trampoline::new();
        }
        TRAMPOLINE.try_with(f).ok()
    }

    #[inline(always)]
    fn free_list<R>(f: impl FnOnce(&FreeList<Self>) -> R) -> Option<R> {
        thread_local! {
            static FREE_LIST: FreeList<Shared> = const { FreeList::new() };
        }
        FREE_LIST.try_with(f).ok()
    }
}
