//! Timers, exactly ordered, and cheap however many there are.
//!
//! Those that are far away lie in buckets, in no order: a bucket is a span of time, the
//! longer the farther it is away. When its time comes, the timers of a bucket are dealt
//! out to shorter ones, and in the end to a heap, which has the exact order: by time, then
//! by when they were added. So adding and cancelling mostly touch one bucket, and the heap
//! is small.
//!
//! ```text
//!   far  ─▶ level 5 ─▶ ... ─▶ level 1 ─▶ level 0 ─▶ near (heap) ─▶ called
//!           2 years                67 ms     1 ms
//! ```

use std::rc::Rc;

use super::near::Near;
use super::timers::Timer;

/// A tick is so many nanoseconds, as a power of two: about a millisecond.
const TICK_BITS: u32 = 20;

/// Each level has so many buckets, as a power of two.
const BUCKET_BITS: u32 = 6;
const BUCKETS: usize = 1 << BUCKET_BITS;
const LEVELS: usize = 6;

/// Those that are due at one time or another.
pub(super) struct Entry {
    pub(super) due: u64,
    pub(super) sequence: u64,
    pub(super) timer: Rc<Timer>,
}

/// Where a timer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) list: u32,
    pub(super) index: u32,
}

impl Place {
    pub(super) const CALLED: Self = Self::nowhere(0);
    pub(super) const CANCELLED: Self = Self::nowhere(1);

    const fn nowhere(index: u32) -> Self {
        Self {
            list: u32::MAX,
            index,
        }
    }
}

/// The heap is one list, what is too far away for the levels is another; before them come
/// the buckets.
pub(super) const NEAR: u32 = (LEVELS * BUCKETS) as u32;
const FAR: u32 = NEAR + 1;

pub(super) struct Wheel {
    near: Near,
    /// Made when it is needed: few clocks have timers that are not near.
    buckets: Box<[Vec<Entry>]>,
    /// Which buckets of a level have something in them.
    occupied: [u64; LEVELS],
    far: Vec<Entry>,
    /// What is due in this tick, or before, is near.
    tick: u64,
}

impl Default for Wheel {
    fn default() -> Self {
        Self {
            near: Near::default(),
            buckets: Box::default(),
            occupied: [0; LEVELS],
            far: Vec::new(),
            tick: 0,
        }
    }
}

/// The first tick of a span.
fn start_of(tick: u64) -> u64 {
    tick.saturating_mul(1 << TICK_BITS)
}

impl Wheel {
    pub(super) fn insert(&mut self, entry: Entry) {
        let due = entry.due >> TICK_BITS;
        if due <= self.tick {
            return self.near.insert(entry);
        }
        // The level of the highest bits in which it differs from now.
        let level = ((63 - (due ^ self.tick).leading_zeros()) / BUCKET_BITS) as usize;
        if level >= LEVELS {
            return put(&mut self.far, FAR, entry);
        }
        if self.buckets.is_empty() {
            self.buckets = (0..LEVELS * BUCKETS).map(|_| Vec::new()).collect();
        }
        let bucket = (due >> (level as u32 * BUCKET_BITS)) as usize % BUCKETS;
        self.occupied[level] |= 1 << bucket;
        let list = level * BUCKETS + bucket;
        put(&mut self.buckets[list], list as u32, entry);
    }

    /// Takes out the timer at `place`.
    pub(super) fn remove(&mut self, place: Place) -> Rc<Timer> {
        if place.list == NEAR {
            return self.near.remove(place.index as usize);
        }
        let list = if place.list == FAR {
            &mut self.far
        } else {
            &mut self.buckets[place.list as usize]
        };
        let removed = list.swap_remove(place.index as usize);
        if let Some(moved) = list.get(place.index as usize) {
            moved.timer.place.set(place);
        }
        if list.is_empty() && place.list != FAR {
            let (level, bucket) = (place.list as usize / BUCKETS, place.list as usize % BUCKETS);
            self.occupied[level] &= !(1 << bucket);
        }
        removed.timer
    }

