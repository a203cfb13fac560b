//! Hierarchical timing wheel with an exact order.
//!
//! Distant timers are in buckets, unsorted: a bucket is a span of time, which is longer on
//! higher levels. When the first timer of a bucket is the next one, the timers of the bucket
//! cascade to lower levels, and in the end to a heap, which has the exact order: by due time,
//! then by sequence. So adding and cancelling touch one bucket, and the heap stays small.
//!
//! ```text
//!   far  ─▶ level 5 ─▶ ... ─▶ level 1 ─▶ level 0 ─▶ heap ─▶ called
//!           2 years                67 ms     1 ms
//! ```
//!
//! A bucket knows its earliest due time, so that time advances from one timer to the next: with
//! few timers, most levels are skipped.

use super::heap::Heap;
use super::slab::{Key, Slab};

/// Length of a tick: 2^20 ns, about a millisecond.
const TICK_BITS: u32 = 20;

/// Each level has 2^6 buckets.
const BUCKET_BITS: u32 = 6;
const BUCKETS: usize = 1 << BUCKET_BITS;
const LEVELS: usize = 6;

/// Index of the last bucket, for timers beyond the highest level.
const FAR: usize = LEVELS * BUCKETS;

#[derive(Default)]
pub(super) struct Wheel {
    pub(super) slab: Slab,
    heap: Heap,
    /// Allocated with the first timer that is not due in the current tick.
    buckets: Box<[Bucket]>,
    /// Bit set of the occupied buckets of each level.
    occupied: [u64; LEVELS],
    /// What is due in this tick, or before, is near. No bucket with timers in it has this
    /// tick in it or lies before it: so which bucket a timer is in can be told at any time.
    tick: u64,
}

struct Bucket {
    timers: Vec<Key>,
    /// No timer in the bucket is due before this. It is a lower bound: the timer that was due
    /// then may have been cancelled.
    earliest: u64,
}

impl Bucket {
    const EMPTY: Self = Self {
        timers: Vec::new(),
        earliest: u64::MAX,
    };
}

/// The bucket of `level` that has `tick` in it.
fn bucket_of(tick: u64, level: usize) -> usize {
    (tick >> (level as u32 * BUCKET_BITS)) as usize % BUCKETS
}

/// The level of the highest bits in which two ticks differ.
fn level_of(differing: u64) -> usize {
    ((63 - differing.leading_zeros()) / BUCKET_BITS) as usize
}

/// The bucket of a timer with this due time while `tick` is the current one; `None` for the
/// heap.
#[inline]
fn bucket_index(due: u64, tick: u64) -> Option<usize> {
    let due = due >> TICK_BITS;
    if due <= tick {
        return None;
    }
    let level = level_of(due ^ tick);
    Some(if level < LEVELS {
        level * BUCKETS + bucket_of(due, level)
    } else {
        FAR
    })
}

impl Wheel {
    /// Adds a timer without a call.
    pub(super) fn insert(&mut self, due: u64, sequence: u64) -> Key {
        let key = self.slab.add(due, sequence);
        self.place(key);
        key
    }

    /// Puts a timer that is in no bucket and not in the heap where it belongs.
    #[inline]
    pub(super) fn place(&mut self, key: Key) {
        let timer = self.slab.get_mut(key);
        let Some(at) = bucket_index(timer.due, self.tick) else {
            return self.heap.insert(key, &mut self.slab);
        };
        if self.buckets.is_empty() {
            self.buckets = (0..=FAR).map(|_| Bucket::EMPTY).collect();
        }
        let bucket = &mut self.buckets[at];
        bucket.earliest = bucket.earliest.min(timer.due);
        timer.set_index(bucket.timers.len());
        bucket.timers.push(key);
        if at != FAR {
            self.occupied[at / BUCKETS] |= 1 << (at % BUCKETS);
        }
    }

    /// Removes a timer from its bucket or from the heap.
    pub(super) fn remove(&mut self, key: Key) {
        let timer = self.slab.get(key);
        let index = timer.index();
        let Some(at) = bucket_index(timer.due, self.tick) else {
            return self.heap.remove(index, &mut self.slab);
        };
        let bucket = &mut self.buckets[at];
        // The last timer takes the place of the removed one, so its index changes. `earliest`
        // stays: it is a lower bound.
        bucket.timers.swap_remove(index);
        if let Some(&moved) = bucket.timers.get(index) {
            self.slab.get_mut(moved).set_index(index);
        } else if bucket.timers.is_empty() {
            bucket.earliest = u64::MAX;
            if at != FAR {
                self.occupied[at / BUCKETS] &= !(1 << (at % BUCKETS));
            }
        }
    }

