//! `ThreadPool`: threads that take jobs from one queue.
//!
//! The pool starts a thread when a job comes and each thread has one already, up to a limit, and
//! never joins a thread: a thread that finds no job for the idle time ends by itself. One mutex
//! guards the queue and the counts. No job runs and no job is dropped while it is locked, because
//! both are code of the user, which may use the pool.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::core::Core;
use crate::panics::contain;

/// Default of `max_threads`, as in Twisted.
pub(super) const MAX_THREADS: usize = 10;

/// Default of `idle_time`.
const IDLE_TIME: Duration = Duration::from_secs(10);

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// The place of a job in the queue. It is made before the job, since the job has the reply to a
/// Deferred whose canceller removes the job by this ticket.
pub(crate) type Ticket = u64;

/// The threads that [`defer_to_thread`](crate::ReactorHandle::defer_to_thread) and
/// [`call_in_thread`](crate::ReactorHandle::call_in_thread) run jobs in.
///
/// The pool begins without threads. When a job comes and all threads are busy, the pool starts
/// another one, up to [`max_threads`](Self::max_threads). Beyond that, jobs wait, and the threads
/// take them in the order in which they came. A thread that has no job for
/// [`idle_time`](Self::idle_time) ends.
///
/// The drop of the reactor drops the jobs that wait. It does not wait for the jobs that run: each
/// thread ends after its job, whose result is dropped.
///
/// A handle, cheap to clone, from
/// [`ReactorHandle::thread_pool`](crate::ReactorHandle::thread_pool); it does not keep
/// the reactor alive.
///
/// # Examples
///
/// ```
/// use reactor::Reactor;
///
/// let reactor = Reactor::new()?;
/// let pool = reactor.thread_pool()?;
/// assert_eq!((pool.max_threads(), pool.threads()), (10, 0));
/// pool.set_max_threads(2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ThreadPool {
    shared: Arc<Shared>,
}

struct Shared {
    name: &'static str,
    state: Mutex<Queue>,
    /// Notified when a job comes, the limits change or the pool is closed.
    has_news: Condvar,
}

struct Queue {
    /// The jobs that wait. A map, so that a cancel finds its job; the lowest ticket is next.
    jobs: BTreeMap<Ticket, Job>,
    next_ticket: Ticket,
    max_threads: usize,
    idle_time: Duration,
    /// Number of threads, from before each is started until it ends.
    threads: usize,
    /// Number of threads that have no job and are going to look for one: a thread that waits for
    /// `has_news`, also after it was notified, and a thread that is just starting.
    idle: usize,
    /// Set by `close`, and never cleared.
    is_closed: bool,
}

impl Queue {
    /// Whether more jobs wait than the idle threads take, and there may be another thread.
    fn wants_thread(&self) -> bool {
        self.jobs.len() > self.idle && self.threads < self.max_threads
    }
}

impl ThreadPool {
    /// A pool whose threads have this name in debuggers and panic messages.
    pub(crate) fn new(name: &'static str, max_threads: usize) -> Self {
        let state = Queue {
            jobs: BTreeMap::new(),
            next_ticket: 0,
            max_threads,
            idle_time: IDLE_TIME,
            threads: 0,
            idle: 0,
            is_closed: false,
        };
        Self {
            shared: Arc::new(Shared {
                name,
                state: Mutex::new(state),
                has_news: Condvar::new(),
            }),
        }
    }

    /// The next place in the queue, for one call of [`add`](Self::add).
    pub(crate) fn ticket(&self) -> Ticket {
        let mut state = self.shared.state.lock();
        state.next_ticket += 1;
        state.next_ticket
    }

    /// Puts a job into its place. If the pool is closed, the job is dropped.
    ///
    /// In a test reactor, the loop itself runs the job, in its next turn. In a thread, the time and
    /// the order of the results would depend on the scheduler.
    ///
    /// # Errors
    ///
    /// The pool has no thread, and the system starts none; the job is dropped.
    pub(crate) fn add(&self, core: &Core, ticket: Ticket, job: Job) -> io::Result<()> {
        let mut state = self.shared.state.lock();
        if state.is_closed {
            drop(state);
            // Without the lock: the drop runs code of the user, which may use the pool.
            contain("the drop of a job", || drop(job));
            return Ok(());
        }
        state.jobs.insert(ticket, job);
        // `network` is that of a test reactor.
        if core.network().is_some() {
            drop(state);
            let pool = self.clone();
            // Errs if the reactor is gone: then `close` drops the job with the queue.
            let _ = core.shared.inbox.post(move |_core| pool.run_next());
            return Ok(());
        }
        // For an idle thread, if there is one. `grow` counts it as idle until it has the lock, and
        // so starts a thread only for a job that no idle thread takes.
        self.shared.has_news.notify_one();
        drop(state);
        match self.grow() {
            Ok(()) => Ok(()),
            Err(error) => {
                self.remove(ticket);
                Err(error)
            }
        }
    }

