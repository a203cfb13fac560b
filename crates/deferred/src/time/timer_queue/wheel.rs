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
    /// The current tick. Timers that are due in it or before are in the heap. INVARIANT: each
    /// bucket with timers is of later ticks only, so that the bucket of a timer follows from its
    /// due time and this.
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
    // The cast may drop high bits only, which the remainder drops anyway.
    (tick >> (level as u32 * BUCKET_BITS)) as usize % BUCKETS
}

/// The level of the highest bits in which two ticks differ.
fn level_of(differing: u64) -> usize {
    // The two ticks differ, so there is a highest bit; the result is less than 64.
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

    /// Puts a timer into the bucket or the heap, where it belongs. It must be in neither.
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
        // All occupied buckets of a level are within the span of one bucket of the level above,
        // and that bucket lies before the other occupied ones of its level.
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

    /// Some timer, one that is cheap to find; `None` if there is no timer.
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

    /// The due times with the names of the closures, unsorted.
    pub(super) fn waiting(&self) -> Vec<(u64, &'static str)> {
        let in_buckets = self.buckets.iter().flat_map(|bucket| &bucket.timers);
        let keys = self.heap.keys().chain(in_buckets.copied());
        keys.map(|key| {
            let timer = self.slab.get(key);
            (timer.due, timer.call.name())
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: u64 = 1 << TICK_BITS;

    /// The span of a bucket of `level`.
    fn span(level: usize) -> u64 {
        TICK << (level as u32 * BUCKET_BITS)
    }

    fn take(wheel: &mut Wheel) -> Option<(u64, u64)> {
        let first = wheel.first()?;
        let key = wheel.take_first().expect("it was just seen");
        wheel.slab.take_called(key);
        wheel.slab.drop_handle(key);
        Some(first)
    }

    fn take_all(wheel: &mut Wheel) -> Vec<(u64, u64)> {
        std::iter::from_fn(|| take(wheel)).collect()
    }

    #[test]
    fn each_due_time_has_the_bucket_of_its_level() {
        assert_eq!(bucket_index(TICK - 1, 0), None, "this tick: the heap");
        assert_eq!(bucket_index(5, 9), None, "before it, too");
        for level in 0..LEVELS {
            let first = bucket_index(span(level), 0);
            assert_eq!(first, Some(level * BUCKETS + 1), "level {level}");
            let last = bucket_index(span(level) * BUCKETS as u64 - 1, 0);
            assert_eq!(last, Some(level * BUCKETS + BUCKETS - 1), "level {level}");
        }
        assert_eq!(bucket_index(span(LEVELS), 0), Some(FAR));
        assert_eq!(bucket_index(u64::MAX, 0), Some(FAR));
    }

    #[test]
    fn timers_cascade_from_each_level_in_order() {
        let mut wheel = Wheel::default();
        let mut expected = Vec::new();
        for level in (0..=LEVELS).rev() {
            // Around each boundary, and twice at the same time.
            for (sequence, due) in [span(level) + 1, span(level), span(level) - 1, span(level)]
                .into_iter()
                .enumerate()
            {
                let sequence = (level * 4 + sequence) as u64;
                wheel.insert(due, sequence);
                expected.push((due, sequence));
            }
        }
        expected.sort_unstable();
        assert_eq!(take_all(&mut wheel), expected);
        assert_eq!(wheel.next_look(), None);
    }

    #[test]
    fn a_look_does_not_advance_beyond_its_time() {
        let mut wheel = Wheel::default();
        wheel.insert(span(2), 0);
        assert_eq!(wheel.first_until(span(1)), None);
        assert_eq!(wheel.tick, span(1) >> TICK_BITS);
        // So a timer before that one still has a bucket, and comes first.
        wheel.insert(span(1) + TICK, 1);
        assert!(wheel.heap.is_empty());
        assert_eq!(take(&mut wheel), Some((span(1) + TICK, 1)));
        assert_eq!(take(&mut wheel), Some((span(2), 0)));
    }

    #[test]
    fn a_bucket_whose_first_timer_was_removed_gives_the_next_one() {
        let mut wheel = Wheel::default();
        let removed = wheel.insert(span(3), 0);
        wheel.insert(span(3) + span(1), 1);
        wheel.remove(removed);
        assert_eq!(wheel.next_look(), Some(span(3)), "a lower bound");
        assert_eq!(wheel.first(), Some((span(3) + span(1), 1)));
        assert_eq!(wheel.any().map(|key| wheel.slab.get(key).sequence), Some(1));
    }

    #[test]
    fn a_removed_timer_leaves_the_others_where_they_are_found() {
        let mut wheel = Wheel::default();
        // All in one bucket, or all in the heap.
        for base in [span(1), 0] {
            let keys: Vec<_> = (0..9)
                .map(|sequence| wheel.insert(base, sequence))
                .collect();
            for &index in &[0, 8, 4, 7] {
                wheel.remove(keys[index]);
                wheel.slab.take_cancelled(keys[index]);
            }
            let left = [1, 2, 3, 5, 6].map(|sequence| (base, sequence));
            assert_eq!(wheel.due_times(), [base; 5]);
            if base == 0 {
                assert_eq!(take_all(&mut wheel), left);
            } else {
                for index in [1, 2, 3, 5, 6] {
                    wheel.remove(keys[index]);
                }
                assert_eq!(wheel.occupied, [0; LEVELS]);
            }
        }
    }

    /// Against a sorted list: insertions, removals and looks in an arbitrary order.
    #[test]
    fn any_order_of_insertions_and_removals_gives_the_order_of_a_list() {
        let mut random = 0x9E37_79B9_7F4A_7C15_u64;
        let mut next = move || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random
        };
        let mut wheel = Wheel::default();
        let (mut list, mut now) = (Vec::new(), 0_u64);
        for sequence in 0..20_000 {
            match next() % 8 {
                0..4 => {
                    // Of all levels, and beyond them.
                    let due = now.saturating_add(next() >> (next() % 64));
                    list.push((due, sequence, wheel.insert(due, sequence)));
                }
                4 if !list.is_empty() => {
                    let (_, _, key) = list.swap_remove(next() as usize % list.len());
                    wheel.remove(key);
                    wheel.slab.take_cancelled(key);
                    wheel.slab.drop_handle(key);
                }
                5 => {
                    let until = now.saturating_add(next() >> (next() % 64));
                    let first = wheel.first_until(until);
                    let least = list.iter().map(|&(due, sequence, _)| (due, sequence)).min();
                    let is_due = |&(due, _): &(u64, u64)| due <= until;
                    assert_eq!(first.filter(is_due), least.filter(is_due));
                }
                _ => {
                    let least = list.iter().map(|&(due, sequence, _)| (due, sequence)).min();
                    assert_eq!(take(&mut wheel), least);
                    list.retain(|&(due, sequence, _)| Some((due, sequence)) != least);
                    now = least.map_or(now, |(due, _)| due.min(u64::MAX >> 1));
                }
            }
        }
    }
}
