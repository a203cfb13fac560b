//! Work in other threads: `defer_to_thread`, `call_in_thread`.
//!
//! ```text
//!   loop ──job──▶ pool ──▶ thread ──reply──▶ inbox ──▶ loop ──fires──▶ Deferred
//! ```
//!
//! The pool does not fire Deferreds. A job sends its result to the loop's inbox, as every call from
//! another thread does, and the loop fires the Deferred.

mod pool;

use std::io;
use std::panic::Location;
use std::rc::Rc;

use deferred::{Deferred, Failure, Outcome, Result, fail, maybe_deferred};

use self::pool::MAX_THREADS;
pub use self::pool::ThreadPool;
use crate::core::Core;
use crate::error::ReactorGone;
use crate::extensions::Extension;
use crate::handle::ReactorHandle;
use crate::panics::log_failure;
use crate::reply_channel::ReplySender;

/// The loop's own pool.
struct Threads {
    pool: ThreadPool,
}

impl Default for Threads {
    fn default() -> Self {
        Self {
            pool: ThreadPool::new("reactor-worker", MAX_THREADS),
        }
    }
}

impl Extension for Threads {
    fn on_drop(&self) {
        self.pool.close();
    }
}

impl ThreadPool {
    /// As [`ReactorHandle::defer_to_thread`], in this pool.
    #[track_caller]
    pub(crate) fn defer<F, O>(&self, core: &Rc<Core>, job: F) -> Deferred<O::Value>
    where
        F: FnOnce() -> O + Send + 'static,
        O: Outcome + Send,
        O::Value: Send,
    {
        let called_at = Location::caller();
        let ticket = self.ticket();
        let queue = self.clone();
        let (reply, result) = ReplySender::pair(core, move || queue.remove(ticket));
        let run = Box::new(move || {
            // The failure of a panic has the location of the caller of `defer_to_thread`.
            let outcome = match Failure::catch_at(called_at, job) {
                Ok(outcome) => maybe_deferred(|| outcome),
                Err(panicked) => fail(panicked),
            };
            // Always `Ok`: an `Outcome` that is `Send` is no Deferred of one thread, so its result
            // is there at once.
            if let Ok(result) = outcome.into_result() {
                reply.send(result);
            }
        });
        match self.add(core, ticket, run) {
            Ok(()) => result.add_callback(|result: Result<O::Value>| result),
            Err(error) => {
                // The job was dropped with its reply, so `result` will be abandoned; `error` says
                // why.
                result.ignore();
                fail(error)
            }
        }
    }
}

impl ReactorHandle {
    /// Runs `job` in a thread of the pool; the Deferred has its result. For long computations, and
    /// for calls that block.
    ///
    /// The job returns what a callback would: a `Result`, whose failure the Deferred
    /// fails with, or nothing. A panic in it becomes a failure
    /// ([`Panicked`](deferred::Panicked)). The Deferred fires from the loop.
    ///
    /// A cancel drops a job that waits for a thread. A job that runs cannot be stopped; its result
    /// is dropped.
    ///
    /// In a [test reactor](crate::testing), the loop itself runs it, in its next turn.
    ///
    /// The job may use a [`Remote`](crate::Remote). If there are more jobs than threads, jobs wait:
    /// see [`ThreadPool`].
    ///
    /// # Errors
    ///
    /// Through the Deferred: what the job fails with; [`ReactorGone`] if the reactor
    /// goes before the result comes; or an `io::Error` if no thread can be started.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::Reactor;
    ///
    /// let reactor = Reactor::new()?;
    /// let handle = reactor.handle();
    /// reactor
    ///     .defer_to_thread(|| Ok(std::fs::read_to_string("Cargo.toml")?))
    ///     .add_callback(|text| println!("{} bytes", text.len()))
    ///     .add_errback(|failure| println!("it cannot be read: {failure}"))
    ///     .add_callback(move |()| handle.stop());
    /// reactor.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    #[doc(alias = "deferToThread")]
    #[doc(alias = "spawn_blocking")]
    pub fn defer_to_thread<F, O>(&self, job: F) -> Deferred<O::Value>
    where
        F: FnOnce() -> O + Send + 'static,
        O: Outcome + Send,
        O::Value: Send,
    {
        let (core, job) = match self.core_for(job) {
            Ok(there) => there,
            Err(gone) => return fail(gone),
        };
        core.extensions.get::<Threads>().pool.defer(&core, job)
    }

    /// Calls `job` in a thread of the pool, without a Deferred for its result. A failure or a panic
    /// of the job is logged. (Twisted: `callInThread`.)
    ///
    /// # Errors
    ///
    /// The reactor is gone, or no thread can be started; the job is dropped.
    #[doc(alias = "callInThread")]
    pub fn call_in_thread<F, O>(&self, job: F) -> io::Result<()>
    where
        F: FnOnce() -> O + Send + 'static,
        O: Outcome<Value = ()>,
    {
        let (core, job) = self.core_for(job).map_err(io::Error::other)?;
        let pool = core.extensions.get::<Threads>().pool.clone();
        pool.add(&core, pool.ticket(), Box::new(|| log_failure(job())))
    }

    /// The threads that jobs are run in: how many there are, and may be.
    ///
    /// # Errors
    ///
    /// The reactor is gone.
    #[doc(alias = "getThreadPool")]
    pub fn thread_pool(&self) -> std::result::Result<ThreadPool, ReactorGone> {
        Ok(self.core()?.extensions.get::<Threads>().pool.clone())
    }

    /// Sets how many threads there may be to run jobs in: 10 unless this is called. See
    /// [`ThreadPool::set_max_threads`]. If the reactor is gone, nothing happens.
    #[doc(alias = "suggestThreadPoolSize")]
    pub fn suggest_thread_pool_size(&self, max_threads: usize) {
        if let Ok(pool) = self.thread_pool() {
            pool.set_max_threads(max_threads);
        }
    }
}
