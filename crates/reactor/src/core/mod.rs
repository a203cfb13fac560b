//! The event loop: its state, and the order of a turn.
//!
//! A turn, in order:
//!
//! 1. run the calls that other threads have posted, and the async bodies that were woken,
//! 2. run the delayed calls that are due,
//! 3. run the run queue: connections to which the first two steps gave work,
//! 4. wait for events of descriptors: until the next delayed call at the latest, and not at all if
//!    work is left,
//! 5. call the sources of the descriptors that are ready, one after the other, and run the async
//!    bodies that they have woken,
//! 6. run the run queue again,
//! 7. begin the shutdown, if `stop` was called.
//!
//! Each step handles only the work that existed when it began, so that code which requests further
//! calls cannot starve the other steps. (The run queue takes a bounded number of rounds.)
//! INVARIANT: no cell of the loop is borrowed while user code runs.

mod buffers;
mod counters;
mod draining;
mod lifecycle;
mod run_queue;
mod state;
mod time;
mod turn;

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use deferred::TimerQueue;

use self::buffers::Buffers;
pub(crate) use self::buffers::{READS_PER_TURN, Spare};
pub use self::counters::Counters;
use self::counters::Counting;
use self::run_queue::RunQueue;
pub(crate) use self::run_queue::Runnable;
use self::state::{Draining, Lifecycle};
pub(crate) use self::time::Time;
use crate::blocking_calls::BlockingCalls;
use crate::emfile::ReservedFd;
use crate::error::ReactorGone;
use crate::extensions::Extensions;
use crate::inbox::{Inbox, Job};
use crate::memory::Network;
use crate::panics::{contain, drop_contained, drop_each};
use crate::pending_replies::PendingReplies;
use crate::poll::{Events, Interest, Key, Poll, PollerKind, Registration};
use crate::registry::{EventSource, Placeholder, Registry};
use crate::system_event::SystemEvents;
use crate::tasks;

/// Default of `set_shutdown_timeout`: how long a stop waits until unsent output is taken.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// State that handles share with the loop, and keep when the loop is dropped.
pub(crate) struct Shared {
    pub(crate) time: Time,
    pub(crate) inbox: Arc<Inbox<Rc<Core>>>,
    pub(crate) blocking_calls: Arc<BlockingCalls>,
}

pub(crate) struct Core {
    pub(crate) registry: Registry,
    pub(crate) timers: TimerQueue,
    pub(crate) shared: Rc<Shared>,
    pub(crate) pending_replies: PendingReplies,
    pub(crate) extensions: Extensions,
    pub(crate) buffers: Buffers,
    pub(crate) counters: Counting,
    pub(crate) system_events: SystemEvents,
    pub(crate) reserved_fd: ReservedFd,
    /// Threshold of `warn_of_slow_callbacks`.
    pub(crate) slow_callback: Cell<Option<Duration>>,
    poll: Poll,
    /// The time, read once per turn; cleared when user code has run.
    turn_now: Cell<Option<Duration>>,
    state: Cell<Lifecycle>,
    /// `Some` while the shutdown closes the sources, and waits for those with unsent output.
    draining: RefCell<Option<Draining>>,
    /// How long the shutdown waits for these sources.
    pub(crate) shutdown_timeout: Cell<Duration>,
    // Set by `begin`, cleared by the drop of its `Turning`.
    is_turning: Cell<bool>,
    /// The next wait returns at once, because work is left for which no descriptor has an event, or
    /// the lifecycle has changed. Set where that happens, cleared by that wait.
    pub(crate) skips_wait: Cell<bool>,
    /// Whether the last turn ran anything; for test reactors.
    // Set anew in each turn.
    was_busy: Cell<bool>,
    // Set by `end`, never cleared.
    is_gone: Cell<bool>,
    run_queue: RunQueue,
    events: Cell<Option<Box<Events>>>,
    jobs: Cell<Vec<Job<Rc<Self>>>>,
}

impl Core {
    /// A loop that waits for descriptors of the system.
    pub(crate) fn new(kind: PollerKind) -> io::Result<Rc<Self>> {
        Ok(Self::with(Poll::new(kind)?, Time::real()))
    }

    /// A loop of a test, with a simulated network and a virtual clock.
    pub(crate) fn in_memory(network: Rc<Network>) -> Rc<Self> {
        Self::with(Poll::Memory(network), Time::at_rest())
    }

    fn with(poll: Poll, time: Time) -> Rc<Self> {
        let shared = Rc::new(Shared {
            time,
            inbox: Arc::new(Inbox::new(poll.waker())),
            blocking_calls: Arc::new(BlockingCalls::new()),
        });
        let clock = Rc::clone(&shared);
        Rc::new(Self {
            registry: Registry::default(),
            timers: TimerQueue::new(move || clock.time.now()),
            shared,
            pending_replies: PendingReplies::default(),
            extensions: Extensions::default(),
            buffers: Buffers::default(),
            counters: Counting::default(),
            system_events: SystemEvents::default(),
            reserved_fd: ReservedFd::default(),
            slow_callback: Cell::new(None),
            poll,
            turn_now: Cell::new(None),
            state: Cell::default(),
            draining: RefCell::default(),
            shutdown_timeout: Cell::new(SHUTDOWN_TIMEOUT),
            is_turning: Cell::new(false),
            skips_wait: Cell::new(false),
            was_busy: Cell::new(false),
            is_gone: Cell::new(false),
            run_queue: RunQueue::default(),
            events: Cell::default(),
            jobs: Cell::default(),
        })
    }

