//! `DeferredLock`, for several threads.

use std::fmt;
use std::panic::Location;

use super::deferred::Deferred;
use super::outcome::Outcome;
use crate::chain::Shared;
use crate::concurrency::{Token, Tokens};

/// Lets one at a time do something that takes more than one callback, whichever
/// thread they are on; see [`crate::DeferredLock`].
///
/// No thread is ever blocked by it. The callbacks of the one who gets it run on the
/// thread that gives it back.
///
/// # Examples
///
/// ```
/// use deferred::sync::DeferredLock;
/// use std::thread;
///
/// let lock = DeferredLock::new();
/// let guard = lock.acquire().into_result().unwrap().unwrap();
/// let next = lock.run(|| Ok(thread::current().id()));
/// let other = thread::spawn(move || {
///     guard.release();
///     thread::current().id()
/// });
/// let other = other.join().unwrap();
/// assert_eq!(next.into_result().unwrap().unwrap(), other);
/// ```
pub struct DeferredLock {
    tokens: Tokens<Shared, LockGuard>,
}

impl DeferredLock {
    /// A lock that is free.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = deferred::sync::DeferredLock::new();
    /// assert!(lock.acquire().into_result().is_ok(), "at once: it is free");
    /// ```
    pub fn new() -> Self {
        Self {
            tokens: Tokens::new(1),
        }
    }

    /// The lock, when it is this one's turn; see [`crate::DeferredLock::acquire`].
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::DeferredLock;
    /// use std::thread;
    ///
    /// let lock = DeferredLock::new();
    /// let guard = lock.acquire().into_result().unwrap().unwrap();
    /// let next = lock.acquire().into_result().expect_err("it is held");
    /// thread::spawn(move || drop(guard)).join().unwrap();
    /// assert!(next.into_result().is_ok());
    /// ```
    #[track_caller]
    pub fn acquire(&self) -> Deferred<LockGuard> {
        Deferred::from_receiver(self.tokens.acquire(Location::caller()))
    }

    /// Calls `f` when it is this one's turn, and holds the lock until its outcome
    /// is known; see [`crate::DeferredLock::run`].
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::{Deferred, DeferredLock};
    /// use std::thread;
    ///
    /// let file = DeferredLock::new();
    /// let (write, written) = Deferred::pair();
    /// let first = file.run(move || written);
    /// let second = file.run(|| Ok("second")).into_result().expect_err("the first one writes");
    /// thread::spawn(move || write.callback("first")).join().unwrap().unwrap();
    /// assert_eq!(first.into_result().unwrap().unwrap(), "first");
    /// assert_eq!(second.into_result().unwrap().unwrap(), "second");
    /// ```
    #[track_caller]
    pub fn run<F, O>(&self, f: F) -> Deferred<O::Value>
    where
        F: FnOnce() -> O + Send + 'static,
        O: Outcome,
    {
        let f = move || f().into_step().0;
        Deferred::from_receiver(self.tokens.run(f, Location::caller()))
    }

    /// Whether somebody held it a moment ago.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = deferred::sync::DeferredLock::new();
    /// let guard = lock.acquire().into_result().unwrap().unwrap();
    /// assert!(lock.is_locked());
    /// std::thread::spawn(move || drop(guard)).join().unwrap();
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

/// The right to what a [`DeferredLock`] is about. Dropping it, on any thread, gives
/// the lock to the next, or back.
///
/// # Examples
///
/// ```
/// use deferred::sync::DeferredLock;
/// use std::thread;
///
/// let lock = DeferredLock::new();
/// let guard = lock.acquire().into_result().unwrap().unwrap();
/// let worker = thread::spawn(move || {
///     let _guard = guard;
///     panic!("out of memory");
/// });
/// assert!(worker.join().is_err());
/// assert!(!lock.is_locked(), "given back all the same");
/// ```
#[must_use = "the lock is given back as soon as this is dropped"]
#[derive(Debug)]
pub struct LockGuard {
    _token: Token<Shared, Self>,
}

impl LockGuard {
    /// Gives the lock back; the callbacks of the one who gets it run on this thread
    /// before this returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::DeferredLock;
    /// use std::thread;
    ///
    /// let lock = DeferredLock::new();
    /// let guard = lock.acquire().into_result().unwrap().unwrap();
    /// let next = lock.run(|| Ok("my turn"));
    /// thread::spawn(move || guard.release()).join().unwrap(); // calls it
    /// assert_eq!(next.into_result().unwrap().unwrap(), "my turn");
    /// ```
    pub fn release(self) {
        drop(self);
    }
}

#[doc(hidden)]
impl From<Token<Shared, Self>> for LockGuard {
    fn from(token: Token<Shared, Self>) -> Self {
        Self { _token: token }
    }
}
