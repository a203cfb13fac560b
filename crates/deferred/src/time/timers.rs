//! Calls in the order in which they are due: the queue, and the calls in it.
//!
//! Each timer knows its place, so that cancelling takes it out at once: nothing is
//! left behind, however often a timeout is set and cancelled.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::wheel::{Entry, Place, Wheel};
use crate::contain::drop_contained;

/// What the handles of a queue share.
pub(super) struct Queue {
    wheel: RefCell<Wheel>,
    len: Cell<usize>,
    next_sequence: Cell<u64>,
    /// While calls are made: the time up to which they are. What is added
    /// meanwhile is not due before that, so that it stands behind those that wait.
    made_until: Cell<u64>,
    now: Box<dyn Fn() -> Duration>,
}

impl Queue {
    pub(super) fn new(now: impl Fn() -> Duration + 'static) -> Self {
        Self {
            wheel: RefCell::default(),
            len: Cell::new(0),
            next_sequence: Cell::new(0),
            made_until: Cell::new(0),
            now: Box::new(now),
        }
    }

    /// Adds a call that is due at `due`.
    pub(super) fn insert<F: FnOnce() + 'static>(&self, due: Duration, call: F) -> Rc<Timer> {
        let due = to_nanos(due).max(self.made_until.get());
        let timer: Rc<Timer> = Rc::new(Timer {
            place: Cell::new(Place::CANCELLED),
            due: Cell::new(due),
            call: Cell::new(Some(call)),
        });
        self.add(due, Rc::clone(&timer));
        timer
    }

    fn add(&self, due: u64, timer: Rc<Timer>) {
        let sequence = self.next_sequence();
        self.next_sequence.set(sequence + 1);
        self.len.set(self.len.get() + 1);
        self.wheel.borrow_mut().insert(Entry {
            due,
            sequence,
            timer,
        });
    }

    /// When the next call is due.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let (due, _) = self.wheel.borrow_mut().first()?;
        Some(from_nanos(due))
    }

    /// A time at which to look again: no later than the next call is due.
    #[inline]
    pub(super) fn next_look(&self) -> Option<Duration> {
        // A loop asks once a turn.
        if self.len.get() == 0 {
            return None;
        }
        self.wheel.borrow().next_look().map(from_nanos)
    }

    pub(super) fn due_times(&self) -> Vec<Duration> {
        let mut times = self.wheel.borrow().due_times();
        times.sort_unstable();
        times.into_iter().map(from_nanos).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.len.get()
    }

    /// Says up to which time calls are made; gives what was said before.
    pub(super) fn set_made_until(&self, time: Duration) -> Duration {
        from_nanos(self.made_until.replace(to_nanos(time)))
    }

    /// The sequence number that the next call to be added will have.
    pub(super) fn next_sequence(&self) -> u64 {
        self.next_sequence.get()
    }

    /// Takes out the first call if it is due at `now` and was added before
    /// `sequence`; it counts as made.
    pub(super) fn take_due(&self, now: Duration, sequence: u64) -> Option<Rc<Timer>> {
        let mut wheel = self.wheel.borrow_mut();
        let (due, added) = wheel.first_until(to_nanos(now))?;
        if due > to_nanos(now) || added >= sequence {
            return None;
        }
        let timer = wheel.take_first()?;
        self.len.set(self.len.get() - 1);
        timer.place.set(Place::CALLED);
        Some(timer)
    }

    /// Cancels a call, the one that costs least; says whether there was one.
    pub(super) fn cancel_any(&self) -> bool {
        let Some(timer) = self.wheel.borrow_mut().take_any() else {
            return false;
        };
        self.len.set(self.len.get() - 1);
        timer.dispose();
        true
    }

    pub(super) fn now(&self) -> Duration {
        (self.now)()
    }

    pub(super) fn cancel(&self, timer: &Timer) {
        let timer = self.remove(timer);
        timer.dispose();
    }

    fn remove(&self, timer: &Timer) -> Rc<Timer> {
        self.len.set(self.len.get() - 1);
        self.wheel.borrow_mut().remove(timer.place.get())
    }

    pub(super) fn reschedule(&self, timer: &Timer, due: u64) {
        let due = due.max(self.made_until.get());
        let timer = self.remove(timer);
        timer.due.set(due);
        self.add(due, timer);
    }
}

impl Drop for Queue {
    /// A call may hold the last handle of a further queue, but not of this one:
    /// then it would not be dropped.
    fn drop(&mut self) {
        while self.cancel_any() {}
    }
}

/// One call, in one allocation with its closure.
pub(super) struct Timer<F: ?Sized = dyn Call> {
    /// Its place in the wheel, or what became of it.
    pub(super) place: Cell<Place>,
    due: Cell<u64>,
    call: F,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Active,
    Called,
    Cancelled,
}

impl Timer {
    pub(super) fn cancelled() -> Rc<Self> {
        Rc::new(Timer {
            place: Cell::new(Place::CANCELLED),
            due: Cell::new(0),
            call: Cell::new(None::<fn()>),
        })
    }

    pub(super) fn status(&self) -> Status {
        match self.place.get() {
            Place::CALLED => Status::Called,
            Place::CANCELLED => Status::Cancelled,
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
        self.place.set(Place::CANCELLED);
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

/// Nanoseconds since the clock's start; some 584 years at the most.
pub(super) fn to_nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

pub(super) fn from_nanos(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}
