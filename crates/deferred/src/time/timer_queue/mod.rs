//! Timer queue: delayed calls, sorted by the time at which they are due.
//!
//! `TimerQueue`, `DelayedCall` and `Wakeup` are handles on one `queue`. The queue keeps its timers
//! in a `slab`, and orders them by a hierarchical timing `wheel`, whose current tick is a `heap`.
//! `call` is the closure of a timer, stored inline.

mod call;
mod delayed_call;
mod heap;
mod queue;
mod slab;
mod waiting_call;
mod wakeup;
mod wheel;

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

pub use self::delayed_call::{DelayedCall, DelayedCallError};
use self::queue::{Queue, to_nanos};
pub use self::waiting_call::WaitingCall;
pub use self::wakeup::Wakeup;
use super::clock::Clock;
use crate::local::Outcome;

/// The delayed calls of a clock, for a loop of your own or of another library.
///
/// It is a [`Clock`], so everything that needs time accepts one. The loop drives it in one of
/// two ways:
///
/// - It asks when the [next call is due](Self::next_due), waits until then, and
///   [runs the calls that are due](Self::run_due).
/// - It has timers itself, and sets one for each [`Wakeup`] that the queue
///   [requests](Self::on_wakeup).
///
/// A clone is another handle on the same queue. The calls are cancelled when the last handle
/// is dropped.
///
/// # Examples
///
/// A game loop that offers timers to its scripts:
///
/// ```
/// use deferred::{TimerQueue, sleep};
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use std::time::Duration;
///
/// let time = Rc::new(Cell::new(Duration::ZERO));
/// let clock = Rc::clone(&time);
/// let timers = TimerQueue::new(move || clock.get());
///
/// let hits = Rc::new(Cell::new(0));
/// let counter = Rc::clone(&hits);
/// sleep(&timers, Duration::from_millis(40))
///     .add_callback(move |()| counter.set(1))
///     .detach();
/// for _frame in 0..3 {
///     time.set(time.get() + Duration::from_millis(16));
///     timers.run_due(time.get());
/// }
/// assert_eq!(hits.get(), 1);
/// ```
pub struct TimerQueue {
    queue: Rc<Queue>,
}

impl TimerQueue {
    /// An empty queue; `now` returns the time since the clock's start.
    pub fn new(now: impl Fn() -> Duration + 'static) -> Self {
        Self {
            queue: Rc::new(Queue::new(now)),
        }
    }

    /// The time since the clock's start.
    pub fn now(&self) -> Duration {
        self.queue.now()
    }

    /// Calls `call` once, `delay` from now. It returns `()` or any other [`Outcome`]; a failure
    /// is reported as [unhandled](crate::unhandled).
    pub fn call_later<F, O>(&self, delay: Duration, call: F) -> DelayedCall
    where
        F: FnOnce() -> O + 'static,
        O: Outcome,
    {
        self.call_at(self.queue.now().saturating_add(delay), call)
    }

    /// As [`call_later`](Self::call_later), at `due`, a time since the clock's start.
    pub fn call_at<F, O>(&self, due: Duration, call: F) -> DelayedCall
    where
        F: FnOnce() -> O + 'static,
        O: Outcome,
    {
        // Detached: nothing waits for the call, so its failure is reported as unhandled.
        let key = self.queue.insert(due, move || call().detach());
        DelayedCall::new(Rc::clone(&self.queue), key)
    }

    /// The time at which the next call is due, since the clock's start.
    pub fn next_due(&self) -> Option<Duration> {
        self.queue.next_due()
    }

    /// A time until which a loop may wait: no later than the next call is due, but maybe
    /// earlier if a call was cancelled or put off. It is cheaper than
    /// [`next_due`](Self::next_due), which may have to search.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::TimerQueue;
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    /// use std::time::Duration;
    ///
    /// let time = Rc::new(Cell::new(Duration::ZERO));
    /// let now = Rc::clone(&time);
    /// let timers = TimerQueue::new(move || now.get());
    /// timers.call_later(Duration::from_secs(3600), || println!("an hour is over"));
    /// while let Some(look) = timers.next_look() {
    ///     time.set(look); // where a loop would wait
    ///     timers.run_due(look);
    /// }
    /// assert_eq!(time.get(), Duration::from_secs(3600));
    /// ```
    #[inline]
    pub fn next_look(&self) -> Option<Duration> {
        self.queue.next_look()
    }

