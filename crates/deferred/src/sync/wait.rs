//! `wait`: blocks a plain thread until a Deferred has its result.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::deferred::Deferred;
use crate::failure::Result;

/// Waker that unparks the waiting thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl<T: Send + 'static> Deferred<T> {
    /// Blocks this thread until the result is there, and returns it.
    ///
    /// It is for plain threads. It would block a loop or an executor of this thread, and never
    /// return if that one fires the Deferred: there, await the Deferred, or use
    /// [`into_local`](Self::into_local).
    ///
    /// If the last trigger is dropped, it returns an [`Abandoned`](crate::Abandoned) failure.
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
    /// The Deferred itself, not cancelled, if its result has not come in time.
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
        // `None`: the limit lies beyond the range of `Instant`.
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
        // `park` may return for other reasons: poll again.
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
