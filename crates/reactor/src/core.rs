//! The loop: what its handles share, and one turn of it.
//!
//! A turn, in order:
//!
//! 1. the calls from other threads that are there,
//! 2. the delayed calls that are due,
//! 3. what those left to be done on connections,
//! 4. waiting for a descriptor: until the next delayed call at the latest, and
//!    not at all if something is left to do,
//! 5. the descriptors that are ready, one after the other,
//! 6. what those left to be done on connections.
//!
//! Each step deals with what was there when it began, so that nothing which asks
//! to be called again can keep the others from their turn. Nothing of the loop's
//! is borrowed while it calls somebody.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deferred::{Failure, TimerQueue};

use crate::awaited::Awaited;
use crate::blocked::Blocked;
use crate::bodies;
use crate::error::{NotRunning, ReactorGone, RunError};
use crate::inbox::Inbox;
use crate::parts::Parts;
use crate::poll::{Events, Interest, Poll, Registration, WAKER_KEY};
use crate::registry::{Registry, Source};

/// A call from another thread.
pub(crate) type Job = Box<dyn FnOnce(&Rc<Core>) + Send>;

/// Something with work that is to be done before the loop waits.
pub(crate) trait Unsettled {
    fn settle(self: Rc<Self>);
}

/// How often connections that keep each other busy may go round in one turn.
const SETTLE_ROUNDS: usize = 16;

const READ_BUFFER: usize = 64 * 1024;

/// Buffers of this capacity at the most are kept for the next connection that
/// writes, and so many of them.
const SPARE_CAPACITY: usize = 64 * 1024;
const SPARE_BUFFERS: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Running {
    No,
    Yes,
    Stopping,
}

/// What a handle knows even when the loop is gone.
pub(crate) struct Known {
    pub(crate) start: Instant,
    pub(crate) inbox: Arc<Inbox<Job>>,
    pub(crate) blocked: Arc<Blocked>,
}

pub(crate) struct Core {
    pub(crate) registry: Registry,
    pub(crate) timers: TimerQueue,
    pub(crate) known: Rc<Known>,
    pub(crate) awaited: Awaited,
    pub(crate) parts: Parts,
    poll: Poll,
    /// When this turn began, unless somebody was called since.
    turn_now: Cell<Option<Duration>>,
    running: Cell<Running>,
    is_gone: Cell<bool>,
    when_running: RefCell<Vec<Box<dyn FnOnce()>>>,
    unsettled: RefCell<VecDeque<Rc<dyn Unsettled>>>,
    events: Cell<Option<Events>>,
    jobs: Cell<Vec<Job>>,
    read_buffer: Cell<Vec<u8>>,
    spare_buffers: RefCell<Vec<Vec<u8>>>,
}

impl Core {
    pub(crate) fn new() -> io::Result<Rc<Self>> {
        let poll = Poll::new()?;
        let start = Instant::now();
        Ok(Rc::new(Self {
            registry: Registry::default(),
            timers: TimerQueue::new(move || start.elapsed()),
            known: Rc::new(Known {
                start,
                inbox: Arc::new(Inbox::new(poll.waker().clone())),
                blocked: Arc::new(Blocked::new()),
            }),
            awaited: Awaited::default(),
            parts: Parts::default(),
            poll,
            turn_now: Cell::new(None),
            running: Cell::new(Running::No),
            is_gone: Cell::new(false),
            when_running: RefCell::default(),
            unsettled: RefCell::default(),
            events: Cell::new(Some(Events::new())),
            jobs: Cell::default(),
            read_buffer: Cell::new(vec![0; READ_BUFFER]),
            spare_buffers: RefCell::default(),
        }))
    }

    fn now(&self) -> Duration {
        self.known.start.elapsed()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.get() != Running::No
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone.get()
    }

    pub(crate) fn stop(&self) -> Result<(), NotRunning> {
        if self.running.get() != Running::Yes {
            return Err(NotRunning);
        }
        self.running.set(Running::Stopping);
        Ok(())
    }

    /// Registers a descriptor for the source that is inserted next.
    pub(crate) fn register(
        &self,
        descriptor: OwnedFd,
        interest: Interest,
    ) -> io::Result<Registration> {
        if self.is_gone.get() {
            return Err(io::Error::other(ReactorGone));
        }
        self.poll
            .register(descriptor, self.registry.next_key(), interest)
    }

    /// Adds the source that a descriptor was just registered for.
    pub(crate) fn insert(&self, source: Rc<dyn Source>) {
        self.registry.insert(source);
    }

    /// Calls `f` in the first turn, or now if the loop is running.
    pub(crate) fn call_when_running(&self, f: Box<dyn FnOnce()>) {
        if self.is_running() {
            call("a function to be called when running", f);
        } else if !self.is_gone() {
            self.when_running.borrow_mut().push(f);
        }
    }

    /// Has `unsettled` settled before the loop waits.
    pub(crate) fn settle_soon(&self, unsettled: Rc<dyn Unsettled>) {
        self.unsettled.borrow_mut().push_back(unsettled);
    }

    /// Runs until it is stopped.
    pub(crate) fn run(self: &Rc<Self>) -> Result<(), RunError> {
        let _running = self.begin()?;
        while self.running.get() == Running::Yes {
            self.turn(None)?;
        }
        Ok(())
    }

    /// One turn; says whether the loop was stopped in it.
    pub(crate) fn run_once(self: &Rc<Self>, timeout: Option<Duration>) -> Result<bool, RunError> {
        let _running = self.begin()?;
        self.turn(timeout)?;
        Ok(self.running.get() == Running::Stopping)
    }

