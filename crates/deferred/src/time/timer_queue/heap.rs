//! Four-ary min-heap of timers, ordered by due time, then by sequence.
//!
//! The entries carry their order, so that sifting touches the slab only to note indices.

use super::slab::{Key, Slab};

/// The timers of the current tick, and of those before.
#[derive(Default)]
pub(super) struct Heap {
    entries: Vec<Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    due: u64,
    sequence: u64,
    key: Key,
}

impl Entry {
    fn key(&self) -> (u64, u64) {
        (self.due, self.sequence)
    }
}

/// The children of the entry at `i` begin at `CHILDREN * i + 1`.
// With four, the tree is half as deep as with two, and an entry is compared with neighbours in
// memory.
const CHILDREN: usize = 4;

impl Heap {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn last(&self) -> Option<Key> {
        self.entries.last().map(|entry| entry.key)
    }

    /// The due times, unsorted.
    pub(super) fn due_times(&self) -> impl Iterator<Item = u64> {
        self.entries.iter().map(|entry| entry.due)
    }

    /// All timers, unsorted.
    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        self.entries.iter().map(|entry| entry.key)
    }

    /// The due time and the sequence of the first timer.
    #[inline]
    pub(super) fn first(&self) -> Option<(u64, u64)> {
        self.entries.first().map(Entry::key)
    }

    pub(super) fn insert(&mut self, key: Key, slab: &mut Slab) {
        let timer = slab.get(key);
        self.entries.push(Entry {
            due: timer.due,
            sequence: timer.sequence,
            key,
        });
        self.sift_up(self.entries.len() - 1, slab);
    }

    pub(super) fn take_first(&mut self, slab: &mut Slab) -> Option<Key> {
        let first = self.entries.first()?.key;
        self.remove(0, slab);
        Some(first)
    }

    pub(super) fn remove(&mut self, at: usize, slab: &mut Slab) {
        self.entries.swap_remove(at);
        if at < self.entries.len() {
            // The last entry has taken the place. It may belong further down, or, if it comes
            // from another branch, further up.
            if self.sift_up(at, slab) == at {
                self.sift_down(at, slab);
            }
        }
    }

    fn sift_up(&mut self, mut at: usize, slab: &mut Slab) -> usize {
        while at > 0 {
            let parent = (at - 1) / CHILDREN;
            if self.entries[parent].key() <= self.entries[at].key() {
                break;
            }
            self.entries.swap(parent, at);
            self.note_place(at, slab);
            at = parent;
        }
        self.note_place(at, slab);
        at
    }

    fn sift_down(&mut self, mut at: usize, slab: &mut Slab) {
        loop {
            let first = CHILDREN * at + 1;
            let children = first..self.entries.len().min(first + CHILDREN);
            let Some(least) = children.min_by_key(|&child| self.entries[child].key()) else {
                break;
            };
            if self.entries[at].key() <= self.entries[least].key() {
                break;
            }
            self.entries.swap(at, least);
            self.note_place(at, slab);
            at = least;
        }
        self.note_place(at, slab);
    }

    fn note_place(&self, at: usize, slab: &mut Slab) {
        slab.get_mut(self.entries[at].key).set_index(at);
    }
}
