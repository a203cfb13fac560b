//! `ThreadPool`: threads that take jobs from one queue.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::core::Core;
use crate::panics::contain;

/// Default of `max_threads`.
// As Twisted's pool has.
pub(super) const MAX_THREADS: usize = 10;

/// How long a thread waits for a job before it ends.
const IDLE_TIME: Duration = Duration::from_secs(10);

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// The place of a job in the queue.
pub(crate) type Ticket = u64;

/// The threads that [`defer_to_thread`](crate::ReactorHandle::defer_to_thread) and
/// [`call_in_thread`](crate::ReactorHandle::call_in_thread) run jobs in.
///
/// There are none until the first job comes. Another one is started when a job comes
/// and all are busy, up to [`max_threads`](Self::max_threads); then jobs wait, and are
/// taken in the order in which they came. A thread that has nothing to do for
/// [`idle_time`](Self::idle_time) ends.
///
/// When the reactor is dropped, jobs that wait are dropped. Those that run are not
/// waited for: their threads end with them, and their results are dropped.
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
    jobs: BTreeMap<Ticket, Job>,
    next_ticket: Ticket,
    max_threads: usize,
    idle_time: Duration,
    threads: usize,
    /// Number of threads that have no job and are going to look for one: they wait for news,
    /// or are just starting.
    idle: usize,
    // Set by `close`, never cleared: threads end, and jobs that are added are dropped.
    is_closed: bool,
}

impl Queue {
    fn wants_thread(&self) -> bool {
        self.jobs.len() > self.idle && self.threads < self.max_threads
    }
}

impl ThreadPool {
    /// A pool of threads of this name.
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

    /// A place in the queue, for [`add`](Self::add).
    pub(crate) fn ticket(&self) -> Ticket {
        let mut state = self.shared.state.lock();
        state.next_ticket += 1;
        state.next_ticket
    }

    /// Puts a job into its place. Without any thread to run it, and no way to start
    /// one, the job is dropped.
    ///
    /// In a test reactor, the loop itself runs it, in its next turn: a result of a thread
    /// would be there, or not.
    pub(crate) fn add(&self, core: &Core, ticket: Ticket, job: Job) -> io::Result<()> {
        let mut state = self.shared.state.lock();
        if state.is_closed {
            drop(state);
            // Without the lock: the drop runs code of the user, which may use the pool.
            contain("the drop of a job", || drop(job));
            return Ok(());
        }
        state.jobs.insert(ticket, job);
        // In a test, the order of jobs must not depend on the scheduler.
        if core.network().is_some() {
            drop(state);
            let pool = self.clone();
            // It errs if the reactor is gone, and then the job goes with the pool.
            let _ = core.shared.inbox.post(move |_core| pool.run_next());
            return Ok(());
        }
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

    /// Runs the first job, if it was not cancelled, in the calling thread.
    fn run_next(&self) {
        let job = self.shared.state.lock().jobs.pop_first();
        if let Some((_ticket, job)) = job {
            contain("a job in a thread", job);
        }
    }

    /// Starts as many threads as there is work for. It is only an error if there is
    /// no thread at all.
    fn grow(&self) -> io::Result<()> {
        loop {
            let mut state = self.shared.state.lock();
            if !state.wants_thread() {
                return Ok(());
            }
            state.threads += 1;
            // Counted before the thread exists: until it looks, `wants_thread` must not start a
            // second one for the same job.
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
                // With one thread at least, the job waits for that one.
                return if state.threads == 0 {
                    Err(error)
                } else {
                    Ok(())
                };
            }
        }
    }

    /// Drops a job that waits. One that runs goes on.
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
        // All: each thread has to see the end, or the new limit, by itself.
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

    /// Sets how many threads there may be: 10 unless this is called. Zero counts as
    /// one. If there are more, they end when they have done what they are doing.
    pub fn set_max_threads(&self, max_threads: usize) {
        let mut state = self.shared.state.lock();
        state.max_threads = max_threads.max(1);
        self.shared.has_news.notify_all();
        drop(state);
        // Jobs that wait have a thread already.
        let _ = self.grow();
    }

    /// How long a thread waits for a job before it ends.
    pub fn idle_time(&self) -> Duration {
        self.shared.state.lock().idle_time
    }

    /// Sets how long a thread waits for a job before it ends: 10 seconds unless this is
    /// called. Threads that wait already begin anew.
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
    fn work(&self) {
        self.state.lock().idle -= 1;
        while let Some(job) = self.next_job() {
            contain("a job in a thread", job);
        }
    }

    /// Waits for a job; without one, the thread is to end, and counts no more.
    fn next_job(&self) -> Option<Job> {
        let mut state = self.state.lock();
        // A lowered limit is met as threads come here for their next job; a job that runs is not
        // interrupted.
        while !state.is_closed && state.threads <= state.max_threads {
            if let Some((_, job)) = state.jobs.pop_first() {
                return Some(job);
            }
            let idle_time = state.idle_time;
            state.idle += 1;
            let waited = self.has_news.wait_for(&mut state, idle_time);
            state.idle -= 1;
            // A job may have come between the timeout and the lock. Its `notify_one` may have been
            // for this thread.
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
