//! `Future` for Deferreds of several threads.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::deferred::Deferred;
use crate::error::ResultTaken;
use crate::failure::{Failure, Result};
use crate::inline_callbacks::before_polling;

/// Awaiting takes the result: a failure that comes out counts as handled.
///
/// Polled again after it was ready, it gives a [`ResultTaken`] failure.
impl<T: Send + 'static> Future for Deferred<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let polled = self.get_mut().receiver_mut().poll(|link| {
            before_polling(cx.waker());
            link.set_waker(cx.waker());
        });
        polled.map(|result| result.unwrap_or_else(|| Err(Failure::new(ResultTaken::new()))))
    }
}

/// The value is never pinned: it moves from callback to callback.
impl<T: Send + 'static> Unpin for Deferred<T> {}
