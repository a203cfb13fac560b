//! A lock for what takes no time.
//!
//! A chain takes its lock at each of its steps, for a dozen instructions that run nothing
//! of a user's. With nobody else there, the exchanges between threads are then most of
//! what a step costs, and a lock that can tell who sleeps needs one to be given back as
//! well as one to be taken. This one is given back by a plain write. The price is that
//! nobody can be woken: who finds it taken looks again until it is free. Only one does
//! so at a time; others queue up behind him, asleep.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;

use parking_lot::Mutex;

use super::atomic::{AtomicBool, Ordering, Witness};

/// How often who waits lets others run before he sleeps in between.
#[cfg(not(deferred_loom))]
const YIELDS: u32 = 64;

/// How long he sleeps: whoever has the lock was stopped in the middle of its dozen
/// instructions, perhaps by him.
#[cfg(not(deferred_loom))]
const SLEEP: std::time::Duration = std::time::Duration::from_micros(50);

pub(crate) struct SpinLock<X> {
    is_taken: AtomicBool,
    /// Those who wait: the one who has it looks when the lock is free.
    queue: Mutex<()>,
    witness: Witness,
    content: UnsafeCell<X>,
}

// SAFETY: one thread at a time reaches the content.
unsafe impl<X: Send> Sync for SpinLock<X> {}

/// Gives the lock back, also under a panic.
struct Taken<'a>(&'a AtomicBool);

impl Drop for Taken<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl<X> SpinLock<X> {
    /// Makes one at `place`, whose content is still to be written by `write`.
    ///
    /// # Safety
    /// `write` initialises what it is given.
    #[inline(always)]
    pub(super) unsafe fn init(place: &mut MaybeUninit<Self>, write: impl FnOnce(*mut X)) {
        let place = place.as_mut_ptr();
        // SAFETY: the place is valid for writes, and these are all the fields.
        unsafe {
            (&raw mut (*place).is_taken).write(AtomicBool::new(false));
            (&raw mut (*place).queue).write(Mutex::new(()));
            (&raw mut (*place).witness).write(Witness::new());
            write(UnsafeCell::raw_get(&raw const (*place).content));
        }
    }

    #[inline(always)]
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut X) -> R) -> R {
        if !self.take() {
            self.wait();
        }
        let _taken = Taken(&self.is_taken);
        self.witness.reached();
        // SAFETY: the lock is ours, and `f` gets no further with the reference.
        f(unsafe { &mut *self.content.get() })
    }

    /// Takes the lock, if it is free.
    #[inline(always)]
    fn take(&self) -> bool {
        self.is_taken
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Where the content is.
    #[inline(always)]
    pub(super) fn as_ptr(&self) -> *mut X {
        self.content.get()
    }

    #[inline(always)]
    pub(super) fn get_mut(&mut self) -> &mut X {
        self.content.get_mut()
    }

    /// Takes the lock once it is free.
    #[cfg(not(deferred_loom))]
    #[cold]
    #[inline(never)]
    fn wait(&self) {
        let _first = self.queue.lock();
        let mut looks = 0_u32;
        while self.is_taken.load(Ordering::Relaxed) || !self.take() {
            match looks {
                0..6 => (0..1 << looks).for_each(|_| std::hint::spin_loop()),
                6..YIELDS => std::thread::yield_now(),
                _ => std::thread::sleep(SLEEP),
            }
            looks = looks.saturating_add(1);
        }
    }

    /// The same, where threads take turns.
    #[cfg(deferred_loom)]
    fn wait(&self) {
        while !self.take() {
            loom::thread::yield_now();
        }
    }
}