    #[inline]
    pub(crate) fn now(&self) -> Duration {
        self.shared.time.now()
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone.get()
    }

    /// Identifies this loop among those of its thread, by its address.
    fn id(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Whether the last turn found no work, and left none.
    pub(crate) fn is_at_rest(&self) -> bool {
        let has_unsent = self
            .network()
            .is_some_and(|network| network.datagrams().has_unsent());
        !self.was_busy.get() && self.run_queue.is_empty() && !has_unsent
    }

    /// The memory network of a test reactor; `None` in a reactor with real descriptors.
    pub(crate) fn network(&self) -> Option<&Rc<Network>> {
        self.poll.network()
    }

    /// Fails in a test reactor, with the text `not`. To be called before system calls that cannot
    /// be undone.
    pub(crate) fn require_system(&self, not: &'static str) -> io::Result<()> {
        match self.network() {
            None => Ok(()),
            Some(_) => Err(io::Error::new(io::ErrorKind::Unsupported, not)),
        }
    }

    /// The key that the next `insert` will use.
    pub(crate) fn next_key(&self) -> Key {
        self.registry.next_key()
    }

    /// Registers a descriptor under the key of the next `insert`.
    pub(crate) fn register(
        &self,
        descriptor: OwnedFd,
        interest: Interest,
    ) -> io::Result<Registration> {
        if self.is_gone.get() {
            return Err(io::Error::other(ReactorGone));
        }
        self.poll.register(descriptor, self.next_key(), interest)
    }

    /// Adds `runnable` to the run queue when the next descriptor of this loop has been closed.
    pub(crate) fn run_after_close(self: &Rc<Self>, runnable: Weak<dyn Runnable>) {
        // Weak, because the core owns the poller.
        let core = Rc::downgrade(self);
        self.poll.after_close(move || {
            if let (Some(core), Some(runnable)) = (core.upgrade(), runnable.upgrade()) {
                core.run_soon(runnable);
            }
        });
    }

    /// Inserts the source for which a descriptor was just registered.
    pub(crate) fn insert(&self, source: Rc<dyn EventSource>) {
        self.registry.insert(source);
    }

    /// Reserves the key for a source that will [replace](Registry::replace) the placeholder.
    pub(crate) fn reserve_key(&self) -> Key {
        self.registry.insert(Rc::new(Placeholder))
    }

    /// Ends the loop: drops pending calls, and shuts down the registered sources.
    pub(crate) fn end(&self) {
        // Set first, so that requests to the loop by the code that runs below fail.
        self.is_gone.set(true);
        self.forget_draining();
        tasks::deactivate(self.id());
        // After a fork, this process shares the poller with its parent: to unregister a descriptor
        // here would change what the parent waits for.
        if self.poll.is_of_other_process() {
            return self.end_in_child();
        }
        // Other threads are refused before anything is dropped, so that none posts to the loop, or
        // waits for it, while it ends.
        self.shared.inbox.close();
        self.shared.blocking_calls.close();
        // Jobs contain the panics of their drops.
        drop(self.jobs.take());
        drop_each("the drop of a trigger", self.system_events.take_all());
        for source in self.registry.take_all() {
            // Called on a clone, because the last reference must not be dropped while a panic
            // unwinds.
            contain("what was shut down", || Rc::clone(&source).shut_down());
            drop_contained("the drop of what was shut down", source);
        }
        for extension in self.extensions.take_all() {
            contain("the end of an extension", || extension.on_drop());
            drop_contained("the drop of an extension", extension);
        }
        for delivery in self.pending_replies.take_all() {
            contain("what waits for a thread", || delivery(Err(ReactorGone)));
        }
        // Cleared after the sources and the extensions, which cancel their own timers when they
        // end.
        self.timers.clear();
        drop_each("the drop of a connection", self.run_queue.take_all());
    }

    /// Closes descriptors and drops all other state, in a process that was forked from that of the
    /// loop. No handler is called, and nothing is sent, shut down or unregistered, because the
    /// parent uses the same sockets. No lock is taken that another thread may have held at the
    /// fork.
    fn end_in_child(&self) {
        drop(self.jobs.take());
        drop_each("the drop of a trigger", self.system_events.take_all());
        for source in self.registry.take_all() {
            contain("the drop of a source", || source.close_in_child());
        }
        for extension in self.extensions.take_all() {
            drop_contained("the drop of an extension", extension);
        }
        self.timers.clear();
        drop_each("the drop of a connection", self.run_queue.take_all());
    }
}
