//! Timers, exactly ordered, and cheap however many there are.
//!
//! Those that are far away lie in buckets, in no order: a bucket is a span of time, the
//! longer the farther it is away. When the first timer of a bucket is next, those in it are
//! dealt out to shorter ones, and in the end to a heap, which has the exact order: by time,
//! then by when they were added. So adding and cancelling mostly touch one bucket, and the
//! heap is small.
//!
//! ```text
//!   far  ─▶ level 5 ─▶ ... ─▶ level 1 ─▶ level 0 ─▶ near (heap) ─▶ called
//!           2 years                67 ms     1 ms
//! ```
//!
//! A bucket knows the earliest time in it, so time goes from one timer to the next: where
//! they are few, most levels are left out.

use super::near::Near;
use super::records::{Number, Records};

/// A tick is so many nanoseconds, as a power of two: about a millisecond.
const TICK_BITS: u32 = 20;

/// Each level has so many buckets, as a power of two.
const BUCKET_BITS: u32 = 6;
const BUCKETS: usize = 1 << BUCKET_BITS;
const LEVELS: usize = 6;

/// Of the lists, the buckets are the first; what is too far away for them is in the last.
const FAR: usize = LEVELS * BUCKETS;

#[derive(Default)]
pub(super) struct Wheel {
    pub(super) records: Records,
    near: Near,
    /// Made when they are needed: few clocks have timers that are not near.
    lists: Box<[List]>,
    /// Which buckets of a level have something in them.
    occupied: [u64; LEVELS],
    /// What is due in this tick, or before, is near. No bucket with timers in it has this
    /// tick in it or lies before it: so which list a timer is in can be told at any time.
    tick: u64,
}

struct List {
    timers: Vec<Number>,
    /// No timer in it is due before. The one that was may have been cancelled.
    earliest: u64,
}

impl List {
    const EMPTY: Self = Self {
        timers: Vec::new(),
        earliest: u64::MAX,
    };
}

/// Which bucket of a level has a tick in it.
fn bucket_of(tick: u64, level: usize) -> usize {
    (tick >> (level as u32 * BUCKET_BITS)) as usize % BUCKETS
}

/// The level of the highest bits in which two ticks differ.
fn level_of(differing: u64) -> usize {
    ((63 - differing.leading_zeros()) / BUCKET_BITS) as usize
}

/// Which list one that is due then is in, in `tick`; `None` if it is near.
#[inline]
fn list_of(due: u64, tick: u64) -> Option<usize> {
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
    /// Adds a timer, which has no call yet.
    pub(super) fn insert(&mut self, due: u64, sequence: u64) -> Number {
        let number = self.records.add(due, sequence);
        self.place(number);
        number
    }

    /// Puts one that is nowhere where it belongs.
    #[inline]
    pub(super) fn place(&mut self, number: Number) {
        let record = self.records.get_mut(number);
        let Some(at) = list_of(record.due, self.tick) else {
            return self.near.insert(number, &mut self.records);
        };
        if self.lists.is_empty() {
            self.lists = (0..=FAR).map(|_| List::EMPTY).collect();
        }
        let list = &mut self.lists[at];
        list.earliest = list.earliest.min(record.due);
        record.set_index(list.timers.len());
        list.timers.push(number);
        if at != FAR {
            self.occupied[at / BUCKETS] |= 1 << (at % BUCKETS);
        }
    }

    /// Takes a timer out of its list.
    pub(super) fn remove(&mut self, number: Number) {
        let record = self.records.get(number);
        let index = record.index();
        let Some(at) = list_of(record.due, self.tick) else {
            return self.near.remove(index, &mut self.records);
        };
        let list = &mut self.lists[at];
        list.timers.swap_remove(index);
        if let Some(&moved) = list.timers.get(index) {
            self.records.get_mut(moved).set_index(index);
        } else if list.timers.is_empty() {
            list.earliest = u64::MAX;
            if at != FAR {
                self.occupied[at / BUCKETS] &= !(1 << (at % BUCKETS));
            }
        }
    }

    /// When the first one is due, and its sequence number.
    pub(super) fn first(&mut self) -> Option<(u64, u64)> {
        self.first_until(u64::MAX)
    }

    /// The same, if it is due until `time`; else there may be none.
    #[inline]
    pub(super) fn first_until(&mut self, time: u64) -> Option<(u64, u64)> {
        while self.near.is_empty() {
            let earliest = self.earliest_of_lists()?;
            self.go_to(earliest.min(time) >> TICK_BITS);
            if earliest > time {
                return None;
            }
        }
        self.near.first()
    }

    /// Takes out the first of those that are near.
    pub(super) fn take_first(&mut self) -> Option<Number> {
        self.near.take_first(&mut self.records)
    }

    /// No later than the first one is due.
    #[inline]
    pub(super) fn next_look(&self) -> Option<u64> {
        match self.near.first() {
            Some((due, _)) => Some(due),
            None => self.earliest_of_lists(),
        }
    }

    /// No later than the first one is due of those that are not near.
    #[inline]
    fn earliest_of_lists(&self) -> Option<u64> {
        let list = self.lists.get(self.first_list())?;
        (!list.timers.is_empty()).then_some(list.earliest)
    }

    /// The list whose timers are due before those of all others.
    #[inline]
    fn first_list(&self) -> usize {
        // All of a level are within the span of one bucket of the level above, which
        // comes before the others of that.
        let level = self.occupied.iter().position(|occupied| *occupied != 0);
        level.map_or(FAR, |level| {
            level * BUCKETS + self.occupied[level].trailing_zeros() as usize
        })
    }

    /// Goes on to `tick`, before which nobody is due; deals out what is in one bucket with
    /// it.
    fn go_to(&mut self, tick: u64) {
        if tick <= self.tick {
            return;
        }
        let highest = level_of(tick ^ self.tick);
        self.tick = tick;
        if highest >= LEVELS {
            // What was too far away may not be any more.
            self.deal_out(FAR);
        }
        for level in (0..LEVELS.min(highest + 1)).rev() {
            let bucket = bucket_of(tick, level);
            if self.occupied[level] & 1 << bucket != 0 {
                self.occupied[level] &= !(1 << bucket);
                self.deal_out(level * BUCKETS + bucket);
            }
        }
    }

    /// Puts those of a list where they belong now.
    fn deal_out(&mut self, at: usize) {
        let Some(list) = self.lists.get_mut(at) else {
            return;
        };
        list.earliest = u64::MAX;
        let mut timers = std::mem::take(&mut list.timers);
        for &number in &timers {
            self.place(number);
        }
        if self.lists[at].timers.is_empty() {
            // The room is kept.
            timers.clear();
            self.lists[at].timers = timers;
        }
    }

    /// One of them, which is not far to seek.
    pub(super) fn any(&self) -> Option<Number> {
        let in_lists = || self.lists.get(self.first_list())?.timers.last().copied();
        self.near.last().or_else(in_lists)
    }

    pub(super) fn due_times(&self) -> Vec<u64> {
        let in_lists = self.lists.iter().flat_map(|list| &list.timers);
        let in_lists = in_lists.map(|&number| self.records.get(number).due);
        self.near.due_times().chain(in_lists).collect()
    }
}
