//! Atomics of chains that several threads may reach: counts and phase.

use super::atomic::{AtomicU8, AtomicU64, Ordering};
use super::counts::{Counts, Left, too_many};
use super::slot::Fits;
use super::storage::CrossesThreads;
use crate::chain::phase::{Phase, PhaseCell};

/// The flavour of several threads.
#[derive(Debug)]
pub(crate) enum Shared {}

impl<X: Send + 'static> Fits<Shared> for X {}

/// Makes references to a core `Send` and `Sync`; `chain::shared` asserts that the core is.
impl CrossesThreads for Shared {}

/// Both counts in one number, so that one load tells whether a reference is the only one.
pub(crate) struct SharedCounts {
    /// Strong ones in the upper half, weak ones in the lower.
    both: AtomicU64,
}

const STRONG: u64 = 1 << 32;
const WEAK: u64 = 1;

/// A count that ends the process. It is far below the 32 bits of a half, because several
/// threads may add one each before the first of them sees the limit.
const TOO_MANY: u64 = 1 << 31;

// SAFETY: each count is changed by atomic operations. The drop of a reference releases all
// writes through it, and the drop that finds itself the last one acquires them; so does
// `is_sole`, which changes nothing: no other reference is left that could add one. `upgrade`
// adds a strong reference only while there is another.
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

/// A phase that one thread sets while others read it.
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
