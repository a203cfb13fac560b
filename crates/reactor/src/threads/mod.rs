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

/// The thread pool of a loop.
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
    /// As [`ReactorHandle::defer_to_thread`], with this pool.
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
            // If the job panics, the failure gets the location of the caller of `defer_to_thread`.
            let outcome = match Failure::catch_at(called_at, job) {
                Ok(outcome) => maybe_deferred(|| outcome),
                Err(panicked) => fail(panicked),
            };
            // Always `Ok`: an `Outcome` that is `Send` is not a Deferred, so its result is
            // available at once.
            if let Ok(result) = outcome.into_result() {
                reply.send(result);
            }
        });
        match self.add(core, ticket, run) {
            Ok(()) => result.add_callback(|result: Result<O::Value>| result),
            Err(error) => {
                // The job was dropped with its reply, so `result` will be abandoned. `error` tells
                // more.
                result.ignore();
                fail(error)
            }
        }
    }
}

impl ReactorHandle {
    /// Runs `job` in a thread of the pool, and returns its result as a Deferred. For long
    /// computations, and for calls that block.
    ///
    /// The job returns nothing, or a `Result`. The Deferred fires with its value or failure, from
    /// the loop. A panic of the job becomes a failure ([`Panicked`](deferred::Panicked)).
    ///
    /// If the Deferred is cancelled while the job waits for a thread, the job is dropped. A running
    /// job cannot be stopped; its result is dropped.
    ///
    /// In a [test reactor](crate::testing), the loop itself runs the job, in its next turn.
    ///
    /// The job may use a [`Remote`](crate::Remote). If there are more jobs than threads, jobs wait:
    /// see [`ThreadPool`].
    ///
    /// # Errors
    ///
    /// The Deferred fails with the failure of the job, with [`ReactorGone`] if the reactor is
    /// dropped before there is a result, or with an `io::Error` if no thread can be started.
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
    /// If the reactor is gone, or no thread can be started. Then the job is dropped.
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

    /// The pool of threads in which jobs run, to get and set its limits.
    ///
    /// # Errors
    ///
    /// If the reactor is gone.
    #[doc(alias = "getThreadPool")]
    pub fn thread_pool(&self) -> std::result::Result<ThreadPool, ReactorGone> {
        Ok(self.core()?.extensions.get::<Threads>().pool.clone())
    }

    /// Sets the maximum number of threads for jobs: 10 by default. See
    /// [`ThreadPool::set_max_threads`]. Does nothing if the reactor is gone.
    #[doc(alias = "suggestThreadPoolSize")]
    pub fn suggest_thread_pool_size(&self, max_threads: usize) {
        if let Ok(pool) = self.thread_pool() {
            pool.set_max_threads(max_threads);
        }
    }
}
