//! `DeferredSemaphore`, for several threads.

use std::fmt;
use std::panic::Location;

use super::deferred::Deferred;
use super::outcome::Outcome;
use crate::chain::Shared;
use crate::concurrency::{Token, Tokens, ZeroTokens};

/// Lets a number of those who come go on at a time, whichever thread they are on;
/// see [`crate::DeferredSemaphore`].
///
/// # Examples
///
/// ```
/// use deferred::sync::DeferredSemaphore;
/// use std::thread;
///
/// let semaphore = DeferredSemaphore::new(1).unwrap();
/// let permit = semaphore.acquire().into_result().unwrap().unwrap();
/// let next = semaphore.acquire();
/// thread::spawn(move || permit.release()).join().unwrap();
/// assert!(next.into_result().unwrap().is_ok());
/// ```
pub struct DeferredSemaphore {
    tokens: Tokens<Shared, Permit>,
}

impl DeferredSemaphore {
    /// A semaphore with `tokens` free tokens.
    ///
    /// # Errors
    ///
    /// [`ZeroTokens`], if nobody could ever acquire it.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::DeferredSemaphore;
    ///
    /// assert!(DeferredSemaphore::new(0).is_err(), "nobody could ever go on");
    /// assert_eq!(DeferredSemaphore::new(3).unwrap().tokens(), 3);
    /// ```
    pub fn new(tokens: usize) -> Result<Self, ZeroTokens> {
        if tokens == 0 {
            return Err(ZeroTokens);
        }
        Ok(Self {
            tokens: Tokens::new(tokens),
        })
    }

    /// A token, when it is this one's turn; see
    /// [`crate::DeferredSemaphore::acquire`].
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::DeferredSemaphore;
    /// use std::thread;
    ///
    /// let semaphore = DeferredSemaphore::new(2).unwrap();
    /// let held = [semaphore.acquire(), semaphore.acquire()].map(|held| held.into_result().unwrap());
    /// let third = semaphore.acquire().into_result().expect_err("there are two");
    /// thread::spawn(move || drop(held)).join().unwrap();
    /// assert!(third.into_result().is_ok());
    /// ```
    #[track_caller]
    pub fn acquire(&self) -> Deferred<Permit> {
        Deferred::from_receiver(self.tokens.acquire(Location::caller()))
    }

    /// Calls `f` when it is this one's turn, and holds a token until its outcome is
    /// known; see [`crate::DeferredLock::run`].
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::{Deferred, DeferredSemaphore};
    /// use std::thread;
    ///
    /// let one = DeferredSemaphore::new(1).unwrap();
    /// let (read, page) = Deferred::pair();
    /// let first = one.run(move || page);
    /// let second = one.run(|| Ok("second")).into_result().expect_err("one at a time");
    /// thread::spawn(move || read.callback("first")).join().unwrap().unwrap();
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

    /// How many tokens were free a moment ago.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = deferred::sync::DeferredSemaphore::new(3).unwrap();
    /// let _permit = semaphore.acquire().into_result().unwrap().unwrap();
    /// assert_eq!(semaphore.tokens(), 2);
    /// ```
    pub fn tokens(&self) -> usize {
        self.tokens.free()
    }

    /// How many tokens there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = deferred::sync::DeferredSemaphore::new(3).unwrap();
    /// let _permit = semaphore.acquire().into_result().unwrap().unwrap();
    /// assert_eq!(semaphore.limit() - semaphore.tokens(), 1, "so many are at work");
    /// ```
    pub fn limit(&self) -> usize {
        self.tokens.limit()
    }
}

impl Clone for DeferredSemaphore {
    fn clone(&self) -> Self {
        Self {
            tokens: self.tokens.clone(),
        }
    }
}

impl fmt::Debug for DeferredSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredSemaphore")
            .field("tokens", &self.tokens())
            .field("limit", &self.limit())
            .finish()
    }
}

/// A token of a [`DeferredSemaphore`]. Dropping it, on any thread, gives it to the
/// next, or back.
///
/// # Examples
///
/// ```
/// use deferred::sync::DeferredSemaphore;
/// use std::thread;
///
/// let semaphore = DeferredSemaphore::new(2).unwrap();
/// let permit = semaphore.acquire().into_result().unwrap().unwrap();
/// thread::spawn(move || {
///     let _permit = permit; // as long as this thread works
///     println!("working");
/// })
/// .join()
/// .unwrap();
/// assert_eq!(semaphore.tokens(), 2);
/// ```
#[must_use = "the token is given back as soon as this is dropped"]
#[derive(Debug)]
pub struct Permit {
    _token: Token<Shared, Self>,
}

impl Permit {
    /// Gives the token back; the callbacks of the one who gets it run on this thread
    /// before this returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::DeferredSemaphore;
    /// use std::thread;
    ///
    /// let semaphore = DeferredSemaphore::new(1).unwrap();
    /// let permit = semaphore.acquire().into_result().unwrap().unwrap();
    /// let next = semaphore.run(|| Ok("my turn"));
    /// thread::spawn(move || permit.release()).join().unwrap(); // calls it
    /// assert_eq!(next.into_result().unwrap().unwrap(), "my turn");
    /// ```
    pub fn release(self) {
        drop(self);
    }
}

#[doc(hidden)]
impl From<Token<Shared, Self>> for Permit {
    fn from(token: Token<Shared, Self>) -> Self {
        Self { _token: token }
    }
}
