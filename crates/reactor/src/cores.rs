//! `Cores`: a reactor for each core.

use std::fmt;
use std::num::NonZero;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use deferred::{Failure, Result};
use parking_lot::Mutex;

use crate::error::BlockingCallError;
use crate::handle::ReactorHandle;
use crate::reactor::Reactor;
use crate::remote::Remote;
use crate::signals::Signal;
use crate::system_event::{Phase, SystemEvent};

/// Several reactors, each in its own thread, that are stopped together.
///
/// The reactors share only the data that you give them: each has its own protocols, factories and
/// Deferreds. To serve one port together, each listens with
/// [`reuse_port`](crate::TcpListenOptions::reuse_port), and the system distributes the connections.
/// (Twisted: a process for each core.)
///
/// Dropping this stops the reactors, and waits until they have ended. A drop in the thread of one
/// of them only stops them, because that thread cannot wait for itself.
///
/// # Examples
///
/// ```
/// use reactor::{Cores, TcpListenOptions};
/// # use reactor::{Context, Protocol, Raw};
/// # struct Echo;
/// # impl Protocol for Echo {
/// #     type Framing = Raw;
/// #     fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> deferred::Result<()> {
/// #         cx.write(data);
/// #         Ok(())
/// #     }
/// # }
///
/// # let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
/// # let address = free;
/// let cores = Cores::start(2, move |reactor, number| {
///     reactor.listen_tcp(TcpListenOptions::new(address).reuse_port(true), || Echo)?;
///     println!("reactor {number} is listening");
///     Ok(())
/// })
/// .unwrap();
/// // … until the program ends:
/// cores.stop();
/// cores.join().unwrap();
/// ```
#[doc(alias = "EventLoopGroup")]
#[doc(alias = "ReactorGroup")]
pub struct Cores {
    all: Arc<Mutex<All>>,
    threads: Vec<JoinHandle<Result<()>>>,
}

/// State that the threads share.
#[derive(Default)]
struct All {
    remotes: Vec<Remote>,
    /// Whether the reactors were stopped; one that is added later stops at once.
    // Set by `stop`, never cleared.
    is_stopped: bool,
}

impl All {
    fn add(&mut self, remote: Remote) {
        if self.is_stopped {
            stop(&remote);
        }
        self.remotes.push(remote);
    }

    fn stop(&mut self) {
        self.is_stopped = true;
        self.remotes.iter().for_each(stop);
    }
}

impl Cores {
    /// Starts `count` reactors. Each calls `set_up` in its thread, with its number (from 0), before
    /// it runs. Returns when all reactors are set up.
    ///
    /// When one of them ends, the others are stopped, too.
    ///
    /// # Errors
    ///
    /// The first failure of `set_up`, or of making a thread or a reactor; the reactors that were
    /// started are stopped.
    pub fn start<F>(count: usize, set_up: F) -> Result<Self>
    where
        F: Fn(&ReactorHandle, usize) -> Result<()> + Send + Sync + 'static,
    {
        let set_up = Arc::new(set_up);
        let mut cores = Self {
            all: Arc::default(),
            threads: Vec::with_capacity(count),
        };
        // Each thread has a sender, reports once, and drops it. So the loop below ends when the
        // last thread has reported, or has panicked before that.
        let (told, is_up) = mpsc::channel();
        for number in 0..count {
            let (set_up, told) = (Arc::clone(&set_up), told.clone());
            let all = Arc::clone(&cores.all);
            let thread = thread::Builder::new()
                .name(format!("reactor {number}"))
                .spawn(move || run(number, &*set_up, &all, told))?;
            cores.threads.push(thread);
        }
        drop(told);
        let mut first_failure = None;
        for outcome in is_up {
            if let Err(failure) = outcome {
                first_failure.get_or_insert(failure);
            }
        }
        match first_failure {
            // The drop of `cores` stops the others.
            Some(failure) => Err(failure),
            None => Ok(cores),
        }
    }

    /// As [`start`](Self::start), with a reactor for each core that this process may use.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    pub fn start_on_all<F>(set_up: F) -> Result<Self>
    where
        F: Fn(&ReactorHandle, usize) -> Result<()> + Send + Sync + 'static,
    {
        let count = thread::available_parallelism().map_or(1, NonZero::get);
        Self::start(count, set_up)
    }

    /// Handles on the reactors, in no particular order.
    pub fn remotes(&self) -> Vec<Remote> {
        self.all.lock().remotes.clone()
    }

    /// Stops all reactors.
    pub fn stop(&self) {
        self.all.lock().stop();
    }

