//! The errors of semaphores and queues.

use std::error::Error;
use std::fmt;

use crate::error::plain_error;

plain_error! {
    /// A semaphore needs at least one permit.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::errors::ZeroTokens;
    /// use deferred::DeferredSemaphore;
    ///
    /// let limit = "0".parse()?; // from a configuration, say
    /// assert_eq!(DeferredSemaphore::new(limit).unwrap_err(), ZeroTokens::new());
    /// # Ok::<(), std::num::ParseIntError>(())
    /// ```
    pub struct ZeroTokens, "a semaphore needs at least one token"
}

/// The queue is full, or closed; the refused item comes back.
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

    /// Whether the queue is closed: it will never take the item.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The item that was refused.
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
    /// As many consumers wait for an item of the queue as its `backlog` allows.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::errors::QueueUnderflow;
    /// use deferred::DeferredQueue;
    ///
    /// let jobs = DeferredQueue::<&str>::with_limits(None, Some(1));
    /// let _first = jobs.get()?;
    /// assert_eq!(jobs.get().unwrap_err(), QueueUnderflow::new());
    /// # Ok::<(), QueueUnderflow>(())
    /// ```
    pub struct QueueUnderflow, "too many wait for an item of the queue"
}

plain_error! {
    /// The queue is closed and empty.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::errors::QueueClosed;
    /// use deferred::DeferredQueue;
    ///
    /// let jobs = DeferredQueue::<&str>::new();
    /// let waiting = jobs.get().unwrap();
    /// jobs.close();
    /// assert!(waiting.into_result().unwrap().unwrap_err().is::<QueueClosed>());
    /// ```
    pub struct QueueClosed, "the queue is closed, and empty"
}
