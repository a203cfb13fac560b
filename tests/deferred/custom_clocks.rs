//! Clocks that behave as those of a loop do.

use std::cell::Cell;
use std::rc::{Rc, Weak};
use std::time::Duration;

use deferred::{Clock, DelayedCall, TimerQueue, VirtualClock};

/// A clock that does not keep its calls, as the handle of a reactor.
#[derive(Clone)]
pub(crate) struct WeakClock(Weak<VirtualClock>);

impl WeakClock {
    pub(crate) fn new(owner: &Rc<VirtualClock>) -> Self {
        Self(Rc::downgrade(owner))
    }
}

impl Clock for WeakClock {
    fn now(&self) -> Duration {
        self.0.upgrade().map_or(Duration::ZERO, |clock| clock.now())
    }

    fn schedule(&self, delay: Duration, call: Box<dyn FnOnce()>) -> DelayedCall {
        match self.0.upgrade() {
            Some(clock) => clock.schedule(delay, call),
            None => DelayedCall::inactive(),
        }
    }
}

/// A clock whose turns are made one by one, as those of a loop.
#[derive(Clone)]
pub(crate) struct TurnClock {
    now: Rc<Cell<Duration>>,
    timers: TimerQueue,
}

impl TurnClock {
    pub(crate) fn new() -> Self {
        let now = Rc::new(Cell::new(Duration::ZERO));
        let read = Rc::clone(&now);
        Self {
            now,
            timers: TimerQueue::new(move || read.get()),
        }
    }

    /// Lets time pass; makes no call.
    pub(crate) fn pass(&self, by: Duration) {
        self.now.set(self.now.get() + by);
    }

    /// Makes the calls that are due, and says how many.
    pub(crate) fn turn(&self) -> usize {
        self.timers.run_due(self.now.get())
    }

    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.timers.next_due()
    }
}

impl Clock for TurnClock {
    fn now(&self) -> Duration {
        self.now.get()
    }

    fn schedule(&self, delay: Duration, call: Box<dyn FnOnce()>) -> DelayedCall {
        self.timers.call_later(delay, call)
    }
}

/// A clock that calls back whoever has asked it, while it is asked for the time.
#[derive(Clone)]
pub(crate) struct CallingClock {
    pub(crate) clock: VirtualClock,
    /// Called once, by the next look at the time.
    pub(crate) next: Rc<Cell<Option<Box<dyn FnOnce()>>>>,
}

impl Clock for CallingClock {
    fn now(&self) -> Duration {
        if let Some(call) = self.next.take() {
            call();
        }
        self.clock.now()
    }

    fn schedule(&self, delay: Duration, call: Box<dyn FnOnce()>) -> DelayedCall {
        self.clock.schedule(delay, call)
    }
}
