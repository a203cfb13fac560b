//! `Random`: the choices of a seed.

use std::cell::Cell;
use std::ops::Range;

/// The choices of a seed (SplitMix64): the same in each run.
pub(crate) struct Random(Cell<u64>);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn number(&self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    pub(crate) fn index(&self, length: usize) -> usize {
        usize::try_from(self.next() % length as u64).expect("less than a length")
    }

    pub(crate) fn one_of<T: Copy>(&self, values: &[T]) -> T {
        values[self.index(values.len())]
    }

    /// True in this number of cases of a hundred.
    pub(crate) fn percent(&self, percent: u64) -> bool {
        self.number(0..100) < percent
    }
}
