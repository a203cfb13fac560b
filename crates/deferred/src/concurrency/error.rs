//! What a semaphore and a queue refuse.

use std::error::Error;
use std::fmt;

use crate::error::plain_error;

plain_error! {
    /// A semaphore was to be made that nobody could ever acquire.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{DeferredSemaphore, ZeroTokens};
    ///
    /// let limit = "0".parse()?; // from a configuration, say
    /// assert_eq!(DeferredSemaphore::new(limit).unwrap_err(), ZeroTokens::new());
    /// # Ok::<(), std::num::ParseIntError>(())
    /// ```
    pub struct ZeroTokens, "a semaphore needs at least one token"
}

/// The queue is full, or closed; the item that was refused comes back.
///
/// # Examples
///
/// ```
/// use deferred::DeferredQueue;
///
/// let queue = DeferredQueue::with_limits(Some(1), None);
/// queue.put("first").unwrap();
/// assert_eq!(queue.put("second").unwrap_err().into_inner(), "second");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct QueueOverflow<T> {
    item: T,
    is_closed: bool,
}

impl<T> QueueOverflow<T> {
    pub(crate) fn full(item: T) -> Self {
        Self {
            item,
            is_closed: false,
        }
    }

    pub(crate) fn closed(item: T) -> Self {
        Self {
            item,
            is_closed: true,
        }
    }

    /// Whether the queue is closed, and so will never take the item.
    ///
    /// # Examples
    ///
    /// ```
    /// let jobs = deferred::DeferredQueue::new();
    /// jobs.close();
    /// assert!(jobs.put("print").unwrap_err().is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The item that was refused.
    ///
    /// # Examples
    ///
    /// ```
    /// let jobs = deferred::DeferredQueue::with_limits(Some(0), None);
    /// let refused = jobs.put("print".to_owned()).unwrap_err();
    /// let job = refused.into_inner();
    /// assert_eq!(job, "print", "it can be put again later");
    /// ```
    pub fn into_inner(self) -> T {
        self.item
    }
}

impl<T> fmt::Debug for QueueOverflow<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueOverflow").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for QueueOverflow<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_closed {
            "the queue is closed"
        } else {
            "the queue is full"
        })
    }
}

impl<T> Error for QueueOverflow<T> {}

plain_error! {
    /// As many wait for an item of the queue as may.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{DeferredQueue, QueueUnderflow};
    ///
    /// let jobs = DeferredQueue::<&str>::with_limits(None, Some(1));
    /// let _first = jobs.get()?;
    /// assert_eq!(jobs.get().unwrap_err(), QueueUnderflow::new());
    /// # Ok::<(), QueueUnderflow>(())
    /// ```
    pub struct QueueUnderflow, "too many wait for an item of the queue"
}

plain_error! {
    /// The queue is closed: nothing is put any more, and no item is left to be got.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{DeferredQueue, QueueClosed};
    ///
    /// let jobs = DeferredQueue::<&str>::new();
    /// let waiting = jobs.get().unwrap();
    /// jobs.close();
    /// assert!(waiting.into_result().unwrap().unwrap_err().is::<QueueClosed>());
    /// ```
    pub struct QueueClosed, "the queue is closed, and empty"
}