    /// The times at which the waiting calls are due, in order.
    pub fn due_times(&self) -> Vec<Duration> {
        self.queue.due_times()
    }

    /// The waiting calls, in the order in which they are due, with the functions that have made
    /// them. (Twisted: `getDelayedCalls`.)
    #[doc(alias = "getDelayedCalls")]
    pub fn waiting(&self) -> Vec<WaitingCall> {
        self.queue.waiting()
    }

    /// How many calls wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether no call waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes the calls that are due at `now`, in order; returns how many.
    ///
    /// Calls that these schedule are left for the next run, even if they are due, so that a
    /// call that schedules itself again does not block the loop. A panic in a call is
    /// contained and logged.
    pub fn run_due(&self, now: Duration) -> usize {
        self.queue.run_due(to_nanos(now))
    }

    /// Sets the hook that is called whenever the loop has to run calls earlier than it knows:
    /// when a call is scheduled, [reset](DelayedCall::reset) or delayed to before all others,
    /// and after each run, for the next call. If calls wait already, it is called at once.
    ///
    /// A loop with timers of its own needs nothing else: the hook sets a timer for the time of
    /// the [`Wakeup`], and the timer [runs](Wakeup::run) it. Timers that were replaced need not
    /// be cancelled: they do nothing. In a loop that computes how long it may wait, the hook
    /// wakes the loop, which asks [`next_due`](Self::next_due) and calls
    /// [`run_due`](Self::run_due).
    ///
    /// The hook replaces the one before. It must not run calls itself: a call is never made
    /// from inside `call_later`.
    ///
    /// # Examples
    ///
    /// In a loop whose timers are closures, as `setTimeout` has them:
    ///
    /// ```
    /// use deferred::{TimerQueue, VirtualClock, sleep};
    /// use std::time::Duration;
    ///
    /// // The other library.
    /// let foreign = VirtualClock::new();
    /// let (now, timeouts) = (foreign.clone(), foreign.clone());
    ///
    /// let timers = TimerQueue::new(move || now.now());
    /// timers.on_wakeup(move |wakeup| {
    ///     timeouts.call_later(wakeup.delay(), move || {
    ///         wakeup.run();
    ///     });
    /// });
    ///
    /// let call = timers.call_later(Duration::from_secs(60), || println!("in time"));
    /// call.reset(Duration::from_secs(5)).unwrap();
    /// let slept = sleep(&timers, Duration::from_secs(10));
    /// foreign.advance(Duration::from_secs(5)); // prints it
    /// assert!(!call.is_active());
    /// foreign.advance(Duration::from_secs(5));
    /// assert!(slept.into_result().is_ok());
    /// ```
    #[doc(alias = "waker")]
    #[doc(alias = "setTimeout")]
    pub fn on_wakeup(&self, hook: impl Fn(Wakeup) + 'static) {
        self.queue
            .set_hook(Rc::new(move |queue: &Rc<Queue>, due, number| {
                hook(Wakeup::new(queue, due, number));
            }));
    }

    /// Cancels all calls, dropping their closures.
    pub fn clear(&self) {
        // A bounded loop: drops of closures may schedule further calls.
        for _ in 0..self.len() {
            self.queue.cancel_any();
        }
    }
}

impl Clock for TimerQueue {
    fn now(&self) -> Duration {
        self.now()
    }

    fn schedule(&self, delay: Duration, call: Box<dyn FnOnce()>) -> DelayedCall {
        self.call_later(delay, call)
    }
}

impl Clone for TimerQueue {
    fn clone(&self) -> Self {
        self.queue.add_handle();
        Self {
            queue: Rc::clone(&self.queue),
        }
    }
}

impl Drop for TimerQueue {
    /// Cancels the calls with the last handle. A call cannot hold the last handle of its own
    /// queue: the handle that is dropped here would be another one.
    fn drop(&mut self) {
        self.queue.drop_handle();
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