    /// Waits until all reactors have stopped.
    ///
    /// # Errors
    ///
    /// The error of the first reactor (by number) that has failed. In the thread of one of the
    /// reactors, this returns
    /// [`BlockingCallError::LoopThread`](crate::BlockingCallError::LoopThread) at once, because
    /// that thread would wait for itself.
    pub fn join(mut self) -> Result<()> {
        self.wait()
    }

    /// Waits until all reactors have stopped. SIGINT and SIGTERM stop them, as with
    /// [`Reactor::run_until_signal`].
    ///
    /// # Errors
    ///
    /// If the signal handlers cannot be installed, and as for [`join`](Self::join).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use reactor::Cores;
    ///
    /// let cores = Cores::start_on_all(|_reactor, _number| {
    ///     // … listen …
    ///     Ok(())
    /// })
    /// .unwrap();
    /// if let Some(signal) = cores.run_until_signal().unwrap() {
    ///     println!("ended by {signal}");
    /// }
    /// ```
    pub fn run_until_signal(mut self) -> Result<Option<Signal>> {
        if self.is_in_one_of_them() {
            return Err(Failure::new(BlockingCallError::LoopThread));
        }
        // A loop in this thread waits for the signal, and for the first reactor to end, which drops
        // its `StopOnDrop`.
        let waiting = Reactor::new()?;
        for remote in self.remotes() {
            let told = StopOnDrop(waiting.remote());
            // Errs if that reactor is gone; then the drop of the closure has stopped `waiting`.
            let _ = remote.call_from_thread(|reactor| {
                let tell = move || drop(told);
                reactor.add_system_event_trigger(Phase::After, SystemEvent::Shutdown, tell);
            });
        }
        let signal = waiting.run_until_signal()?;
        self.stop();
        self.wait()?;
        Ok(signal)
    }

    /// Whether this is the thread of one of the reactors.
    fn is_in_one_of_them(&self) -> bool {
        let here = thread::current().id();
        self.threads
            .iter()
            .any(|thread| thread.thread().id() == here)
    }

    fn wait(&mut self) -> Result<()> {
        if self.is_in_one_of_them() {
            return Err(Failure::new(BlockingCallError::LoopThread));
        }
        let mut outcome = Ok(());
        for thread in self.threads.drain(..) {
            let ended = match thread.join() {
                Ok(ended) => ended,
                Err(_) => Err(Failure::msg("the thread of a reactor panicked")),
            };
            outcome = outcome.and(ended);
        }
        outcome
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        self.stop();
        // The failures of the loops, which `join` returns, are dropped here. `wait` also errs in
        // the thread of one of the reactors, which cannot wait for itself. Then the others are not
        // waited for, either, because they may wait for that thread; they end by themselves.
        let _ = self.wait();
    }
}

impl fmt::Debug for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cores")
            .field("count", &self.threads.len())
            .finish_non_exhaustive()
    }
}

/// Stops a reactor when this value is dropped.
struct StopOnDrop(Remote);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        stop(&self.0);
    }
}

fn stop(remote: &Remote) {
    // Errs if the reactor is gone; then it needs no stop.
    let _ = remote.call_from_thread(|reactor| reactor.stop());
}

/// Main function of one of the threads.
fn run(
    number: usize,
    set_up: &impl Fn(&ReactorHandle, usize) -> Result<()>,
    all: &Mutex<All>,
    told: mpsc::Sender<Result<()>>,
) -> Result<()> {
    let reactor = match made(number, set_up) {
        Ok(reactor) => reactor,
        Err(failure) => {
            // Errs as below.
            let _ = told.send(Err(failure.clone()));
            return Err(failure);
        }
    };
    // Added before the report, so that all remotes are in `all` when `start` returns. `add` stops
    // this reactor if another one has ended by then.
    all.lock().add(reactor.remote());
    // Errs if `start` has failed and returned; then the drop of its `Cores` stops this reactor.
    let _ = told.send(Ok(()));
    // `start` waits until all senders are dropped.
    drop(told);
    let ended = reactor.run();
    // When one reactor ends, the others are stopped, because a program with fewer loops than it has
    // set up would serve only a part of its clients.
    all.lock().stop();
    Ok(ended?)
}

fn made(number: usize, set_up: &impl Fn(&ReactorHandle, usize) -> Result<()>) -> Result<Reactor> {
    let reactor = Reactor::new()?;
    Failure::catch(|| set_up(&reactor, number))??;
    Ok(reactor)
}
