// Generated from ../local/queue.rs by tests/flavours: change that file, not this one.

//! `DeferredQueue`: a FIFO queue whose consumers wait for a Deferred.

use std::fmt;
use std::panic::Location;

use super::deferred::Deferred;
use crate::chain::Shared;
use crate::concurrency::{Items, QueueOverflow, QueueUnderflow};

/// Hands items from producers to consumers, first in, first out.
///
/// Clones are handles on the same queue.
///
/// # Re-entrancy
///
/// A [`put`](Self::put) for which a consumer waits runs the callbacks of that consumer before
/// it returns. If they put an item in turn, and so on, these calls nest up to 8 deep; the
/// callbacks of further consumers run when the outermost put is done.
///
/// # Dropping
///
/// When the last handle is dropped, waiting consumers fail with
/// [`Abandoned`](crate::Abandoned), and stored items are dropped.
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
#[doc(alias = "mpsc")]
#[doc(alias = "channel")]
pub struct DeferredQueue<T: Send + 'static> {
    items: Items<Shared, T>,
}

impl<T: Send + 'static> DeferredQueue<T> {
    /// A queue without limits.
    pub fn new() -> Self {
        Self::with_limits(None, None)
    }

    /// A queue that stores at most `size` items, and lets at most `backlog` consumers wait;
    /// `None` is no limit.
    ///
    /// An item goes to a waiting consumer without being stored, so with a size of 0 an item
    /// can be put only while a consumer waits.
    #[doc(alias = "bounded")]
    pub fn with_limits(size: Option<usize>, backlog: Option<usize>) -> Self {
        Self {
            items: Items::new(size, backlog),
        }
    }

    /// Gives an item to the first waiting consumer, paused or not, or stores it.
    ///
    /// # Errors
    ///
    /// [`QueueOverflow`], with the item, if no consumer waits and the queue is full; or if it
    /// is closed.
    #[doc(alias = "try_send")]
    pub fn put(&self, item: T) -> Result<(), QueueOverflow<T>> {
        self.items.put(item)
    }

    /// Takes the oldest item. If there is none, it waits for one; consumers that wait get
    /// theirs in the order of asking.
    ///
    /// A cancel while it waits removes it from the queue; it fails with
    /// [`Cancelled`](crate::Cancelled).
    ///
    /// # Errors
    ///
    /// [`QueueUnderflow`], if nothing is stored and as many consumers wait as may.
    #[track_caller]
    #[doc(alias = "recv")]
    pub fn get(&self) -> Result<Deferred<T>, QueueUnderflow> {
        let receiver = self.items.get(Location::caller())?;
        Ok(Deferred::from_receiver(receiver))
    }

    /// Puts an item when there is room for it: the Deferred fires when the item was stored, or
    /// given to a consumer. Items that wait for room are put in the order of asking.
    ///
    /// A cancel while it waits drops the item; the Deferred fails with
    /// [`Cancelled`](crate::Cancelled). If the queue is closed, the item is dropped, too, and
    /// the Deferred fails with [`QueueClosed`](crate::errors::QueueClosed).
    #[track_caller]
    #[doc(alias = "send")]
    pub fn put_when_room(&self, item: T) -> Deferred<()> {
        Deferred::from_receiver(self.items.put_when_room(item, Location::caller()))
    }

    /// Closes the queue: nothing can be put any more.
    ///
    /// Items that are stored or wait for room can still be got. After those, a
    /// [`get`](Self::get) fails with [`QueueClosed`](crate::errors::QueueClosed), as do
    /// consumers that wait already.
    #[track_caller]
    pub fn close(&self) {
        self.items.close(Location::caller());
    }

    /// Whether the queue was closed.
    pub fn is_closed(&self) -> bool {
        self.items.is_closed()
    }

    /// How many items wait for room.
    pub fn waiting_for_room(&self) -> usize {
        self.items.waiting_for_room()
    }

    /// How many items are stored.
    pub fn len(&self) -> usize {
        self.items.stored()
    }

    /// Whether no item is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many consumers wait for an item.
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