    fn begin(&self) -> Result<RunningGuard<'_>, RunError> {
        if self.is_running() {
            return Err(RunError::AlreadyRunning);
        }
        self.running.set(Running::Yes);
        self.known.blocked.resume();
        let guard = RunningGuard(self);
        for f in self.when_running.take() {
            call("a function to be called when running", f);
        }
        Ok(guard)
    }

    fn turn(self: &Rc<Self>, timeout: Option<Duration>) -> Result<(), RunError> {
        let has_called = self.run_jobs() | self.run_bodies() | self.run_timers() | self.settle();
        if has_called {
            self.turn_now.set(None);
        }

        let mut events = self.events.take().unwrap_or_else(Events::new);
        let waited = self.poll.wait(&mut events, self.time_to_wait(timeout));
        self.turn_now.set(None);
        if waited.is_ok() {
            for (key, ready) in events.iter() {
                // It may have gone since the event was given.
                if let Some(source) = self.registry.get(key) {
                    call("what an event called", || source.ready(ready));
                } else if key == WAKER_KEY {
                    self.poll.waker().clear();
                }
            }
        }
        self.events.set(Some(events));
        waited?;

        self.settle();
        Ok(())
    }

    /// The time, read once as long as nobody was called.
    fn turn_now(&self) -> Duration {
        let now = self.turn_now.get().unwrap_or_else(|| self.now());
        self.turn_now.set(Some(now));
        now
    }

    fn time_to_wait(&self, timeout: Option<Duration>) -> Option<Duration> {
        let is_busy = self.running.get() != Running::Yes || !self.unsettled.borrow().is_empty();
        if is_busy {
            return Some(Duration::ZERO);
        }
        let due = self.timers.next_due();
        let until_due = due.map(|due| due.saturating_sub(self.turn_now()));
        match (until_due, timeout) {
            (Some(until_due), Some(timeout)) => Some(until_due.min(timeout)),
            (until_due, timeout) => until_due.or(timeout),
        }
    }

    /// Makes the calls from other threads; says whether there were any.
    fn run_jobs(self: &Rc<Self>) -> bool {
        let mut jobs = self.jobs.take();
        self.known.inbox.take(&mut jobs);
        let has_called = !jobs.is_empty();
        for job in jobs.drain(..) {
            call("a call from a thread", || job(self));
        }
        self.jobs.set(jobs);
        has_called
    }

    fn run_bodies(self: &Rc<Self>) -> bool {
        bodies::run(self.id(), self.poll.waker())
    }

    /// Tells it from the others of its thread.
    fn id(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Makes the delayed calls that are due; says whether there were any.
    fn run_timers(&self) -> bool {
        let now = match self.timers.next_due() {
            Some(due) => {
                self.turn_now.set(None);
                let now = self.turn_now();
                if due > now {
                    return false;
                }
                now
            }
            None => return false,
        };
        self.timers.run_due(now) > 0
    }

    /// Lets connections do what they have put off. What they give one another
    /// to do is done too, up to a limit: the rest is for the next turn. Says
    /// whether there was anything.
    fn settle(&self) -> bool {
        for round in 0..SETTLE_ROUNDS {
            let count = self.unsettled.borrow().len();
            if count == 0 {
                return round > 0;
            }
            for _ in 0..count {
                let first = self.unsettled.borrow_mut().pop_front();
                if let Some(first) = first {
                    call("what a connection called", || first.settle());
                }
            }
        }
        true
    }

    /// The buffer to read into. Whoever takes it gives it back; a second taker
    /// gets a new one.
    pub(crate) fn take_read_buffer(&self) -> Vec<u8> {
        let buffer = self.read_buffer.take();
        if buffer.is_empty() {
            vec![0; READ_BUFFER]
        } else {
            buffer
        }
    }

    pub(crate) fn return_read_buffer(&self, buffer: Vec<u8>) {
        self.read_buffer.set(buffer);
    }

    /// An empty buffer, with room in it if there is one to spare: connections
    /// with nothing to send own none.
    pub(crate) fn take_spare_buffer(&self) -> Vec<u8> {
        self.spare_buffers.borrow_mut().pop().unwrap_or_default()
    }

    pub(crate) fn return_spare_buffer(&self, mut buffer: Vec<u8>) {
        let mut spare = self.spare_buffers.borrow_mut();
        if buffer.capacity() <= SPARE_CAPACITY && spare.len() < SPARE_BUFFERS {
            buffer.clear();
            spare.push(buffer);
        }
    }

    /// Ends the loop: drops calls that wait and shuts down what is registered.
    pub(crate) fn end(&self) {
        self.is_gone.set(true);
        bodies::forget(self.id());
        self.known.inbox.close();
        self.known.blocked.close();
        drop(self.jobs.take());
        drop(self.when_running.take());
        for source in self.registry.take_all() {
            call("what was shut down", || source.shut_down());
        }
        for part in self.parts.take_all() {
            call("the end of a part", || part.end());
        }
        self.awaited.give_up();
        self.timers.clear();
        self.unsettled.take();
    }
}

/// The loop runs for as long as this lives.
struct RunningGuard<'a>(&'a Core);

impl Drop for RunningGuard<'_> {
    fn drop(&mut self) {
        if self.0.running.replace(Running::No) == Running::Stopping {
            self.0.known.blocked.stop();
        }
    }
}

/// Calls `f`, which is a user's; a panic in it ends nothing but itself.
pub(crate) fn call(what: &'static str, f: impl FnOnce()) {
    if let Err(panicked) = Failure::catch(f) {
        tracing::error!(target: "reactor", "{what} {panicked}");
    }
}
