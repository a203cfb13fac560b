//! `ThreadPool`: threads that take jobs from one queue.
//!
//! The pool starts a thread when a job is added and all threads are busy, up to a limit. It never
//! joins a thread: a thread that finds no job for the idle time ends by itself. One mutex guards
//! the queue and the counts. No job runs and no job is dropped while it is locked, because both run
//! user code, which may use the pool.

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

/// The place of a job in the queue. It is made before the job, because the job owns the sender of a
/// Deferred, and the canceller of that Deferred removes the job by this ticket.
pub(crate) type Ticket = u64;

/// The threads in which [`defer_to_thread`](crate::ReactorHandle::defer_to_thread) and
/// [`call_in_thread`](crate::ReactorHandle::call_in_thread) run jobs.
///
/// The pool begins without threads. When a job is added and all threads are busy, the pool starts
/// another thread, up to [`max_threads`](Self::max_threads). Further jobs wait, and the threads
/// take them in the order in which they were added. A thread that has no job for
/// [`idle_time`](Self::idle_time) ends.
///
/// The drop of the reactor drops the waiting jobs. It does not wait for running jobs: each thread
/// ends after its job, whose result is dropped.
///
/// This is a handle, cheap to clone, which does not keep the reactor alive. Returned by
/// [`ReactorHandle::thread_pool`](crate::ReactorHandle::thread_pool).
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
    /// Notified when a job is added, a limit changes, or the pool is closed.
    has_news: Condvar,
}

struct Queue {
    /// The waiting jobs. A map, so that a cancel finds its job; the job with the lowest ticket is
    /// next.
    jobs: BTreeMap<Ticket, Job>,
    next_ticket: Ticket,
    max_threads: usize,
    idle_time: Duration,
    /// Number of threads, from when the system has started each until it ends. INVARIANT: if it is 0
    /// and the mutex is not locked, no job waits, except in a test reactor.
    threads: usize,
    /// Number of threads without a job that are going to look for one: threads that wait for
    /// `has_news`, even if they were notified already, and threads that were started and have not
    /// locked the mutex yet.
    idle: usize,
    /// Set by the first job of a test reactor, and not cleared: the loop runs the jobs.
    runs_in_loop: bool,
    /// Set by `close`, and never cleared.
    is_closed: bool,
}

