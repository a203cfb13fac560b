//! Shared state of a timer queue: its timers, its wakeups, and the run of due calls.
//!
//! Each timer knows its place, so that a cancel removes it at once: no garbage is left,
//! however often a timeout is set and cancelled.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::call::Call;
use super::slab::{Key, Status};
use super::waiting_call::WaitingCall;
use super::wheel::Wheel;
use crate::chain::run_all_pending;
use crate::failure::Failure;
use crate::panics::{drop_contained, run_contained};

/// The end of time, 584 years after the start: a call that is due then is never made.
const NEVER: u64 = u64::MAX;

/// State that all handles of a timer queue share.
pub(super) struct Queue {
    wheel: RefCell<Wheel>,
    /// How many timers wait.
    len: Cell<usize>,
    /// How many `TimerQueue`s there are; `DelayedCall`s do not count.
    handles: Cell<usize>,
    next_sequence: Cell<u64>,
    /// The `now` of the current run; 0 outside of a run. A timer that is added during a run is
    /// due at this time or later, so that it is sorted behind those of the run.
    made_until: Cell<u64>,
    /// Set during a run of calls, cleared at its end. While it is set, no wakeup is requested.
    is_making: Cell<bool>,
    now: Box<dyn Fn() -> Duration>,
    /// The time of the pending wakeup: [`NEVER`] if none is pending, 0 without a hook. So an
    /// insertion needs one comparison.
    wakeup_due: Cell<u64>,
    /// The number of the latest wakeup.
    wakeup_number: Cell<u64>,
    hook: RefCell<Option<Hook>>,
}

/// Gets the queue, the time at which to run it, and the number of the wakeup.
type Hook = Rc<dyn Fn(&Rc<Queue>, Duration, u64)>;

impl Queue {
    /// A queue with one handle.
    pub(super) fn new(now: impl Fn() -> Duration + 'static) -> Self {
        Self {
            wheel: RefCell::default(),
            len: Cell::new(0),
            handles: Cell::new(1),
            next_sequence: Cell::new(0),
            made_until: Cell::new(0),
            is_making: Cell::new(false),
            now: Box::new(now),
            wakeup_due: Cell::new(0),
            wakeup_number: Cell::new(0),
            hook: RefCell::default(),
        }
    }

    pub(super) fn add_handle(&self) {
        self.handles.set(self.handles.get() + 1);
    }

    /// Drops a handle. With the last one, the queue ends: all calls are cancelled.
    pub(super) fn drop_handle(&self) {
        self.handles.set(self.handles.get() - 1);
        if self.has_ended() {
            // One by one, with nothing borrowed: dropping a closure may drop, cancel or look at
            // other calls.
            while self.cancel_any() {}
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.handles.get() == 0
    }

    /// Adds a call with one handle.
    #[inline]
    pub(super) fn insert<F: FnOnce() + 'static>(self: &Rc<Self>, due: Duration, call: F) -> Key {
        // A call that is scheduled during a run is not made in that run, however early it is due;
        // so it must not come before those that still are.
        let due = to_nanos(due).max(self.made_until.get());
        self.len.set(self.len.get() + 1);
        let sequence = self.take_sequence();
        let mut wheel = self.wheel.borrow_mut();
        let key = wheel.insert(due, sequence);
        wheel.slab.get_mut(key).call.put(call);
        drop(wheel);
        self.request_if_earlier(due);
        key
    }

    /// The time of the next call that will be made.
    fn first_due(&self) -> Option<u64> {
        let (due, _) = self.wheel.borrow_mut().first()?;
        (due != NEVER).then_some(due)
    }

