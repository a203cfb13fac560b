//! `into_local`: a Deferred of this thread from one of several.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::deferred::Deferred;
use crate::error::ResultTaken;
use crate::failure::{Failure, Result};
use crate::inline_callbacks;

impl<T: Send + 'static> Deferred<T> {
    /// A Deferred of this thread that gets the result: at once if it is there, otherwise when
    /// this thread next calls [`run_woken`](crate::driver::run_woken), as a reactor does in each
    /// turn.
    ///
    /// Cancelling the local one, as its timeout does, cancels this one.
    ///
    /// # Examples
    ///
    /// A timeout that also stops the working thread:
    ///
    /// ```
    /// use deferred::{TimedOut, VirtualClock, sync};
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let (trigger, shared) = sync::Deferred::<String>::pair();
    /// let answer = shared
    ///     .into_local()
    ///     .add_timeout(Duration::from_secs(30), &clock);
    /// clock.advance(Duration::from_secs(30));
    /// assert!(trigger.is_fired(), "the worker can stop");
    /// assert!(answer.into_result().unwrap().unwrap_err().is::<TimedOut>());
    /// ```
    #[track_caller]
    pub fn into_local(self) -> crate::Deferred<T> {
        match self.into_result() {
            Ok(result) => crate::Deferred::from(result),
            Err(shared) => inline_callbacks(HandedOver {
                shared: Some(shared),
            }),
        }
    }
}

/// Awaits a Deferred of [`sync`](crate::sync), and cancels it if dropped before its result is
/// there.
struct HandedOver<T: Send + 'static> {
    shared: Option<Deferred<T>>,
}

impl<T: Send + 'static> Future for HandedOver<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let Some(shared) = &mut self.shared else {
            return Poll::Ready(Err(Failure::new(ResultTaken::new())));
        };
        let polled = Pin::new(shared).poll(cx);
        if polled.is_ready() {
            self.shared = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for HandedOver<T> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.cancel();
            // The local Deferred reports the cancel.
            shared.ignore();
        }
    }
}
