//! What a semaphore and a queue refuse.

use std::error::Error;
use std::fmt;

/// A semaphore was to be made that nobody could ever acquire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ZeroTokens;

impl ZeroTokens {
    /// The error, as a value.
    pub const fn new() -> Self {
        Self
    }
}

impl fmt::Display for ZeroTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a semaphore needs at least one token")
    }
}

impl Error for ZeroTokens {}

/// The queue keeps as many items as it may; the one that was refused comes back.
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
}

impl<T> QueueOverflow<T> {
    pub(crate) fn new(item: T) -> Self {
        Self { item }
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
        f.write_str("the queue is full")
    }
}

impl<T> Error for QueueOverflow<T> {}

/// As many wait for an item of the queue as may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueUnderflow;

impl QueueUnderflow {
    /// The error, as a value.
    pub const fn new() -> Self {
        Self
    }
}

impl fmt::Display for QueueUnderflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many wait for an item of the queue")
    }
}

impl Error for QueueUnderflow {}
