//! Timer queue: delayed calls, sorted by the time at which they are due.
//!
//! `TimerQueue`, `DelayedCall` and `Wakeup` are handles on one `queue`. That keeps its timers
//! in a `slab`, ordered by a hierarchical timing `wheel`, whose next tick is a `heap`. `call`
//! is the closure of a timer, stored inline.

mod call;
mod delayed_call;
mod heap;
mod queue;
mod slab;
mod wakeup;
mod wheel;

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

pub use self::delayed_call::{DelayedCall, DelayedCallError};
use self::queue::{Queue, to_nanos};
pub use self::wakeup::Wakeup;
use super::clock::Clock;

/// The timers of a clock, for a loop of your own or of another library's: sorted by time,
/// and made by the loop.
///
/// It is a [`Clock`], so everything that needs time can be given one. The loop either asks
/// when the next call is [due](Self::next_due), waits until then, and makes the calls
/// [that are](Self::run_due); or it has timers itself, and is told when to do so: see
/// [`on_wakeup`](Self::on_wakeup). A clone is another handle on the same queue.
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
    /// An empty queue; `now` tells the time since the clock's start.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::TimerQueue;
    /// use std::time::{Duration, Instant};
    ///
    /// let start = Instant::now();
    /// let timers = TimerQueue::new(move || start.elapsed());
    /// timers.call_later(Duration::ZERO, || println!("now"));
    /// assert_eq!(timers.run_due(start.elapsed()), 1);
    /// ```
    pub fn new(now: impl Fn() -> Duration + 'static) -> Self {
        Self {
            queue: Rc::new(Queue::new(now)),
        }
    }

    /// The time since the clock's start.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use deferred::TimerQueue;
    /// let timers = TimerQueue::new(|| Duration::from_secs(10));
    /// assert_eq!(timers.now(), Duration::from_secs(10));
    /// ```
    pub fn now(&self) -> Duration {
        self.queue.now()
    }

    /// Has `call` made `delay` from now.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use deferred::TimerQueue;
    /// let timers = TimerQueue::new(|| Duration::from_secs(10)); // since its start
    /// let call = timers.call_later(Duration::from_secs(5), || println!("tick"));
    /// assert_eq!(call.time(), Duration::from_secs(15));
    /// ```
    pub fn call_later<F: FnOnce() + 'static>(&self, delay: Duration, call: F) -> DelayedCall {
        self.call_at(self.queue.now().saturating_add(delay), call)
    }

    /// Has `call` made at `due`, the time since the clock's start.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use deferred::TimerQueue;
    /// let timers = TimerQueue::new(|| Duration::from_secs(10)); // since its start
    /// let call = timers.call_at(Duration::from_secs(12), || println!("tick"));
    /// assert_eq!(call.time(), Duration::from_secs(12));
    /// ```
    pub fn call_at<F: FnOnce() + 'static>(&self, due: Duration, call: F) -> DelayedCall {
        let number = self.queue.insert(due, call);
        DelayedCall::new(Rc::clone(&self.queue), number)
    }

    /// When the next call is due: the time since the clock's start.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use deferred::TimerQueue;
    /// let timers = TimerQueue::new(|| Duration::ZERO);
    /// timers.call_later(Duration::from_secs(2), || println!("two"));
    /// let first = timers.call_later(Duration::from_secs(1), || println!("one"));
    /// assert_eq!(timers.next_due(), Some(Duration::from_secs(1)));
    /// first.cancel().unwrap();
    /// assert_eq!(timers.next_due(), Some(Duration::from_secs(2)));
    /// ```
    pub fn next_due(&self) -> Option<Duration> {
        self.queue.next_due()
    }

    /// When to look again, for a loop that is to wait meanwhile: no later than the next
    /// call is due. It may be earlier if another one was cancelled or put off, and it
    /// costs nothing to find.
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

    /// When the calls that wait are due, the next one first.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use deferred::TimerQueue;
    /// let timers = TimerQueue::new(|| Duration::ZERO);
    /// let due = [1, 2].map(Duration::from_secs);
    /// timers.call_at(due[1], || println!("two"));
    /// timers.call_at(due[0], || println!("one"));
    /// assert_eq!(timers.due_times(), due);
    /// ```
    pub fn due_times(&self) -> Vec<Duration> {
        self.queue.due_times()
    }

    /// How many calls wait.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use deferred::TimerQueue;
    /// let timers = TimerQueue::new(|| Duration::ZERO);
    /// let call = timers.call_later(Duration::from_secs(1), || println!("tick"));
    /// assert_eq!(timers.len(), 1);
    /// call.cancel().unwrap();
    /// assert_eq!(timers.len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether no call waits.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use deferred::TimerQueue;
    /// let timers = TimerQueue::new(|| Duration::ZERO);
    /// timers.call_later(Duration::from_secs(1), || println!("tick"));
    /// assert!(!timers.is_empty());
    /// timers.run_due(Duration::from_secs(1));
    /// assert!(timers.is_empty(), "a loop has nothing to wait for");
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes the calls that are due at `now`, in order, and says how many.
    ///
    /// Those that are scheduled meanwhile are left for the next time, even if
    /// they are due: a call that schedules itself again starves nobody. A panic
    /// in a call is contained.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use deferred::TimerQueue;
    /// let timers = TimerQueue::new(|| Duration::ZERO);
    /// for second in 1..=3 {
    ///     timers.call_at(Duration::from_secs(second), move || println!("{second}"));
    /// }
    /// assert_eq!(timers.run_due(Duration::from_secs(2)), 2);
    /// assert_eq!(timers.len(), 1, "the third is not due yet");
    /// ```
    pub fn run_due(&self, now: Duration) -> usize {
        self.queue.run_due(to_nanos(now))
    }

    /// Has `hook` called whenever the loop has to make calls earlier than it knows: when a
    /// call is scheduled, [reset](DelayedCall::reset) or delayed to before all others, and
    /// after each run, for the next ones. If calls wait already, it is called at once.
    ///
    /// This is all that a loop with timers of its own needs. The hook sets one for the
    /// time that the [`Wakeup`] says, and that timer [runs](Wakeup::run) it; how many
    /// timers are set, or fire in vain, does not matter. A loop that computes how long it
    /// may wait only has to be woken from there; it asks [`next_due`](Self::next_due) and
    /// calls [`run_due`](Self::run_due).
    ///
    /// The hook replaces the one before. It must not make calls itself: a call is never
    /// made from inside `call_later`.
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
        self.queue.set_hook(Rc::new(hook));
    }

    /// Cancels all calls, dropping their closures.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use std::rc::Rc;
    /// # use deferred::TimerQueue;
    /// let timers = TimerQueue::new(|| Duration::ZERO);
    /// let sounds = Rc::new("ding");
    /// let sound = Rc::clone(&sounds);
    /// timers.call_later(Duration::from_secs(1), move || println!("{sound}"));
    /// timers.clear(); // at the end of a level, say
    /// assert!(timers.is_empty());
    /// assert_eq!(Rc::strong_count(&sounds), 1, "what the call held is let go of");
    /// ```
    pub fn clear(&self) {
        // Not those that their drops schedule.
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
    /// A call may hold the last handle of a further queue, but not of this one: then
    /// that would not be the last.
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
