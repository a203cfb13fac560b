//! `DeferredQueue`, for several threads.

use std::fmt;
use std::panic::Location;

use super::deferred::Deferred;
use crate::chain::Shared;
use crate::coordinate::{Items, QueueOverflow, QueueUnderflow};

/// Hands items from those who put them to those who get them, between threads; see
/// [`crate::DeferredQueue`].
///
/// The callbacks of the one who gets an item run on the thread that puts it.
///
/// # Examples
///
/// ```
/// use deferred::sync::DeferredQueue;
/// use std::thread;
///
/// let queue = DeferredQueue::new();
/// let item = queue.get().unwrap();
/// let other = queue.clone();
/// thread::spawn(move || other.put("from elsewhere")).join().unwrap().unwrap();
/// assert_eq!(item.into_result().unwrap().unwrap(), "from elsewhere");
/// ```
pub struct DeferredQueue<T: Send + 'static> {
    items: Items<Shared, T>,
}

impl<T: Send + 'static> DeferredQueue<T> {
    /// A queue without limits.
    pub fn new() -> Self {
        Self::with_limits(None, None)
    }

    /// A queue that stores at most `size` items, and lets at most `backlog` wait for
    /// one; see [`crate::DeferredQueue::with_limits`].
    pub fn with_limits(size: Option<usize>, backlog: Option<usize>) -> Self {
        Self {
            items: Items::new(size, backlog),
        }
    }

    /// Gives an item to the first who waits for one, or stores it.
    ///
    /// # Errors
    ///
    /// [`QueueOverflow`], with the item in it, if nobody waits and as many are
    /// stored as may be.
    pub fn put(&self, item: T) -> Result<(), QueueOverflow<T>> {
        self.items.put(item)
    }

    /// The item that was stored first; if there is none, the next that is put.
    ///
    /// # Errors
    ///
    /// [`QueueUnderflow`], if nothing is stored and as many wait as may.
    #[track_caller]
    pub fn get(&self) -> Result<Deferred<T>, QueueUnderflow> {
        let end = self.items.get(Location::caller())?;
        Ok(Deferred::from_end(end))
    }

    /// How many items were stored a moment ago.
    pub fn len(&self) -> usize {
        self.items.stored()
    }

    /// Whether no item was stored a moment ago.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many waited for an item a moment ago.
    pub fn waiting(&self) -> usize {
        self.items.waiting()
    }
}

impl<T: Send + 'static> Default for DeferredQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Send + 'static> Clone for DeferredQueue<T> {
    fn clone(&self) -> Self {
        Self {
            items: self.items.clone(),
        }
    }
}

impl<T: Send + 'static> fmt::Debug for DeferredQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredQueue")
            .field("len", &self.len())
            .field("waiting", &self.waiting())
            .finish()
    }
}
