//! Spin lock, for critical sections of a dozen instructions.
//!
//! A chain takes its lock at each of its steps, and runs no code of users under it. Without
//! contention, the atomic exchanges are most of the cost of a step. A lock that can wake
//! sleeping threads needs one exchange to lock and one to unlock; this one is unlocked by a
//! plain store. The price is that it cannot wake a thread: a thread that finds it locked
//! polls it. Only one thread polls at a time; others sleep on a mutex until that one has the
//! lock.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;

use parking_lot::Mutex;

use super::atomic::{AtomicBool, Ordering, Witness};
use super::lock::CoreLock;
use crate::failure::lock_held::LockHeld;

/// Number of attempts to take the lock until a waiting thread begins to sleep between attempts.
/// After the first six it spins, after the others it calls `yield_now`.
#[cfg(not(deferred_loom))]
const YIELDS: u32 = 64;

/// The length of a sleep between attempts. A lock that is held for so long has a holder that was
/// descheduled inside of its critical section, perhaps in favour of the waiting thread.
#[cfg(not(deferred_loom))]
const SLEEP: std::time::Duration = std::time::Duration::from_micros(50);

pub(crate) struct SpinLock<X> {
    is_taken: AtomicBool,
    /// Held by the one waiting thread that polls `is_taken`.
    queue: Mutex<()>,
    /// Checks under `loom` that one thread at a time reaches `content`.
    witness: Witness,
    content: UnsafeCell<X>,
}

// SAFETY: the content is reached by the thread that has set `is_taken`, one at a time.
unsafe impl<X: Send> Sync for SpinLock<X> {}

/// Unlocks when dropped, also by a panic.
struct Taken<'a>(&'a AtomicBool);

/// A lock that is held. (Dropped from the first field to the last.)
struct Held<'a> {
    _held: LockHeld,
    _taken: Taken<'a>,
}

impl Drop for Taken<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

// SAFETY: the content is lent while `is_taken` is set, which one thread at a time has done.
unsafe impl<X> CoreLock<X> for SpinLock<X> {
    #[inline(always)]
    unsafe fn init(place: &mut MaybeUninit<Self>, write: impl FnOnce(*mut X)) {
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
    fn with<R>(&self, f: impl FnOnce(&mut X) -> R) -> R {
        let _held = self.lock();
        // SAFETY: this thread has set `is_taken`, and the reference ends with `f`.
        f(unsafe { self.lend() })
    }

    #[inline(always)]
    fn as_ptr(&self) -> *mut X {
        self.content.get()
    }

    #[inline(always)]
    fn get_mut(&mut self) -> &mut X {
        self.content.get_mut()
    }
}

// Not generic over what `with` runs, so that these are not compiled for each step of a chain.
impl<X> SpinLock<X> {
    #[inline(always)]
    fn lock(&self) -> Held<'_> {
        if !self.take() {
            self.wait();
        }
        let taken = Taken(&self.is_taken);
        Held {
            _held: LockHeld::new(),
            _taken: taken,
        }
    }

    /// # Safety
    /// The lock is held, and there is no other reference.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "by contract, it is the only one")]
    unsafe fn lend(&self) -> &mut X {
        self.witness.reached();
        // SAFETY: by contract.
        unsafe { &mut *self.content.get() }
    }

    /// Takes the lock if it is free.
    #[inline(always)]
    fn take(&self) -> bool {
        self.is_taken
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Waits until the lock is free, and takes it.
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

    /// `wait` under `loom`, which needs a yield at each attempt.
    #[cfg(deferred_loom)]
    fn wait(&self) {
        while !self.take() {
            loom::thread::yield_now();
        }
    }
}

#[cfg(all(test, not(deferred_loom)))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use super::*;

    fn lock(content: u64) -> Box<SpinLock<u64>> {
        let mut place = Box::new_uninit();
        // SAFETY: `init` and the closure write all of it.
        unsafe {
            SpinLock::init(&mut place, |at: *mut u64| at.write(content));
            place.assume_init()
        }
    }

    #[test]
    fn threads_reach_the_content_one_at_a_time() {
        const TIMES: u64 = if cfg!(miri) { 100 } else { 10_000 };
        let shared: Arc<SpinLock<u64>> = Arc::from(lock(0));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || {
                    for _ in 0..TIMES {
                        shared.with(|count| *count += 1);
                    }
                })
            })
            .collect();
        for thread in threads {
            assert!(thread.join().is_ok());
        }
        assert_eq!(shared.with(|count| *count), 4 * TIMES);
    }

    #[test]
    fn a_panic_inside_gives_the_lock_back() {
        let mut lock = lock(1);
        let panicked = catch_unwind(AssertUnwindSafe(|| lock.with(|_| panic!("inside"))));
        assert!(panicked.is_err());
        lock.with(|count| *count += 1);
        assert_eq!(*lock.get_mut(), 2);
    }
}