impl Queue {
    /// Whether more jobs wait than there are idle threads, and another thread is allowed.
    fn wants_thread(&self) -> bool {
        self.jobs.len() > self.idle && self.threads < self.max_threads && !self.runs_in_loop
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
            runs_in_loop: false,
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

    /// Adds a job at the place of `ticket`. If the pool is closed, the job is dropped.
    ///
    /// In a test reactor, the loop itself runs the job, in its next turn. In a thread, the time and
    /// the order of the results would depend on the scheduler.
    ///
    /// # Errors
    ///
    /// If the pool has no thread, and the system starts none. Then the job is dropped.
    pub(crate) fn add(&self, core: &Core, ticket: Ticket, job: Job) -> io::Result<()> {
        let mut state = self.shared.state.lock();
        if state.is_closed {
            drop(state);
            // Dropped without the lock, because the drop runs user code, which may use the pool.
            contain("the drop of a job", || drop(job));
            return Ok(());
        }
        state.jobs.insert(ticket, job);
        // `network` is that of a test reactor.
        if core.network().is_some() {
            state.runs_in_loop = true;
            drop(state);
            let pool = self.clone();
            // Errs if the reactor is gone: then `close` drops the job with the queue.
            let _ = core.shared.inbox.post(move |_core| pool.run_next());
            return Ok(());
        }
        // Wakes an idle thread, if there is one. That thread counts as idle until it has the lock,
        // so `grow` starts a thread only if no idle thread takes the job.
        self.shared.has_news.notify_one();
        let grown = self.grow(&mut state);
        drop(state);
        if grown.is_err() {
            self.remove(ticket);
        }
        grown
    }

    /// Runs the first job in the calling thread, for a test reactor in the thread of the loop. The
    /// queue may be empty, if the job was cancelled.
    fn run_next(&self) {
        let job = self.shared.state.lock().jobs.pop_first();
        if let Some((_ticket, job)) = job {
            contain("a job in a thread", job);
        }
    }

    /// Starts threads until there is an idle thread for each waiting job, or the limit is reached.
    ///
    /// # Errors
    ///
    /// If the system starts no thread, and there is none that would take the jobs later.
    // The mutex stays locked while the system starts a thread, so that the counts have only threads
    // that exist: another call of `grow`, for which a thread that fails to start counts, would
    // leave its job to that thread.
    fn grow(&self, state: &mut Queue) -> io::Result<()> {
        while state.wants_thread() {
            let shared = Arc::clone(&self.shared);
            let started = thread::Builder::new()
                .name(self.shared.name.to_owned())
                .spawn(move || shared.work());
            match started {
                Ok(_detached) => {
                    state.threads += 1;
                    // So that `wants_thread` does not start a second one for the same job. The
                    // thread takes the count back when it begins (`work`).
                    state.idle += 1;
                }
                Err(error) if state.threads == 0 => return Err(error),
                // The other threads take the job when their own are done.
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Drops a waiting job. A running job is not stopped.
    pub(crate) fn remove(&self, ticket: Ticket) {
        let job = self.shared.state.lock().jobs.remove(&ticket);
        contain("the drop of a job", || drop(job));
    }

    /// Drops the waiting jobs, and accepts no more. Does not wait for any thread.
    pub(crate) fn close(&self) {
        let mut state = self.shared.state.lock();
        state.is_closed = true;
        // Dropped below, without the lock, because a job owns values of the user.
        let jobs = std::mem::take(&mut state.jobs);
        // All threads, because each ends by itself when it sees `is_closed`.
        self.shared.has_news.notify_all();
        drop(state);
        for job in jobs.into_values() {
            contain("the drop of a job", || drop(job));
        }
    }

    /// The maximum number of threads.
    pub fn max_threads(&self) -> usize {
        self.shared.state.lock().max_threads
    }

    /// Sets the maximum number of threads: 10 by default. Zero counts as one. If the pool has more
    /// threads, the surplus ends: idle threads now, busy ones after their job.
    pub fn set_max_threads(&self, max_threads: usize) {
        let mut state = self.shared.state.lock();
        state.max_threads = max_threads.max(1);
        // All threads: with a lower limit, idle threads end now and not after their idle time.
        self.shared.has_news.notify_all();
        // Errs only if there is no thread, and then no job waits: `add` has refused it.
        let _ = self.grow(&mut state);
    }

    /// The time for which a thread waits for a job before it ends.
    pub fn idle_time(&self) -> Duration {
        self.shared.state.lock().idle_time
    }

    /// Sets the time for which a thread waits for a job before it ends: 10 seconds by default. For
    /// a thread that waits already, the new time begins now.
    pub fn set_idle_time(&self, idle_time: Duration) {
        self.shared.state.lock().idle_time = idle_time;
        self.shared.has_news.notify_all();
    }

    /// The current number of threads.
    pub fn threads(&self) -> usize {
        self.shared.state.lock().threads
    }

    /// The number of jobs that wait for a thread.
    pub fn queued(&self) -> usize {
        self.shared.state.lock().jobs.len()
    }
}

impl Shared {
    /// Main function of a thread.
    fn work(&self) {
        self.state.lock().idle -= 1;
        while let Some(job) = self.next_job() {
            contain("a job in a thread", job);
        }
    }

    /// Waits for a job. Returns `None` if the thread is to end; then `threads` no longer counts it.
    fn next_job(&self) -> Option<Job> {
        let mut state = self.state.lock();
        // If there are more threads than a lowered limit allows, the thread ends.
        while !state.is_closed && state.threads <= state.max_threads {
            if let Some((_, job)) = state.jobs.pop_first() {
                return Some(job);
            }
            let idle_time = state.idle_time;
            state.idle += 1;
            let waited = self.has_news.wait_for(&mut state, idle_time);
            state.idle -= 1;
            // A job may have been added between the timeout and the lock. `add` has started no
            // thread for it, because it has counted this thread as idle, so this thread has to take
            // it.
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
