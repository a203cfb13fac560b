//! One turn of the loop, and running turns until the loop ends.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::Core;
use super::run_queue::{ROUNDS, Runnable};
use super::state::Lifecycle;
use crate::error::RunError;
use crate::panics::contain;
use crate::poll::{Events, Key, Ready, is_woken, take_woken};
use crate::registry::EventSource;
use crate::tasks;

/// Which turns to take.
#[derive(Clone, Copy)]
enum Turns<'a> {
    /// One turn, which waits at most for this time; `None` waits without a limit.
    One(Option<Duration>),
    /// Turns until the flag, if there is one, is set, or the loop ends.
    Until(Option<&'a Cell<bool>>),
}

impl Core {
    /// Runs until the loop is stopped, or crashes.
    pub(crate) fn run(self: &Rc<Self>) -> Result<(), RunError> {
        self.run_until(None)
    }

    /// Runs until `is_done` is set, or until the loop is stopped or crashes.
    pub(crate) fn run_until(self: &Rc<Self>, is_done: Option<&Cell<bool>>) -> Result<(), RunError> {
        // The guard ends the turning even if a turn fails or panics.
        let _turning = self.begin()?;
        if self.is_running() && !is_done.is_some_and(Cell::get) {
            self.take_turns(Turns::Until(is_done))?;
        }
        Ok(())
    }

    /// Takes one turn. Returns whether the loop has ended in it.
    pub(crate) fn run_once(self: &Rc<Self>, timeout: Option<Duration>) -> Result<bool, RunError> {
        let _turning = self.begin()?;
        if is_woken() || self.shared.inbox.has_jobs() {
            // A wake between two turns counts as an event, so this turn does not wait.
            self.skips_wait.set(true);
        }
        self.take_turns(Turns::One(timeout))?;
        Ok(!self.is_running())
    }

    /// Not inlined, so that the code of a turn, with all that is inlined into it, exists once.
    #[inline(never)]
    fn take_turns(self: &Rc<Self>, turns: Turns<'_>) -> Result<(), RunError> {
        // Taken out of the core and put back at the end, so that the buffers are reused, and no
        // cell is borrowed while sources run.
        let mut events = self.events.take().unwrap_or_default();
        let (timeout, is_done) = match turns {
            Turns::One(timeout) => (timeout, None),
            Turns::Until(is_done) => (None, is_done),
        };
        let is_one = matches!(turns, Turns::One(_));
        loop {
            self.turn(&mut events, timeout)?;
            if is_one || !self.is_running() || is_done.is_some_and(Cell::get) {
                break;
            }
        }
        self.events.set(Some(events));
        Ok(())
    }

    #[inline(always)]
    fn turn(
        self: &Rc<Self>,
        events: &mut Events,
        timeout: Option<Duration>,
    ) -> Result<(), RunError> {
        // After a fork, the descriptors of the poller are shared with the parent: a wait here would
        // take the parent's events.
        if self.poll.is_of_other_process() {
            self.state.set(Lifecycle::Idle);
            return Err(RunError::OtherProcess);
        }
        self.counters.turn();
        // Taken before any work, so that a wake from here on is seen by the next test.
        let is_woken_by_now = take_woken();
        let mut look = self.timers.next_look();
        // `|` and not `||`, so that each of them runs. They run in the order that the documentation
        // of this module promises: calls from threads, async bodies, delayed calls, then the run
        // queue.
        let has_called = self.run_jobs()
            | self.run_tasks(is_woken_by_now)
            | self.run_timers(look, timeout.is_some())
            | self.run_queued();
        if has_called {
            self.turn_now.set(None);
            look = self.timers.next_look();
        }

        let waited = self.poll.wait(events, self.time_to_wait(look, timeout));
        self.turn_now.set(None);
        if let Err(error) = waited {
            // A loop whose poller fails cannot continue. It becomes idle, so that `run` can be
            // called again.
            self.was_busy.set(has_called);
            self.state.set(Lifecycle::Idle);
            return Err(error.into());
        }
        let count = self.dispatch(events);
        self.counters.events(count);
        self.was_busy.set(has_called || count > 0);

        // Async bodies that were woken since, by an event of this turn or by another thread, run
        // now, so that their output is sent in this turn and not after another wait.
        if (is_woken() || self.poll.hides_wakes()) && self.run_woken_tasks() {
            self.was_busy.set(true);
        }
        self.run_queued();
        self.shut_down_if_stopped();
        Ok(())
    }

