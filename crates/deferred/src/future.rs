//! `Future` for Deferreds of one thread.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::error::ResultTaken;
use crate::failure::{Failure, Result};
use crate::inline_callbacks::poll_end;
use crate::local::Deferred;

/// Awaiting takes the result: a failure that comes out counts as handled.
///
/// Polled again after it was ready, it gives a [`ResultTaken`] failure.
///
/// # Examples
///
/// ```
/// # use std::future::Future;
/// # fn block_on<F: Future>(future: F) -> F::Output {
/// #     let mut future = std::pin::pin!(future);
/// #     let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
/// #     match future.as_mut().poll(&mut cx) {
/// #         std::task::Poll::Ready(output) => output,
/// #         std::task::Poll::Pending => panic!("the example fires it first"),
/// #     }
/// # }
/// use deferred::{Deferred, succeed};
///
/// async fn total(first: Deferred<i32>, second: Deferred<i32>) -> deferred::Result<i32> {
///     Ok(first.await? + second.await?)
/// }
///
/// assert_eq!(block_on(total(succeed(1), succeed(2))).unwrap(), 3);
/// ```
impl<T: 'static> Future for Deferred<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let polled = poll_end(self.get_mut().receiver_mut(), cx);
        polled.map(|result| result.unwrap_or_else(|| Err(Failure::new(ResultTaken::new()))))
    }
}

/// The value is never pinned: it moves from callback to callback.
impl<T: 'static> Unpin for Deferred<T> {}
