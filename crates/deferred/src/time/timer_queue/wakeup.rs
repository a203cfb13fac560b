//! `Wakeup`: a request to a foreign loop to run a timer queue at a certain time.
//!
//! At most one wakeup is pending, the latest. One is requested when the earliest due time
//! becomes earlier, and at the end of a run. A wakeup that was replaced does nothing when
//! its foreign timer fires, so a loop whose timers cannot be cancelled needs no
//! bookkeeping.

use std::fmt;
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::queue::{Queue, to_nanos};

/// A time at which a loop has to call [`run`](Self::run): from
/// [`TimerQueue::on_wakeup`](super::TimerQueue::on_wakeup).
///
/// It holds the queue weakly. Once the queue has ended, or has requested another wakeup,
/// `run` does nothing.
///
/// # Examples
///
/// ```
/// use deferred::{TimerQueue, Wakeup};
/// use std::cell::RefCell;
/// use std::rc::Rc;
/// use std::time::Duration;
///
/// let timers = TimerQueue::new(|| Duration::from_secs(100));
/// let wakeups: Rc<RefCell<Vec<Wakeup>>> = Rc::default();
/// let requested = Rc::clone(&wakeups);
/// timers.on_wakeup(move |wakeup| requested.borrow_mut().push(wakeup));
///
/// timers.call_later(Duration::from_secs(20), || ());
/// timers.call_later(Duration::from_secs(30), || ()); // later: no wakeup
/// timers.call_later(Duration::from_secs(10), || ());
/// let dues: Vec<_> = wakeups.borrow().iter().map(|wakeup| wakeup.due().as_secs()).collect();
/// assert_eq!(dues, [120, 110]);
/// ```
#[must_use = "the loop has to run it when it is due"]
pub struct Wakeup {
    queue: Weak<Queue>,
    due: Duration,
    /// The number of this wakeup among those of its queue.
    number: u64,
}

impl Wakeup {
    pub(super) fn new(queue: &Rc<Queue>, due: Duration, number: u64) -> Self {
        Self {
            queue: Rc::downgrade(queue),
            due,
            number,
        }
    }

    /// The queue, unless that has ended.
    fn queue(&self) -> Option<Rc<Queue>> {
        self.queue.upgrade().filter(|queue| !queue.has_ended())
    }

    /// The time at which to run it, since the clock's start.
    pub fn due(&self) -> Duration {
        self.due
    }

    /// The time from now until then. For a timer that counts in whole milliseconds, round up.
    pub fn delay(&self) -> Duration {
        let now = self.queue().map_or(self.due, |queue| queue.now());
        self.due.saturating_sub(now)
    }

    /// Makes the calls that are due, and requests a wakeup for the next one; returns the number
    /// of calls made. That is 0 if this was run before, if another wakeup has replaced it, or
    /// if the queue has ended.
    ///
    /// If it is too early, no call is made, and the hook gets another wakeup for the rest of
    /// the time.
    pub fn run(&self) -> usize {
        let Some(queue) = self.queue() else {
            return 0;
        };
        if !queue.take_wakeup(self.number) {
            return 0;
        }
        let now = queue.now();
        // So that it does not end while a call drops the last `TimerQueue`.
        queue.add_handle();
        let calls = queue.run_due(to_nanos(now));
        queue.drop_handle();
        calls
    }
}

impl fmt::Debug for Wakeup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wakeup")
            .field("due", &self.due)
            .finish_non_exhaustive()
    }
}