    /// Calls the sources that are ready, one after the other. Returns the number of events.
    #[inline]
    fn dispatch(&self, events: &Events) -> usize {
        let (of_epoll, of_others) = (events.of_epoll(), events.of_others());
        let count = of_epoll.len() + of_others.len();
        if self.slow_callback.get().is_some() {
            self.dispatch_timed(of_epoll.chain(of_others));
        } else {
            self.dispatch_all(of_epoll);
            if of_others.len() > 0 {
                self.dispatch_others(of_others);
            }
        }
        count
    }

    #[inline(always)]
    fn dispatch_all(&self, mut events: impl ExactSizeIterator<Item = (Key, Ready)>) {
        // Each round is one `contain`. After a panic of a source, the next round continues with the
        // event after it.
        while events.len() > 0 {
            // One `contain` for many events, because sources contain panics of user code
            // themselves: a panic here is rare.
            contain("what an event called", || {
                for (key, ready) in events.by_ref() {
                    if let Some(source) = self.source(key) {
                        source.ready(ready);
                    }
                }
            });
        }
    }

    #[cold]
    fn dispatch_others(&self, events: impl ExactSizeIterator<Item = (Key, Ready)>) {
        self.dispatch_all(events);
    }

    #[cold]
    fn dispatch_timed(&self, events: impl Iterator<Item = (Key, Ready)>) {
        for (key, ready) in events {
            if let Some(source) = self.source(key) {
                self.timed("what an event called", || source.ready(ready));
            }
        }
    }

    /// The source of an event, unless it was removed since the poller returned the event.
    #[inline]
    fn source(&self, key: Key) -> Option<Rc<dyn EventSource>> {
        // The key has a generation, because an earlier event of this turn may have removed the
        // source, and another source may use its slot.
        let source = self.registry.get(key);
        if source.is_none() {
            self.poll.own_event(key);
        }
        source
    }

    /// Calls `f`, which is user code, and warns if it was slow.
    #[inline]
    pub(super) fn timed(&self, what: &'static str, f: impl FnOnce()) {
        let Some(threshold) = self.slow_callback.get() else {
            return contain(what, f);
        };
        let start = self.now();
        contain(what, f);
        let took = self.now().saturating_sub(start);
        if took > threshold {
            self.counters.slow_callback();
            tracing::warn!(target: "reactor", ?took, "{what} held up the loop");
        }
    }

    /// The current time. The clock is read once, and again after user code has run.
    fn turn_now(&self) -> Duration {
        let now = self.turn_now.get().unwrap_or_else(|| self.now());
        self.turn_now.set(Some(now));
        now
    }

    /// The timeout of the wait: until it is time to `look` at the timers again, or at most
    /// `timeout`.
    #[inline]
    fn time_to_wait(&self, look: Option<Duration>, timeout: Option<Duration>) -> Option<Duration> {
        // Tested after all work of the turn, so that a wake during that work is seen here. A later
        // wake ends the wait by an event of the waker.
        if self.skips_wait.get() || is_woken() || self.shared.inbox.has_jobs() {
            self.skips_wait.set(false);
            return Some(Duration::ZERO);
        }
        match look {
            Some(look) if !self.poll.ends_by(look) => self.time_until(look, timeout),
            _ => timeout,
        }
    }

