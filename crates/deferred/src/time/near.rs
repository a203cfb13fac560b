//! A heap with four children a node, of entries that carry their own key.

use std::rc::Rc;

use super::timers::Timer;
use super::wheel::{Entry, NEAR, Place};

/// Those that are due soon, in order.
#[derive(Default)]
pub(super) struct Near {
    entries: Vec<Entry>,
}

impl Entry {
    fn key(&self) -> (u64, u64) {
        (self.due, self.sequence)
    }
}

/// The children of the entry at `i` are at `CHILDREN * i + 1` and after.
const CHILDREN: usize = 4;

impl Near {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Entry> {
        self.entries.iter()
    }

    pub(super) fn last(&self) -> Option<&Entry> {
        self.entries.last()
    }

    /// When the first one is due, and its number.
    pub(super) fn first(&self) -> Option<(u64, u64)> {
        self.entries.first().map(Entry::key)
    }

    pub(super) fn insert(&mut self, entry: Entry) {
        self.entries.push(entry);
        self.sift_up(self.entries.len() - 1);
    }

    pub(super) fn remove(&mut self, at: usize) -> Rc<Timer> {
        let removed = self.entries.swap_remove(at);
        if at < self.entries.len() {
            // The one that took its place came from the end: it may belong
            // further down, or, from another branch, further up.
            if self.sift_up(at) == at {
                self.sift_down(at);
            }
        }
        removed.timer
    }

    fn sift_up(&mut self, mut at: usize) -> usize {
        while at > 0 {
            let parent = (at - 1) / CHILDREN;
            if self.entries[parent].key() <= self.entries[at].key() {
                break;
            }
            self.entries.swap(parent, at);
            self.note_place(at);
            at = parent;
        }
        self.note_place(at);
        at
    }

    fn sift_down(&mut self, mut at: usize) {
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
            self.note_place(at);
            at = least;
        }
        self.note_place(at);
    }

    fn note_place(&self, at: usize) {
        self.entries[at].timer.place.set(Place {
            list: NEAR,
            index: at as u32,
        });
    }
}
