//! `DeferredLock`, for several threads.

use std::fmt;
use std::panic::Location;

use super::deferred::Deferred;
use super::outcome::Outcome;
use crate::chain::Shared;
use crate::coordinate::{Token, Tokens};

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
    pub fn new() -> Self {
        Self {
            tokens: Tokens::new(1),
        }
    }

    /// The lock, when it is this one's turn; see [`crate::DeferredLock::acquire`].
    #[track_caller]
    pub fn acquire(&self) -> Deferred<LockGuard> {
        Deferred::from_end(self.tokens.acquire(Location::caller()))
    }

    /// Calls `f` when it is this one's turn, and holds the lock until its outcome
    /// is known; see [`crate::DeferredLock::run`].
    #[track_caller]
    pub fn run<F, O>(&self, f: F) -> Deferred<O::Value>
    where
        F: FnOnce() -> O + Send + 'static,
        O: Outcome,
    {
        let f = move || f().into_step().0;
        Deferred::from_end(self.tokens.run(f, Location::caller()))
    }

    /// Whether somebody held it a moment ago.
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
#[must_use = "the lock is given back as soon as this is dropped"]
#[derive(Debug)]
pub struct LockGuard {
    _token: Token<Shared, Self>,
}

impl LockGuard {
    /// Gives the lock back; the callbacks of the one who gets it run on this thread
    /// before this returns.
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