    /// The timeout of the wait if the timer descriptor is not set for `look` yet. Sets that, if
    /// there is one.
    #[inline(never)]
    fn time_until(&self, look: Duration, timeout: Option<Duration>) -> Option<Duration> {
        let until_then = look.saturating_sub(self.turn_now());
        if timeout.is_some_and(|timeout| timeout <= until_then) {
            return timeout;
        }
        if !until_then.is_zero() && self.poll.end_at(look, until_then) {
            return timeout;
        }
        Some(until_then)
    }

    /// Makes the calls from other threads. Returns whether there were any.
    #[inline]
    fn run_jobs(self: &Rc<Self>) -> bool {
        self.shared.inbox.has_jobs() && self.run_waiting_jobs()
    }

    #[cold]
    fn run_waiting_jobs(self: &Rc<Self>) -> bool {
        // Two vectors change places, so the lock of the inbox is held for the exchange only, and a
        // job may post another one, which waits for the next turn.
        let mut jobs = self.jobs.take();
        self.shared.inbox.take(&mut jobs);
        let has_called = !jobs.is_empty();
        self.counters.jobs(jobs.len());
        for job in jobs.drain(..) {
            self.timed("a call from a thread", || job.call(self));
        }
        self.jobs.set(jobs);
        has_called
    }

    /// Queues `runnable`, to be run before the loop waits.
    pub(crate) fn run_soon(&self, runnable: Rc<dyn Runnable>) {
        self.run_queue.add(runnable);
    }

    /// Runs the queued runnables, then those that these have queued, and so on, for at most
    /// [`ROUNDS`] rounds; the rest stays queued for the next turn. Returns whether any ran.
    #[inline(always)]
    pub(super) fn run_queued(&self) -> bool {
        !self.run_queue.is_empty() && self.run_all_queued()
    }

    #[inline(never)]
    fn run_all_queued(&self) -> bool {
        for round in 0..ROUNDS {
            let count = self.run_queue.len();
            if count == 0 {
                return round > 0;
            }
            for _ in 0..count {
                if let Some(first) = self.run_queue.take_first() {
                    self.timed("what a connection called", || first.run_pending());
                }
            }
        }
        if !self.run_queue.is_empty() {
            // The next turn has work, so the loop does not wait before it.
            self.skips_wait.set(true);
        }
        true
    }

    /// Resumes woken async bodies. Returns whether there were any.
    ///
    /// Without the mark, `tasks::activate` is not called: this loop is still the active one of its
    /// thread, because no other loop has run inside of its turns.
    #[inline(always)]
    fn run_tasks(&self, is_marked: bool) -> bool {
        if is_marked {
            self.run_woken_tasks()
        } else {
            // Bodies contain their panics.
            tasks::run(take_woken)
        }
    }

    #[inline(never)]
    fn run_woken_tasks(&self) -> bool {
        tasks::activate(self.id(), || self.poll.waker());
        if self.slow_callback.get().is_none() {
            return tasks::run(take_woken);
        }
        let mut has_called = false;
        self.timed("an async body", || has_called = tasks::run(take_woken));
        has_called
    }

    /// Has wake-ups of async bodies wake this loop, unless this or another loop of the thread is in
    /// a turn.
    #[inline]
    pub(crate) fn listen_for_tasks(&self) {
        tasks::activate_between_turns(self.id(), || self.poll.waker());
    }

    /// Makes the delayed calls that are due, if it is time to `look`. Returns whether it was.
    ///
    /// If the poller ends the wait of this turn at that time by itself, the clock need not be read
    /// now. With a timeout from the caller of `turn`, it is read, because the turn may not wait so
    /// long.
    #[inline]
    fn run_timers(&self, look: Option<Duration>, has_timeout: bool) -> bool {
        match look {
            Some(look) if has_timeout || !self.poll.ends_by(look) => self.run_timers_at(look),
            _ => false,
        }
    }

    fn run_timers_at(&self, look: Duration) -> bool {
        self.turn_now.set(None);
        let now = self.turn_now();
        if look > now {
            return false;
        }
        let mut made = 0;
        self.timed("the delayed calls that were due", || {
            made = self.timers.run_due(now);
        });
        self.counters.delayed_calls(made);
        true
    }
}