    /// The due time and the sequence of the first timer.
    pub(super) fn first(&mut self) -> Option<(u64, u64)> {
        self.first_until(u64::MAX)
    }

    /// As `first`; if no timer is due until `time`, it may return `None`.
    #[inline]
    pub(super) fn first_until(&mut self, time: u64) -> Option<(u64, u64)> {
        // The heap has all timers of the current tick and before. If it is empty, time advances to
        // the first bucket, which cascades; a bucket whose first timer was cancelled may give none,
        // so it repeats.
        while self.heap.is_empty() {
            let earliest = self.earliest_of_buckets()?;
            // Not beyond `time`: otherwise timers that are added before `earliest` would go
            // into the heap, which is to stay small.
            self.go_to(earliest.min(time) >> TICK_BITS);
            if earliest > time {
                return None;
            }
        }
        self.heap.first()
    }

    /// Takes the first timer out of the heap.
    pub(super) fn take_first(&mut self) -> Option<Key> {
        self.heap.take_first(&mut self.slab)
    }

    /// A time no later than the first timer is due.
    #[inline]
    pub(super) fn next_look(&self) -> Option<u64> {
        match self.heap.first() {
            Some((due, _)) => Some(due),
            None => self.earliest_of_buckets(),
        }
    }

    /// A time no later than the first timer in a bucket is due.
    #[inline]
    fn earliest_of_buckets(&self) -> Option<u64> {
        let bucket = self.buckets.get(self.first_bucket())?;
        (!bucket.timers.is_empty()).then_some(bucket.earliest)
    }

    /// The bucket whose timers are due before those of all other buckets.
    #[inline]
    fn first_bucket(&self) -> usize {
        // All buckets of a level are within the span of one bucket of the level above, which
        // lies before the others of that.
        let level = self.occupied.iter().position(|occupied| *occupied != 0);
        level.map_or(FAR, |level| {
            level * BUCKETS + self.occupied[level].trailing_zeros() as usize
        })
    }

    /// Advances to `tick`, before which no timer is due, and cascades the buckets that have it
    /// in them.
    fn go_to(&mut self, tick: u64) {
        if tick <= self.tick {
            return;
        }
        let highest = level_of(tick ^ self.tick);
        // Set before the timers are dealt out, because `place` compares with it.
        self.tick = tick;
        if highest >= LEVELS {
            // Timers beyond the highest level may be within it now.
            self.deal_out(FAR);
        }
        // From the highest level down: a bucket deals its timers out to lower levels, whose bucket
        // of this tick is emptied after that. Levels above `highest` have the same bucket as
        // before.
        for level in (0..LEVELS.min(highest + 1)).rev() {
            let index = bucket_of(tick, level);
            if self.occupied[level] & 1 << index != 0 {
                self.occupied[level] &= !(1 << index);
                self.deal_out(level * BUCKETS + index);
            }
        }
    }

    /// Cascades the timers of a bucket to where they belong now.
    fn deal_out(&mut self, at: usize) {
        let Some(bucket) = self.buckets.get_mut(at) else {
            return;
        };
        bucket.earliest = u64::MAX;
        // Taken out, because `place` may put timers into this very bucket again (`FAR`).
        let mut timers = std::mem::take(&mut bucket.timers);
        for &key in &timers {
            self.place(key);
        }
        if self.buckets[at].timers.is_empty() {
            // Keeps the allocation.
            timers.clear();
            self.buckets[at].timers = timers;
        }
    }

    /// Any timer, cheap to find.
    pub(super) fn any(&self) -> Option<Key> {
        let in_buckets = || {
            self.buckets
                .get(self.first_bucket())?
                .timers
                .last()
                .copied()
        };
        self.heap.last().or_else(in_buckets)
    }

    pub(super) fn due_times(&self) -> Vec<u64> {
        let in_buckets = self.buckets.iter().flat_map(|bucket| &bucket.timers);
        let in_buckets = in_buckets.map(|&key| self.slab.get(key).due);
        self.heap.due_times().chain(in_buckets).collect()
    }
}
