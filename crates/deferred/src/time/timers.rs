//! Calls in the order in which they are due: what the handles of a queue share.
//!
//! Each timer knows its place, so that cancelling takes it out at once: nothing is
//! left behind, however often a timeout is set and cancelled.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::call::Call;
use super::records::{Number, Status};
use super::wheel::Wheel;

/// What the handles of a queue share.
pub(super) struct Queue {
    wheel: RefCell<Wheel>,
    /// How many wait.
    len: Cell<usize>,
    /// How many handles there are, those of single calls not counted.
    handles: Cell<usize>,
    next_sequence: Cell<u64>,
    /// While calls are made: the time up to which they are. What is added
    /// meanwhile is not due before that, so that it stands behind those that wait.
    made_until: Cell<u64>,
    now: Box<dyn Fn() -> Duration>,
}

impl Queue {
    /// One with a handle.
    pub(super) fn new(now: impl Fn() -> Duration + 'static) -> Self {
        Self {
            wheel: RefCell::default(),
            len: Cell::new(0),
            handles: Cell::new(1),
            next_sequence: Cell::new(0),
            made_until: Cell::new(0),
            now: Box::new(now),
        }
    }

    pub(super) fn add_handle(&self) {
        self.handles.set(self.handles.get() + 1);
    }

    /// Without handles, no call is made any more: all are cancelled.
    pub(super) fn drop_handle(&self) {
        self.handles.set(self.handles.get() - 1);
        if self.has_ended() {
            while self.cancel_any() {}
        }
    }

    fn has_ended(&self) -> bool {
        self.handles.get() == 0
    }

    /// Adds a call that is due at `due`, and has one handle.
    #[inline]
    pub(super) fn insert<F: FnOnce() + 'static>(&self, due: Duration, call: F) -> Number {
        let due = to_nanos(due).max(self.made_until.get());
        self.len.set(self.len.get() + 1);
        let sequence = self.take_sequence();
        let mut wheel = self.wheel.borrow_mut();
        let number = wheel.insert(due, sequence);
        wheel.records.get_mut(number).call.put(call);
        number
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

    fn one_less(&self) {
        self.len.set(self.len.get() - 1);
    }

    /// Says up to which time calls are made; gives what was said before.
    #[inline]
    pub(super) fn set_made_until(&self, time: u64) -> u64 {
        self.made_until.replace(time)
    }

    /// The sequence number that the next call to be added will have.
    pub(super) fn next_sequence(&self) -> u64 {
        self.next_sequence.get()
    }

    fn take_sequence(&self) -> u64 {
        let sequence = self.next_sequence.get();
        self.next_sequence.set(sequence + 1);
        sequence
    }

    /// Takes out the first call if it is due at `now` and was added before
    /// `sequence`; it counts as made.
    #[inline]
    pub(super) fn take_due(&self, now: u64, sequence: u64) -> Option<Call> {
        let mut wheel = self.wheel.borrow_mut();
        let (due, added) = wheel.first_until(now)?;
        if due > now || added >= sequence {
            return None;
        }
        let number = wheel.take_first()?;
        self.one_less();
        Some(wheel.records.take_called(number))
    }

    /// Cancels a call, the one that costs least; says whether there was one.
    pub(super) fn cancel_any(&self) -> bool {
        let Some(number) = self.wheel.borrow().any() else {
            return false;
        };
        self.cancel(number);
        true
    }

    pub(super) fn now(&self) -> Duration {
        (self.now)()
    }

    /// Cancels a call that is active.
    pub(super) fn cancel(&self, number: Number) {
        let mut wheel = self.wheel.borrow_mut();
        wheel.remove(number);
        self.one_less();
        let call = wheel.records.take_cancelled(number);
        // What the closure has is a user's.
        drop(wheel);
        drop(call);
    }

    /// Makes a call that is active due at `due`.
    pub(super) fn reschedule(&self, number: Number, due: u64) {
        let mut wheel = self.wheel.borrow_mut();
        wheel.remove(number);
        let record = wheel.records.get_mut(number);
        record.due = due.max(self.made_until.get());
        record.sequence = self.take_sequence();
        wheel.place(number);
    }

    // --- a single call ---

    pub(super) fn status(&self, number: Number) -> Status {
        match self.wheel.borrow().records.get(number).status() {
            Status::Active if self.has_ended() => Status::Cancelled,
            status => status,
        }
    }

    /// When it is due, or was.
    pub(super) fn due(&self, number: Number) -> u64 {
        self.wheel.borrow().records.get(number).due
    }

    pub(super) fn add_handle_of(&self, number: Number) {
        self.wheel.borrow_mut().records.add_handle(number);
    }

    #[inline]
    pub(super) fn drop_handle_of(&self, number: Number) {
        self.wheel.borrow_mut().records.drop_handle(number);
    }
}

/// Nanoseconds since the clock's start; some 584 years at the most.
#[inline]
pub(super) fn to_nanos(time: Duration) -> u64 {
    const PER_SECOND: u64 = 1_000_000_000;
    let nanos = time.as_secs().checked_mul(PER_SECOND);
    nanos
        .and_then(|nanos| nanos.checked_add(u64::from(time.subsec_nanos())))
        .unwrap_or(u64::MAX)
}

#[inline]
pub(super) fn from_nanos(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}