    /// Runs the first job in the calling thread: the loop's, in a test. The queue is empty if the
    /// job was cancelled.
    fn run_next(&self) {
        let job = self.shared.state.lock().jobs.pop_first();
        if let Some((_ticket, job)) = job {
            contain("a job in a thread", job);
        }
    }

    /// Starts threads until each job has one, or the limit is reached.
    ///
    /// # Errors
    ///
    /// The system starts no thread, and there is none that would take the jobs later.
    fn grow(&self) -> io::Result<()> {
        loop {
            let mut state = self.shared.state.lock();
            if !state.wants_thread() {
                return Ok(());
            }
            state.threads += 1;
            // Counted before the thread exists, so that `wants_thread` does not start a second one
            // for the same job. The thread takes the count back when it begins (`work`).
            state.idle += 1;
            drop(state);
            let shared = Arc::clone(&self.shared);
            let started = thread::Builder::new()
                .name(self.shared.name.to_owned())
                .spawn(move || shared.work());
            if let Err(error) = started {
                let mut state = self.shared.state.lock();
                state.threads -= 1;
                state.idle -= 1;
                // If there is a thread, it takes the job after its own.
                return if state.threads == 0 {
                    Err(error)
                } else {
                    Ok(())
                };
            }
        }
    }

    /// Drops a job that waits. A job that runs is not stopped.
    pub(crate) fn remove(&self, ticket: Ticket) {
        let job = self.shared.state.lock().jobs.remove(&ticket);
        contain("the drop of a job", || drop(job));
    }

    /// Drops the jobs that wait, and takes no more. Does not wait for any thread.
    pub(crate) fn close(&self) {
        let mut state = self.shared.state.lock();
        state.is_closed = true;
        // Dropped below, without the lock: a job owns values of the user.
        let jobs = std::mem::take(&mut state.jobs);
        // All threads, because each ends by itself when it sees `is_closed`.
        self.shared.has_news.notify_all();
        drop(state);
        for job in jobs.into_values() {
            contain("the drop of a job", || drop(job));
        }
    }

    /// How many threads there may be.
    pub fn max_threads(&self) -> usize {
        self.shared.state.lock().max_threads
    }

    /// Sets how many threads there may be: 10 unless this is called. Zero counts as one. If the
    /// pool has more threads, the surplus ends: idle threads now, busy ones after their job.
    pub fn set_max_threads(&self, max_threads: usize) {
        let mut state = self.shared.state.lock();
        state.max_threads = max_threads.max(1);
        // All threads: with a lower limit, idle threads end now and not after their idle time.
        self.shared.has_news.notify_all();
        drop(state);
        // Errs only if there is no thread, and then no job waits: `add` has refused it.
        let _ = self.grow();
    }

    /// How long a thread waits for a job before it ends.
    pub fn idle_time(&self) -> Duration {
        self.shared.state.lock().idle_time
    }

    /// Sets how long a thread waits for a job before it ends: 10 seconds unless this is called. A
    /// thread that waits already waits for the whole of the new time from now on.
    pub fn set_idle_time(&self, idle_time: Duration) {
        self.shared.state.lock().idle_time = idle_time;
        self.shared.has_news.notify_all();
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.shared.state.lock().threads
    }

    /// How many jobs wait for a thread.
    pub fn queued(&self) -> usize {
        self.shared.state.lock().jobs.len()
    }
}

impl Shared {
    /// The life of a thread.
    fn work(&self) {
        self.state.lock().idle -= 1;
        while let Some(job) = self.next_job() {
            contain("a job in a thread", job);
        }
    }

    /// Waits for a job. `None`: the thread is to end, and `threads` does not count it any more.
    fn next_job(&self) -> Option<Job> {
        let mut state = self.state.lock();
        // While there are more threads than a lowered limit allows, each that comes here ends.
        while !state.is_closed && state.threads <= state.max_threads {
            if let Some((_, job)) = state.jobs.pop_first() {
                return Some(job);
            }
            let idle_time = state.idle_time;
            state.idle += 1;
            let waited = self.has_news.wait_for(&mut state, idle_time);
            state.idle -= 1;
            // A job may have come between the timeout and the lock. `add` started no thread for it,
            // because it counted this one as idle, so this one has to take it.
            if waited.timed_out() && state.jobs.is_empty() {
                break;
            }
        }
        state.threads -= 1;
        None
    }
}

impl fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state.lock();
        f.debug_struct("ThreadPool")
            .field("max_threads", &state.max_threads)
            .field("threads", &state.threads)
            .field("queued", &state.jobs.len())
            .finish_non_exhaustive()
    }
}