    /// As `first_due`, as a time since the clock's start.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.first_due().map(from_nanos)
    }

    /// A time no later than the next call is due.
    #[inline]
    pub(super) fn next_look(&self) -> Option<Duration> {
        // A loop asks once per turn: an empty queue must be cheap.
        if self.len.get() == 0 {
            return None;
        }
        let look = self.wheel.borrow().next_look()?;
        (look != NEVER).then(|| from_nanos(look))
    }

    pub(super) fn due_times(&self) -> Vec<Duration> {
        let mut times = self.wheel.borrow().due_times();
        times.sort_unstable();
        times.into_iter().map(from_nanos).collect()
    }

    pub(super) fn waiting(&self) -> Vec<WaitingCall> {
        let mut waiting = self.wheel.borrow().waiting();
        waiting.sort_by_key(|(due, _)| *due);
        let with_place = |(due, name)| WaitingCall::new(from_nanos(due), name);
        waiting.into_iter().map(with_place).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.len.get()
    }

    fn one_less(&self) {
        self.len.set(self.len.get() - 1);
    }

    fn take_sequence(&self) -> u64 {
        let sequence = self.next_sequence.get();
        self.next_sequence.set(sequence + 1);
        sequence
    }

    /// Takes the first call out if it is due at `now` and was added before `sequence`; it
    /// counts as made.
    #[inline]
    fn take_due(&self, now: u64, sequence: u64) -> Option<Call> {
        let mut wheel = self.wheel.borrow_mut();
        let (due, added) = wheel.first_until(now)?;
        // `added >= sequence`: scheduled by a call of this run, so it waits for the next run. It
        // cannot hide an older due call behind it, because `made_until` sorts it after them.
        if due > now || added >= sequence {
            return None;
        }
        let key = wheel.take_first()?;
        self.one_less();
        Some(wheel.slab.take_called(key))
    }

    /// Cancels any call, the one that is cheapest to find; tells whether there was one.
    pub(super) fn cancel_any(&self) -> bool {
        let Some(key) = self.wheel.borrow().any() else {
            return false;
        };
        self.cancel(key);
        true
    }

    pub(super) fn now(&self) -> Duration {
        (self.now)()
    }

    /// Cancels a call that is active.
    pub(super) fn cancel(&self, key: Key) {
        let mut wheel = self.wheel.borrow_mut();
        wheel.remove(key);
        self.one_less();
        let call = wheel.slab.take_cancelled(key);
        // Dropping the closure runs user code: nothing may be borrowed.
        drop(wheel);
        drop(call);
    }

    /// Moves an active call to `due`.
    pub(super) fn reschedule(self: &Rc<Self>, key: Key, due: u64) {
        let due = due.max(self.made_until.get());
        let mut wheel = self.wheel.borrow_mut();
        wheel.remove(key);
        let timer = wheel.slab.get_mut(key);
        timer.due = due;
        timer.sequence = self.take_sequence();
        wheel.place(key);
        drop(wheel);
        self.request_if_earlier(due);
    }

    // --- wakeups ---

    /// Sets the hook; requests a wakeup if calls wait already.
    pub(super) fn set_hook(self: &Rc<Self>, hook: Hook) {
        let replaced = self.hook.replace(Some(hook));
        // The old hook is dropped with nothing borrowed: it may own values of the user.
        drop_contained(replaced);
        self.wakeup_due.set(NEVER);
        if !self.is_making.get() {
            self.request_next();
        }
    }

    #[inline]
    fn request_if_earlier(self: &Rc<Self>, due: u64) {
        if due < self.wakeup_due.get() {
            self.request_wakeup(due);
        }
    }

    #[cold]
    fn request_wakeup(self: &Rc<Self>, due: u64) {
        if self.is_making.get() {
            return;
        }
        // Cloned, so that nothing is borrowed while the hook runs.
        let Some(hook) = self.hook.borrow().clone() else {
            return;
        };
        // Numbered, because the foreign loop cannot cancel a wakeup: an earlier one that still
        // arrives has an old number, and makes no calls.
        let number = self.wakeup_number.get() + 1;
        self.wakeup_number.set(number);
        // 0 means that there is no hook.
        // Set before the hook is called: a call that the hook schedules sees the pending wakeup.
        self.wakeup_due.set(due.max(1));
        let due = from_nanos(due);
        if let Err(panicked) = Failure::catch(|| hook(self, due, number)) {
            log_panic("the hook of a timer queue", &panicked);
            // The loop may have missed it: the next insertion requests it again.
            self.take_wakeup(number);
        }
    }

    fn request_next(self: &Rc<Self>) {
        if let Some(due) = self.first_due() {
            self.request_if_earlier(due);
        }
    }

    /// Takes the pending wakeup, if it has this number; tells whether it had.
    pub(super) fn take_wakeup(&self, number: u64) -> bool {
        let is_pending = self.wakeup_number.get() == number && self.wakeup_due.get() != NEVER;
        if is_pending {
            self.wakeup_due.set(NEVER);
        }
        is_pending
    }

    // --- making calls ---

    /// Makes the calls that are due at `now` and were scheduled before this; returns how many.
    pub(super) fn run_due(self: &Rc<Self>, now: u64) -> usize {
        // A pending abandonment may schedule a call, or cancel one.
        run_all_pending();
        // A call that is due at `NEVER` stays, even if the clock is at its end.
        let now = now.min(NEVER - 1);
        let scheduled_before = self.next_sequence.get();
        // Replaced and restored, not cleared: a call may run a loop, which makes the due calls of
        // this queue in a nested run.
        let outer = self.made_until.replace(now);
        let is_nested = self.is_making.replace(true);
        let mut calls = 0;
        while let Some(call) = self.take_due(now, scheduled_before) {
            // A panic ends this call only; the others of the run are still made.
            if let Err(panicked) = Failure::catch(|| call.invoke()) {
                log_panic("a delayed call", &panicked);
            }
            calls += 1;
        }
        self.made_until.set(outer);
        self.is_making.set(is_nested);
        if !is_nested && self.wakeup_due.get() != 0 {
            self.request_after_run(now);
        }
        calls
    }

    #[cold]
    fn request_after_run(self: &Rc<Self>, now: u64) {
        // The pending wakeup is the one that led to this run, or is as late: it was used up.
        if self.wakeup_due.get() <= now {
            self.wakeup_due.set(NEVER);
        }
        self.request_next();
    }

    // --- a single call ---

    pub(super) fn status(&self, key: Key) -> Status {
        match self.wheel.borrow().slab.get(key).status() {
            Status::Active if self.has_ended() => Status::Cancelled,
            status => status,
        }
    }

    /// The due time of a call, made or not.
    pub(super) fn due(&self, key: Key) -> u64 {
        self.wheel.borrow().slab.get(key).due
    }

    pub(super) fn add_handle_of(&self, key: Key) {
        self.wheel.borrow_mut().slab.add_handle(key);
    }

    #[inline]
    pub(super) fn drop_handle_of(&self, key: Key) {
        self.wheel.borrow_mut().slab.drop_handle(key);
    }
}

/// Nanoseconds since the clock's start, saturating at [`NEVER`].
#[inline]
pub(super) fn to_nanos(time: Duration) -> u64 {
    const PER_SECOND: u64 = 1_000_000_000;
    let nanos = time.as_secs().checked_mul(PER_SECOND);
    // Beyond 64 bits, it is `NEVER`.
    nanos
        .and_then(|nanos| nanos.checked_add(u64::from(time.subsec_nanos())))
        .unwrap_or(u64::MAX)
}

#[inline]
pub(super) fn from_nanos(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}

#[cold]
fn log_panic(what: &str, panicked: &Failure) {
    run_contained("the log", || {
        tracing::error!(target: "deferred", "{what} {panicked}");
    });
}
