//! hyper's timer and executor, on the loop.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use deferred::{CancelOnDrop, sleep};
use hyper::rt::{Executor, Sleep, Timer};
use reactor::ReactorHandle;
use send_wrapper::SendWrapper;

/// hyper's [`Timer`] on the clock of a loop: the virtual one in a test.
///
/// hyper asks for a timer that is `Send`; this one panics if it is used in another thread.
///
/// # Examples
///
/// ```
/// use hyper::server::conn::http1;
/// use reactor::testing::TestReactor;
/// use reactor_web::LoopTimer;
/// use std::time::Duration;
///
/// let reactor = TestReactor::new();
/// let mut server = http1::Builder::new();
/// server.timer(LoopTimer::new(&reactor)).header_read_timeout(Duration::from_secs(10));
/// ```
#[derive(Clone)]
pub struct LoopTimer(SendWrapper<Inner>);

#[derive(Clone)]
struct Inner {
    reactor: ReactorHandle,
    /// The instant that is the loop's time 0.
    // Never used as a time of its own: hyper computes with differences only.
    start: Instant,
}

impl LoopTimer {
    /// A timer on the clock of `reactor`.
    pub fn new(reactor: &ReactorHandle) -> Self {
        let now = Instant::now();
        Self(SendWrapper::new(Inner {
            reactor: reactor.clone(),
            // An `Instant` may have no value before the start of the system, and a virtual clock
            // may be far ahead.
            start: now.checked_sub(reactor.now()).unwrap_or(now),
        }))
    }
}

impl Timer for LoopTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        let sleeping = sleep(&self.0.reactor, duration).cancel_on_drop();
        Box::pin(LoopSleep(SendWrapper::new(sleeping)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline.saturating_duration_since(self.now()))
    }

    fn now(&self) -> Instant {
        self.0.start + self.0.reactor.now()
    }
}

/// A sleep that is over when its Deferred fires, and also if that fails: the loop is gone then.
struct LoopSleep(SendWrapper<CancelOnDrop<()>>);

impl Future for LoopSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut *self.0).poll(cx).map(drop)
    }
}

impl Sleep for LoopSleep {}

/// hyper's [`Executor`] on a loop, for futures that need not be `Send`: HTTP/2 runs a task for
/// each stream.
///
/// # Examples
///
/// ```
/// use hyper::rt::Executor;
/// use reactor::testing::TestReactor;
/// use reactor_web::LoopExecutor;
/// use std::{cell::Cell, rc::Rc};
///
/// let reactor = TestReactor::new();
/// let was_run = Rc::new(Cell::new(false));
/// let mark = Rc::clone(&was_run);
/// LoopExecutor::new(&reactor).execute(async move { mark.set(true) });
/// assert!(was_run.get());
/// ```
#[derive(Clone)]
pub struct LoopExecutor {
    reactor: ReactorHandle,
}

impl LoopExecutor {
    /// Runs futures in `reactor`.
    pub fn new(reactor: &ReactorHandle) -> Self {
        Self {
            reactor: reactor.clone(),
        }
    }
}

impl<F> Executor<F> for LoopExecutor
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        let body = async {
            future.await;
            Ok(())
        };
        // `future` has no error, so what is logged is its panic.
        self.reactor.spawn(body).log_error().ignore();
    }
}

impl fmt::Debug for LoopTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopTimer").finish_non_exhaustive()
    }
}

impl fmt::Debug for LoopExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopExecutor").finish_non_exhaustive()
    }
}