    /// When the first one is due, and its number.
    pub(super) fn first(&mut self) -> Option<(u64, u64)> {
        self.first_until(u64::MAX)
    }

    /// The same, if it is due until `time`; else there may be none.
    pub(super) fn first_until(&mut self, time: u64) -> Option<(u64, u64)> {
        let until = time >> TICK_BITS;
        while self.near.is_empty() {
            match self.next_tick() {
                Some(next) if next <= until => self.go_to(next),
                // Nobody is due before: what is added from now on is near to this.
                Some(_) => {
                    self.move_to(until);
                    return None;
                }
                None => return None,
            }
        }
        self.near.first()
    }

    /// Takes out the first of those that are near.
    pub(super) fn take_first(&mut self) -> Option<Rc<Timer>> {
        if self.near.is_empty() {
            return None;
        }
        Some(self.near.remove(0))
    }

    /// No later than the first one is due.
    #[inline]
    pub(super) fn next_look(&self) -> Option<u64> {
        match self.near.first() {
            Some((due, _)) => Some(due),
            None => self.next_tick().map(start_of),
        }
    }

    /// The tick at which the next bucket begins that has something in it.
    fn next_tick(&self) -> Option<u64> {
        for (level, occupied) in self.occupied.iter().enumerate() {
            if *occupied != 0 {
                // All of a level are ahead, within the span of one of the level above.
                let shift = level as u32 * BUCKET_BITS;
                let bucket = u64::from(occupied.trailing_zeros());
                let above = self.tick >> (shift + BUCKET_BITS) << (shift + BUCKET_BITS);
                return Some(above | bucket << shift);
            }
        }
        let shift = LEVELS as u32 * BUCKET_BITS;
        let due = self.far.iter().map(|entry| entry.due >> TICK_BITS).min()?;
        Some(due >> shift << shift)
    }

    /// Goes on to `tick`, the next one; deals out what was waiting for it.
    fn go_to(&mut self, tick: u64) {
        self.move_to(tick);
        for level in (0..LEVELS).rev() {
            let bucket = (tick >> (level as u32 * BUCKET_BITS)) as usize % BUCKETS;
            if self.occupied[level] & 1 << bucket == 0 {
                continue;
            }
            self.occupied[level] &= !(1 << bucket);
            let list = level * BUCKETS + bucket;
            let mut entries = std::mem::take(&mut self.buckets[list]);
            for entry in entries.drain(..) {
                self.insert(entry);
            }
            // The room is kept.
            self.buckets[list] = entries;
        }
    }

    /// Goes on to `tick`; no bucket that has something in it begins before.
    fn move_to(&mut self, tick: u64) {
        let span = |tick: u64| tick >> (LEVELS as u32 * BUCKET_BITS);
        let is_in_another = span(tick) != span(self.tick);
        self.tick = self.tick.max(tick);
        if is_in_another {
            // What was too far away may not be any more.
            for entry in std::mem::take(&mut self.far) {
                self.insert(entry);
            }
        }
    }

    /// Takes out one of them.
    pub(super) fn take_any(&mut self) -> Option<Rc<Timer>> {
        let bucket = || {
            let level = self.occupied.iter().position(|occupied| *occupied != 0)?;
            let bucket = self.occupied[level].trailing_zeros() as usize;
            self.buckets[level * BUCKETS + bucket].last()
        };
        let any = self
            .near
            .last()
            .or_else(bucket)
            .or_else(|| self.far.last())?;
        let place = any.timer.place.get();
        Some(self.remove(place))
    }

    pub(super) fn due_times(&self) -> Vec<u64> {
        let buckets = self.buckets.iter().flatten();
        let all = self.near.iter().chain(buckets).chain(&self.far);
        all.map(|entry| entry.due).collect()
    }
}

fn put(list: &mut Vec<Entry>, number: u32, entry: Entry) {
    entry.timer.place.set(Place {
        list: number,
        index: list.len() as u32,
    });
    list.push(entry);
}
