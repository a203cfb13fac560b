//! `TimerQueue`: calls in the order in which they are due.
//!
//! A heap with four children a node, of entries that carry their own key. Each
//! timer knows its place in it, so that cancelling takes it out at once: nothing
//! is left behind, however often a timeout is set and cancelled.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::delayed_call::DelayedCall;
use crate::contain::drop_contained;
use crate::failure::Failure;

/// The timers of a clock: what a loop of your own needs to be a
/// [`Clock`](crate::Clock).
///
/// It is asked when the next call is [due](Self::next_due), and told to make the
/// calls that are. A clone is another handle on the same queue.
///
/// # Examples
///
/// A game loop that offers timers to its scripts:
///
/// ```
/// use deferred::{Clock, DelayedCall, TimerQueue};
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use std::time::Duration;
///
/// struct Game {
///     time: Rc<Cell<Duration>>,
///     timers: TimerQueue,
/// }
///
/// impl Clock for Game {
///     fn now(&self) -> Duration {
///         self.time.get()
///     }
///     fn schedule(&self, delay: Duration, call: Box<dyn FnOnce()>) -> DelayedCall {
///         self.timers.call_later(delay, call)
///     }
/// }
///
/// let time = Rc::new(Cell::new(Duration::ZERO));
/// let clock = Rc::clone(&time);
/// let game = Game { time, timers: TimerQueue::new(move || clock.get()) };
///
/// let hits = Rc::new(Cell::new(0));
/// let counter = Rc::clone(&hits);
/// game.call_later(Duration::from_millis(40), move || counter.set(1));
/// for _frame in 0..3 {
///     game.time.set(game.now() + Duration::from_millis(16));
///     game.timers.run_due(game.now());
/// }
/// assert_eq!(hits.get(), 1);
/// ```
#[derive(Clone)]
pub struct TimerQueue {
    queue: Rc<Queue>,
}

impl TimerQueue {
    /// An empty queue; `now` tells the time since the clock's start.
    pub fn new(now: impl Fn() -> Duration + 'static) -> Self {
        Self {
            queue: Rc::new(Queue {
                heap: RefCell::new(Heap::default()),
                now: Box::new(now),
            }),
        }
    }

    /// Has `call` made `delay` from now.
    pub fn call_later<F: FnOnce() + 'static>(&self, delay: Duration, call: F) -> DelayedCall {
        self.call_at(self.queue.now().saturating_add(delay), call)
    }

    /// Has `call` made at `due`, the time since the clock's start.
    pub fn call_at<F: FnOnce() + 'static>(&self, due: Duration, call: F) -> DelayedCall {
        let due = to_nanos(due);
        let timer: Rc<Timer> = Rc::new(Timer {
            place: Cell::new(CANCELLED),
            due: Cell::new(due),
            call: Cell::new(Some(call)),
        });
        self.queue.heap.borrow_mut().insert(due, Rc::clone(&timer));
        DelayedCall::new(timer, Rc::downgrade(&self.queue))
    }

    /// When the next call is due: the time since the clock's start.
    pub fn next_due(&self) -> Option<Duration> {
        self.queue
            .heap
            .borrow()
            .first()
            .map(|(due, _)| from_nanos(due))
    }

    /// How many calls wait.
    pub fn len(&self) -> usize {
        self.queue.heap.borrow().entries.len()
    }

    /// Whether no call waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes the calls that are due at `now`, in order, and says how many.
    ///
    /// Those that are scheduled meanwhile are left for the next time, even if
    /// they are due: a call that schedules itself again starves nobody. A panic
    /// in a call is contained.
    pub fn run_due(&self, now: Duration) -> usize {
        let now = to_nanos(now);
        let scheduled_before = self.queue.heap.borrow().next_sequence;
        let mut calls = 0;
        loop {
            let mut heap = self.queue.heap.borrow_mut();
            match heap.first() {
                Some((due, sequence)) if due <= now && sequence < scheduled_before => {}
                _ => return calls,
            }
            let timer = heap.remove(0);
            timer.place.set(CALLED);
            drop(heap);
            if let Err(panicked) = Failure::catch(|| timer.call.call()) {
                tracing::error!(target: "deferred", "a delayed call {panicked}");
            }
            calls += 1;
        }
    }

    /// Cancels all calls, dropping their closures.
    pub fn clear(&self) {
        loop {
            let mut heap = self.queue.heap.borrow_mut();
            if heap.entries.is_empty() {
                return;
            }
            // The last one is the cheapest to take out.
            let last = heap.entries.len() - 1;
            let timer = heap.remove(last);
            drop(heap);
            timer.dispose();
        }
    }
}

impl fmt::Debug for TimerQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerQueue")
            .field("len", &self.len())
            .field("next_due", &self.next_due())
            .finish()
    }
}

/// What the handles of a queue share.
pub(super) struct Queue {
    heap: RefCell<Heap>,
    now: Box<dyn Fn() -> Duration>,
}

impl Queue {
    pub(super) fn now(&self) -> Duration {
        (self.now)()
    }

    pub(super) fn cancel(&self, timer: &Timer) {
        let timer = self.heap.borrow_mut().remove(timer.place.get() as usize);
        timer.dispose();
    }

    pub(super) fn reschedule(&self, timer: &Timer, due: u64) {
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
