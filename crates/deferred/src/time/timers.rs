//! Calls in the order in which they are due.
//!
//! A heap with four children a node, of entries that carry their own key. Each
//! timer knows its place in it, so that cancelling takes it out at once: nothing
//! is left behind, however often a timeout is set and cancelled.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use crate::contain::drop_contained;

/// What the handles of a queue share.
pub(super) struct Queue {
    heap: RefCell<Heap>,
    /// While calls are made: the time up to which they are. What is added
    /// meanwhile is not due before that, so that it stands behind those that wait.
    made_until: Cell<u64>,
    now: Box<dyn Fn() -> Duration>,
}

impl Queue {
    pub(super) fn new(now: impl Fn() -> Duration + 'static) -> Self {
        Self {
            heap: RefCell::default(),
            made_until: Cell::new(0),
            now: Box::new(now),
        }
    }

    /// Adds a call that is due at `due`.
    pub(super) fn insert<F: FnOnce() + 'static>(&self, due: Duration, call: F) -> Rc<Timer> {
        let due = to_nanos(due).max(self.made_until.get());
        let timer: Rc<Timer> = Rc::new(Timer {
            place: Cell::new(CANCELLED),
            due: Cell::new(due),
            call: Cell::new(Some(call)),
        });
        self.heap.borrow_mut().insert(due, Rc::clone(&timer));
        timer
    }

    /// When the next call is due.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let (due, _) = self.heap.borrow().first()?;
        Some(from_nanos(due))
    }

    pub(super) fn due_times(&self) -> Vec<Duration> {
        let heap = self.heap.borrow();
        let mut times: Vec<_> = heap.entries.iter().map(|entry| entry.due).collect();
        times.sort_unstable();
        times.into_iter().map(from_nanos).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.heap.borrow().entries.len()
    }

    /// Says up to which time calls are made; gives what was said before.
    pub(super) fn set_made_until(&self, time: Duration) -> Duration {
        from_nanos(self.made_until.replace(to_nanos(time)))
    }

    /// The sequence number that the next call to be added will have.
    pub(super) fn next_sequence(&self) -> u64 {
        self.heap.borrow().next_sequence
    }

    /// Takes out the first call if it is due at `now` and was added before
    /// `sequence`; it counts as made.
    pub(super) fn take_due(&self, now: Duration, sequence: u64) -> Option<Rc<Timer>> {
        let mut heap = self.heap.borrow_mut();
        let (due, added) = heap.first()?;
        if due > to_nanos(now) || added >= sequence {
            return None;
        }
        let timer = heap.remove(0);
        timer.place.set(CALLED);
        Some(timer)
    }

    /// Cancels a call, the one that costs least; says whether there was one.
    pub(super) fn cancel_any(&self) -> bool {
        let mut heap = self.heap.borrow_mut();
        let Some(last) = heap.entries.len().checked_sub(1) else {
            return false;
        };
        let timer = heap.remove(last);
        drop(heap);
        timer.dispose();
        true
    }

    pub(super) fn now(&self) -> Duration {
        (self.now)()
    }

    pub(super) fn cancel(&self, timer: &Timer) {
        let timer = self.heap.borrow_mut().remove(timer.place.get() as usize);
        timer.dispose();
    }

    pub(super) fn reschedule(&self, timer: &Timer, due: u64) {
        let due = due.max(self.made_until.get());
        let mut heap = self.heap.borrow_mut();
        let timer = heap.remove(timer.place.get() as usize);
        timer.due.set(due);
        heap.insert(due, timer);
    }
}

impl Drop for Queue {
    /// A call may hold the last handle of a further queue, but not of this one:
    /// then it would not be dropped.
    fn drop(&mut self) {
        for entry in std::mem::take(&mut self.heap.get_mut().entries) {
            entry.timer.dispose();
        }
    }
}

/// One call, in one allocation with its closure.
pub(super) struct Timer<F: ?Sized = dyn Call> {
    /// Its place in the heap, or what became of it.
    place: Cell<u32>,
    due: Cell<u64>,
    call: F,
}

const CALLED: u32 = u32::MAX - 1;
const CANCELLED: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Active,
    Called,
    Cancelled,
}

impl Timer {
    pub(super) fn cancelled() -> Rc<Self> {
        Rc::new(Timer {
            place: Cell::new(CANCELLED),
            due: Cell::new(0),
            call: Cell::new(None::<fn()>),
        })
    }

    pub(super) fn status(&self) -> Status {
        match self.place.get() {
            CALLED => Status::Called,
            CANCELLED => Status::Cancelled,
            _ => Status::Active,
        }
    }

    /// Makes the call.
    pub(super) fn call(&self) {
        self.call.call();
    }

    pub(super) fn due(&self) -> u64 {
        self.due.get()
    }

    /// Marks it as cancelled and drops its closure.
    fn dispose(&self) {
        self.place.set(CANCELLED);
        self.call.discard();
    }
}

/// A closure that is called once, or never.
pub(super) trait Call {
    fn call(&self);
    fn discard(&self);
}

impl<F: FnOnce()> Call for Cell<Option<F>> {
    fn call(&self) {
        if let Some(call) = self.take() {
            call();
        }
    }

    fn discard(&self) {
        drop_contained(self.take());
    }
}

#[derive(Default)]
struct Heap {
    entries: Vec<Entry>,
    next_sequence: u64,
}

struct Entry {
    due: u64,
    sequence: u64,
    timer: Rc<Timer>,
}

impl Entry {
    fn key(&self) -> (u64, u64) {
        (self.due, self.sequence)
    }
}

/// The children of the entry at `i` are at `CHILDREN * i + 1` and after.
const CHILDREN: usize = 4;

impl Heap {
    fn first(&self) -> Option<(u64, u64)> {
        self.entries.first().map(Entry::key)
    }

    fn insert(&mut self, due: u64, timer: Rc<Timer>) {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.entries.push(Entry {
            due,
            sequence,
            timer,
        });
        self.sift_up(self.entries.len() - 1);
    }

    fn remove(&mut self, at: usize) -> Rc<Timer> {
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
        self.entries[at].timer.place.set(at as u32);
    }
}

/// Nanoseconds since the clock's start; some 584 years at the most.
pub(super) fn to_nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

pub(super) fn from_nanos(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}
