//! Blocking a plain thread until a Deferred has its result.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::deferred::Deferred;
use crate::failure::Result;

/// Unparks the thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl<T: Send + 'static> Deferred<T> {
    /// Blocks this thread until the result is there, and gives it.
    ///
    /// For a plain thread. In a thread that runs a loop or an executor it blocks those, and
    /// never returns if they are what would fire the Deferred: await it there, or use
    /// [`into_local`](Self::into_local).
    ///
    /// If no trigger is left, it does not block: the Deferred fails with
    /// [`Abandoned`](crate::Abandoned).
    ///
    /// # Errors
    ///
    /// The failure of the Deferred.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::Deferred;
    /// use std::thread;
    ///
    /// let (trigger, answer) = Deferred::pair();
    /// let worker = thread::spawn(move || trigger.callback(42).is_ok());
    /// assert_eq!(answer.wait().unwrap(), 42);
    /// assert!(worker.join().unwrap());
    /// ```
    #[doc(alias = "block_on")]
    pub fn wait(self) -> Result<T> {
        match wait_until(self, None) {
            Ok(result) => result,
            Err(_) => unreachable!("there is no limit"),
        }
    }

    /// As [`wait`](Self::wait), for at most `limit`.
    ///
    /// # Errors
    ///
    /// The Deferred itself, if its result has not come by then. It is not cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::Deferred;
    /// use std::time::Duration;
    ///
    /// let (trigger, answer) = Deferred::pair();
    /// let answer = answer.wait_timeout(Duration::from_millis(1)).unwrap_err();
    /// trigger.callback(42).unwrap();
    /// assert_eq!(answer.wait_timeout(Duration::ZERO).unwrap().unwrap(), 42);
    /// ```
    pub fn wait_timeout(self, limit: Duration) -> Result<Result<T>, Self> {
        // A limit beyond what the clock can tell is no limit.
        wait_until(self, Instant::now().checked_add(limit))
    }
}

fn wait_until<T: Send + 'static>(
    mut deferred: Deferred<T>,
    end: Option<Instant>,
) -> Result<Result<T>, Deferred<T>> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(result) = pin!(&mut deferred).poll(&mut cx) {
            return Ok(result);
        }
        // A thread may be unparked for other reasons: then it looks, and parks again.
        match end {
            None => thread::park(),
            Some(end) => {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(deferred);
                }
                thread::park_timeout(left);
            }
        }
    }
}
