//! `DeferredLock`: one holder at a time.

use std::fmt;
use std::panic::Location;

use super::deferred::Deferred;
use super::outcome::Outcome;
use crate::chain::Local;
use crate::concurrency::{Token, Tokens};

/// Lets one at a time do something that takes more than one callback.
///
/// Who comes first is served first. Clones are handles on the same lock.
///
/// # Re-entrancy
///
/// Whoever gives the lock back hands it to the first who waits, whose callbacks run
/// inside the release, before it returns. If they release it themselves, and so on,
/// this nests up to 8 deep; the callbacks of those behind run when the outermost
/// release is done.
///
/// Waiting for a lock that one holds oneself is waiting for ever.
///
/// # Dropping
///
/// The lock is given back by dropping its [`LockGuard`], wherever that is: a
/// Deferred that holds one nobody has seen gives it back when it is dropped. A
/// guard keeps the lock alive, so that those who wait get it also when all other
/// handles are gone; should the last guard be forgotten instead of dropped
/// ([`std::mem::forget`]), they wait for ever.
///
/// # Examples
///
/// ```
/// use deferred::{Deferred, DeferredLock};
/// use std::cell::RefCell;
/// use std::rc::Rc;
///
/// let log = Rc::new(RefCell::new(Vec::new()));
/// let lock = DeferredLock::new();
/// let (write, written) = Deferred::pair();
///
/// let first = lock.run(move || written);
/// let sink = Rc::clone(&log);
/// let second = lock.run(move || sink.borrow_mut().push("the second runs"));
///
/// log.borrow_mut().push("the first is written");
/// write.callback(()).unwrap();
/// assert_eq!(*log.borrow(), ["the first is written", "the second runs"]);
/// assert!(first.into_result().is_ok() && second.into_result().is_ok());
/// ```
pub struct DeferredLock {
    tokens: Tokens<Local, LockGuard>,
}

impl DeferredLock {
    /// A lock that is free.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = deferred::DeferredLock::new();
    /// assert!(lock.acquire().into_result().is_ok(), "at once: it is free");
    /// ```
    pub fn new() -> Self {
        Self {
            tokens: Tokens::new(1),
        }
    }

    /// The lock, when it is this one's turn: at once, if it is free.
    ///
    /// A cancel while it waits takes it out of the line; it fails with
    /// [`Cancelled`](crate::Cancelled).
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::DeferredLock;
    ///
    /// let lock = DeferredLock::new();
    /// let guard = lock.acquire().into_result().unwrap().unwrap();
    /// let waiting = lock.acquire();
    /// let waiting = waiting.into_result().unwrap_err();
    /// guard.release();
    /// assert!(waiting.into_result().unwrap().is_ok());
    /// assert!(!lock.is_locked());
    /// ```
    #[track_caller]
    pub fn acquire(&self) -> Deferred<LockGuard> {
        Deferred::from_receiver(self.tokens.acquire(Location::caller()))
    }

    /// Calls `f` when it is this one's turn, and holds the lock until its outcome
    /// is known.
    ///
    /// The lock is given back before the callbacks of the Deferred that this returns
    /// are called, so the next one's `f` runs before them. A panic in `f` gives it
    /// back, too.
    ///
    /// Cancelled while it waits, `f` is never called; cancelled while it runs, the
    /// Deferred that `f` has returned is.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::DeferredLock;
    ///
    /// let lock = DeferredLock::new();
    /// let answer = lock.run(|| Ok(42)).into_result().unwrap();
    /// assert_eq!(answer.unwrap(), 42);
    /// ```
    #[track_caller]
    pub fn run<F, O>(&self, f: F) -> Deferred<O::Value>
    where
        F: FnOnce() -> O + 'static,
        O: Outcome,
    {
        let f = move || f().into_step().0;
        Deferred::from_receiver(self.tokens.run(f, Location::caller()))
    }

    /// Whether somebody holds it.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = deferred::DeferredLock::new();
    /// let guard = lock.acquire().into_result().unwrap().unwrap();
    /// assert!(lock.is_locked());
    /// drop(guard);
    /// assert!(!lock.is_locked());
    /// ```
    pub fn is_locked(&self) -> bool {
        self.tokens.free() == 0
    }
}

impl Default for DeferredLock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for DeferredLock {
    fn clone(&self) -> Self {
        Self {
            tokens: self.tokens.clone(),
        }
    }
}

impl fmt::Debug for DeferredLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredLock")
            .field("is_locked", &self.is_locked())
            .finish()
    }
}

/// The right to what a [`DeferredLock`] is about. Dropping it gives the lock to the
/// next, or back.
///
/// # Examples
///
/// ```
/// use deferred::{Deferred, DeferredLock};
///
/// let file = DeferredLock::new();
/// let (write, written) = Deferred::pair();
/// // It goes along with the work, and is given back at its end.
/// let first = file.acquire().add_callback(|guard| written.add_both(move |_result| drop(guard)));
/// let second = file.acquire().into_result().expect_err("the first one writes");
/// write.callback("a line").unwrap();
/// assert!(second.into_result().is_ok());
/// # first.ignore();
/// ```
#[must_use = "the lock is given back as soon as this is dropped"]
#[derive(Debug)]
pub struct LockGuard {
    _token: Token<Local, Self>,
}

impl LockGuard {
    /// Gives the lock back; the callbacks of the one who gets it run before this
    /// returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::DeferredLock;
    ///
    /// let lock = DeferredLock::new();
    /// let guard = lock.acquire().into_result().unwrap().unwrap();
    /// let next = lock.run(|| Ok("my turn"));
    /// guard.release(); // calls it
    /// assert_eq!(next.into_result().unwrap().unwrap(), "my turn");
    /// ```
    pub fn release(self) {
        drop(self);
    }
}

#[doc(hidden)]
impl From<Token<Local, Self>> for LockGuard {
    fn from(token: Token<Local, Self>) -> Self {
        Self { _token: token }
    }
}
