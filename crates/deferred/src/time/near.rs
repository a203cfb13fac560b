//! A heap with four children a node, of entries that carry their own key.

use super::records::{Number, Records};

/// Those that are due soon, in order.
#[derive(Default)]
pub(super) struct Near {
    entries: Vec<Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    due: u64,
    sequence: u64,
    number: Number,
}

impl Entry {
    fn key(&self) -> (u64, u64) {
        (self.due, self.sequence)
    }
}

/// The children of the entry at `i` are at `CHILDREN * i + 1` and after.
const CHILDREN: usize = 4;

impl Near {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn last(&self) -> Option<Number> {
        self.entries.last().map(|entry| entry.number)
    }

    /// When they are due, in no order.
    pub(super) fn due_times(&self) -> impl Iterator<Item = u64> {
        self.entries.iter().map(|entry| entry.due)
    }

    /// When the first one is due, and its sequence number.
    #[inline]
    pub(super) fn first(&self) -> Option<(u64, u64)> {
        self.entries.first().map(Entry::key)
    }

    pub(super) fn insert(&mut self, number: Number, records: &mut Records) {
        let record = records.get(number);
        self.entries.push(Entry {
            due: record.due,
            sequence: record.sequence,
            number,
        });
        self.sift_up(self.entries.len() - 1, records);
    }

    pub(super) fn take_first(&mut self, records: &mut Records) -> Option<Number> {
        let first = self.entries.first()?.number;
        self.remove(0, records);
        Some(first)
    }

    pub(super) fn remove(&mut self, at: usize, records: &mut Records) {
        self.entries.swap_remove(at);
        if at < self.entries.len() {
            // The one that took its place came from the end: it may belong
            // further down, or, from another branch, further up.
            if self.sift_up(at, records) == at {
                self.sift_down(at, records);
            }
        }
    }

    fn sift_up(&mut self, mut at: usize, records: &mut Records) -> usize {
        while at > 0 {
            let parent = (at - 1) / CHILDREN;
            if self.entries[parent].key() <= self.entries[at].key() {
                break;
            }
            self.entries.swap(parent, at);
            self.note_place(at, records);
            at = parent;
        }
        self.note_place(at, records);
        at
    }

    fn sift_down(&mut self, mut at: usize, records: &mut Records) {
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
            self.note_place(at, records);
            at = least;
        }
        self.note_place(at, records);
    }

    fn note_place(&self, at: usize, records: &mut Records) {
        records.get_mut(self.entries[at].number).set_index(at);
    }
}
