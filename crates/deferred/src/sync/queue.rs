//! `DeferredQueue`, for several threads.

use std::fmt;
use std::panic::Location;

use super::deferred::Deferred;
use crate::chain::Shared;
use crate::concurrency::{Items, QueueOverflow, QueueUnderflow};

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
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = deferred::sync::DeferredQueue::new();
    /// for n in 0..1000 {
    ///     queue.put(n).expect("there is no limit");
    /// }
    /// assert_eq!(queue.len(), 1000);
    /// ```
    pub fn new() -> Self {
        Self::with_limits(None, None)
    }

    /// A queue that stores at most `size` items, and lets at most `backlog` wait for
    /// one; see [`crate::DeferredQueue::with_limits`].
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::DeferredQueue;
    ///
    /// let queue = DeferredQueue::with_limits(Some(1), Some(0));
    /// assert!(queue.get().is_err(), "nobody may wait");
    /// assert!(queue.put("first").is_ok());
    /// assert!(queue.put("second").is_err(), "one is stored already");
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::DeferredQueue;
    /// use std::thread;
    ///
    /// let jobs = DeferredQueue::new();
    /// let worker = jobs.get().unwrap().add_callback(|_job: &str| Ok(thread::current().id()));
    /// let boss = thread::spawn(move || jobs.put("print").is_ok());
    /// let boss_id = boss.thread().id();
    /// assert!(boss.join().unwrap());
    /// assert_eq!(worker.into_result().unwrap().unwrap(), boss_id, "callbacks run where it is put");
    /// ```
    pub fn put(&self, item: T) -> Result<(), QueueOverflow<T>> {
        self.items.put(item)
    }

    /// The item that was stored first; if there is none, the next that is put.
    ///
    /// # Errors
    ///
    /// [`QueueUnderflow`], if nothing is stored and as many wait as may.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::DeferredQueue;
    /// use std::thread;
    ///
    /// let jobs = DeferredQueue::new();
    /// jobs.put("print").unwrap();
    /// let worker = jobs.clone();
    /// let job = thread::spawn(move || worker.get().unwrap().into_result()).join().unwrap();
    /// assert_eq!(job.unwrap().unwrap(), "print");
    /// ```
    #[track_caller]
    pub fn get(&self) -> Result<Deferred<T>, QueueUnderflow> {
        let receiver = self.items.get(Location::caller())?;
        Ok(Deferred::from_receiver(receiver))
    }

    /// Puts an item when there is room for it: the Deferred fires when the item is stored,
    /// or given to one that waits for it. The items of several that wait for room are put
    /// in the order of asking.
    ///
    /// A cancel while it waits takes the item out of the line and drops it; the Deferred
    /// fails with [`Cancelled`](crate::Cancelled). If the queue is closed, it fails with
    /// [`QueueClosed`](crate::QueueClosed), and the item is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::DeferredQueue;
    ///
    /// let queue = DeferredQueue::with_limits(Some(1), None);
    /// assert!(queue.put_when_room("first").into_result().is_ok(), "there is room");
    /// let second = queue.put_when_room("second").into_result().unwrap_err();
    /// assert_eq!(queue.get()?.into_result().unwrap().unwrap(), "first");
    /// assert!(second.into_result().is_ok(), "it has taken the room");
    /// # Ok::<(), deferred::QueueUnderflow>(())
    /// ```
    #[track_caller]
    #[doc(alias = "send")]
    pub fn put_when_room(&self, item: T) -> Deferred<()> {
        Deferred::from_receiver(self.items.put_when_room(item, Location::caller()))
    }

    /// Closes the queue: nothing can be put any more. What is stored, and what waits for
    /// room, can still be got; whatever asks for more, or waits for an item already, fails
    /// with [`QueueClosed`](crate::QueueClosed).
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{QueueClosed, sync::DeferredQueue};
    ///
    /// let queue = DeferredQueue::new();
    /// queue.put("last").unwrap();
    /// queue.close();
    /// assert_eq!(queue.get()?.into_result().unwrap().unwrap(), "last");
    /// assert!(queue.get()?.into_result().unwrap().unwrap_err().is::<QueueClosed>());
    /// # Ok::<(), deferred::QueueUnderflow>(())
    /// ```
    #[track_caller]
    pub fn close(&self) {
        self.items.close(Location::caller());
    }

    /// Whether the queue was closed.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = deferred::sync::DeferredQueue::<u8>::new();
    /// queue.close();
    /// assert!(queue.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.items.is_closed()
    }

    /// How many items wait for room.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = deferred::sync::DeferredQueue::with_limits(Some(0), None);
    /// queue.put_when_room("a job").detach();
    /// assert_eq!((queue.len(), queue.waiting_for_room()), (0, 1));
    /// ```
    pub fn waiting_for_room(&self) -> usize {
        self.items.waiting_for_room()
    }

    /// How many items were stored a moment ago.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = deferred::sync::DeferredQueue::new();
    /// queue.put("a job").unwrap();
    /// assert_eq!(queue.len(), 1);
    /// assert!(queue.get().is_ok());
    /// assert_eq!(queue.len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.items.stored()
    }

    /// Whether no item was stored a moment ago.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = deferred::sync::DeferredQueue::new();
    /// let _job = queue.get().unwrap();
    /// queue.put("a job").unwrap();
    /// assert!(queue.is_empty(), "somebody waited for it");
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many waited for an item a moment ago.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = deferred::sync::DeferredQueue::<&str>::new();
    /// let worker = queue.get().unwrap();
    /// assert_eq!(queue.waiting(), 1);
    /// worker.cancel(); // it goes home
    /// assert_eq!(queue.waiting(), 0);
    /// # worker.ignore();
    /// ```
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
