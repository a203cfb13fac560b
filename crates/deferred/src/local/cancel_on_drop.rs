//! `CancelOnDrop`: a Deferred that is cancelled when it is dropped, as a future is.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::deferred::Deferred;
use crate::failure::Result;

/// Owns a Deferred and cancels it when dropped, from [`Deferred::cancel_on_drop`].
///
/// Awaiting it awaits the Deferred. A failure after the cancel is not reported.
///
/// # Examples
///
/// ```
/// use deferred::{CancelOnDrop, Deferred};
///
/// struct Search {
///     _running: CancelOnDrop<()>,
/// }
///
/// let (trigger, found) = Deferred::pair();
/// let shown = found.add_callback(|page: &str| println!("{page}"));
/// let search = Search { _running: shown.cancel_on_drop() };
/// drop(search);
/// assert!(trigger.is_fired(), "the cancel has fired it, with `Cancelled`");
/// ```
#[doc(alias = "AbortOnDrop")]
#[must_use = "the Deferred is cancelled as soon as this is dropped"]
pub struct CancelOnDrop<T: 'static> {
    /// `None` once it was taken out.
    deferred: Option<Deferred<T>>,
}

impl<T: 'static> Deferred<T> {
    /// Cancels the Deferred when the returned guard is dropped before the result is there.
    pub fn cancel_on_drop(self) -> CancelOnDrop<T> {
        CancelOnDrop {
            deferred: Some(self),
        }
    }
}

impl<T: 'static> CancelOnDrop<T> {
    /// Takes the Deferred out, which is not cancelled any more.
    pub fn into_inner(mut self) -> Deferred<T> {
        match self.deferred.take() {
            Some(deferred) => deferred,
            None => unreachable!("only this and the drop take it"),
        }
    }
}

impl<T: 'static> Future for CancelOnDrop<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        match &mut self.deferred {
            Some(deferred) => Pin::new(deferred).poll(cx),
            None => unreachable!("only `into_inner` and the drop take it"),
        }
    }
}

impl<T: 'static> Drop for CancelOnDrop<T> {
    fn drop(&mut self) {
        if let Some(deferred) = self.deferred.take() {
            // In this order: the cancel needs the chain, and the `Cancelled` that it fails with is
            // not reported.
            deferred.cancel();
            deferred.ignore();
        }
    }
}

impl<T: 'static> fmt::Debug for CancelOnDrop<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelOnDrop").field(&self.deferred).finish()
    }
}
