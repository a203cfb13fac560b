//! `DeferredQueue`: items for whoever asks first.

use std::fmt;
use std::panic::Location;

use super::deferred::Deferred;
use crate::chain::Local;
use crate::concurrency::Items;
use crate::concurrency::{QueueOverflow, QueueUnderflow};

/// Hands items from those who put them to those who get them, each in their order.
///
/// Clones are handles on the same queue.
///
/// # Re-entrancy
///
/// A [`put`](Self::put) for which somebody waits runs the callbacks of that one
/// before it returns. If they put something themselves, and so on, this nests up to
/// 8 deep; the callbacks of those behind run when the outermost put is done.
///
/// # Dropping
///
/// When the last handle goes, those who still wait fail with
/// [`Abandoned`](crate::Abandoned), and what is stored is dropped.
///
/// # Examples
///
/// ```
/// use deferred::DeferredQueue;
///
/// let queue = DeferredQueue::new();
/// let job = queue.get()?.add_callback(|job: &str| Ok(job.to_uppercase()));
/// queue.put("print")?;
/// assert_eq!(job.into_result().unwrap()?, "PRINT");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DeferredQueue<T: 'static> {
    items: Items<Local, T>,
}

impl<T: 'static> DeferredQueue<T> {
    /// A queue without limits.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = deferred::DeferredQueue::new();
    /// for n in 0..1000 {
    ///     queue.put(n).expect("there is no limit");
    /// }
    /// assert_eq!(queue.len(), 1000);
    /// ```
    pub fn new() -> Self {
        Self::with_limits(None, None)
    }

    /// A queue that stores at most `size` items, and lets at most `backlog` wait for
    /// one; `None` is no limit.
    ///
    /// An item that somebody waits for is not stored, so with a size of 0 an item
    /// can be put when somebody waits for it.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::DeferredQueue;
    ///
    /// let queue = DeferredQueue::with_limits(Some(0), Some(1));
    /// assert!(queue.put(1).is_err(), "nobody waits");
    /// let item = queue.get().unwrap();
    /// assert!(queue.get().is_err(), "one waits already");
    /// assert!(queue.put(2).is_ok());
    /// assert_eq!(item.into_result().unwrap().unwrap(), 2);
    /// ```
    pub fn with_limits(size: Option<usize>, backlog: Option<usize>) -> Self {
        Self {
            items: Items::new(size, backlog),
        }
    }

    /// Gives an item to the first who waits for one, or stores it.
    ///
    /// One who waits and is paused gets it all the same.
    ///
    /// # Errors
    ///
    /// [`QueueOverflow`], with the item in it, if nobody waits and as many are
    /// stored as may be.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::DeferredQueue;
    ///
    /// let queue = DeferredQueue::with_limits(Some(1), None);
    /// queue.put("first")?;
    /// let refused = queue.put("second").unwrap_err();
    /// assert_eq!(refused.into_inner(), "second");
    /// # Ok::<(), deferred::QueueOverflow<&str>>(())
    /// ```
    pub fn put(&self, item: T) -> Result<(), QueueOverflow<T>> {
        self.items.put(item)
    }

    /// The item that was stored first; if there is none, the next that is put and
    /// that nobody waits for who came before.
    ///
    /// A cancel while it waits takes it out of the line; it fails with
    /// [`Cancelled`](crate::Cancelled).
    ///
    /// # Errors
    ///
    /// [`QueueUnderflow`], if nothing is stored and as many wait as may.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::DeferredQueue;
    ///
    /// let queue = DeferredQueue::new();
    /// let first = queue.get()?;
    /// assert_eq!(queue.waiting(), 1);
    /// queue.put(7).expect("there is no limit");
    /// assert_eq!(first.into_result().unwrap().unwrap(), 7);
    /// # Ok::<(), deferred::QueueUnderflow>(())
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
    /// use deferred::DeferredQueue;
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
    /// use deferred::{QueueClosed, DeferredQueue};
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
    /// let queue = deferred::DeferredQueue::<u8>::new();
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
    /// let queue = deferred::DeferredQueue::with_limits(Some(0), None);
    /// queue.put_when_room("a job").detach();
    /// assert_eq!((queue.len(), queue.waiting_for_room()), (0, 1));
    /// ```
    pub fn waiting_for_room(&self) -> usize {
        self.items.waiting_for_room()
    }

    /// How many items are stored.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = deferred::DeferredQueue::new();
    /// queue.put("a job").unwrap();
    /// assert_eq!(queue.len(), 1);
    /// assert!(queue.get().is_ok());
    /// assert_eq!(queue.len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.items.stored()
    }

    /// Whether no item is stored.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = deferred::DeferredQueue::new();
    /// let _job = queue.get().unwrap();
    /// queue.put("a job").unwrap();
    /// assert!(queue.is_empty(), "somebody waited for it");
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many wait for an item.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = deferred::DeferredQueue::<&str>::new();
    /// let workers = [queue.get().unwrap(), queue.get().unwrap()];
    /// assert_eq!(queue.waiting(), 2);
    /// workers[0].cancel(); // it goes home
    /// assert_eq!(queue.waiting(), 1);
    /// # for worker in workers { worker.ignore(); }
    /// ```
    pub fn waiting(&self) -> usize {
        self.items.waiting()
    }
}

impl<T: 'static> Default for DeferredQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: 'static> Clone for DeferredQueue<T> {
    fn clone(&self) -> Self {
        Self {
            items: self.items.clone(),
        }
    }
}

impl<T: 'static> fmt::Debug for DeferredQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredQueue")
            .field("len", &self.len())
            .field("waiting", &self.waiting())
            .finish()
    }
}
