//! `DeferredSemaphore`: a number of holders at a time.

use std::fmt;
use std::panic::Location;

use super::deferred::Deferred;
use super::outcome::Outcome;
use crate::chain::Local;
use crate::concurrency::ZeroTokens;
use crate::concurrency::{Token, Tokens};

/// Lets a number of those who come go on at a time: a
/// [`DeferredLock`](crate::DeferredLock) with several holders. What is said there of
/// order, re-entrancy and dropping holds here.
///
/// # Examples
///
/// ```
/// use deferred::{Deferred, DeferredSemaphore, gather_results};
/// use std::cell::Cell;
/// use std::rc::Rc;
///
/// // Two downloads at a time.
/// let downloads = DeferredSemaphore::new(2)?;
/// let started = Rc::new(Cell::new(0));
/// let (triggers, pages): (Vec<_>, Vec<_>) = (0..3).map(|_| Deferred::pair()).unzip();
/// let all = gather_results(pages.into_iter().map(|page| {
///     let started = Rc::clone(&started);
///     downloads.run(move || {
///         started.set(started.get() + 1);
///         page
///     })
/// }));
/// assert_eq!(started.get(), 2);
/// triggers[1].callback("a page").unwrap();
/// assert_eq!(started.get(), 3);
/// triggers[0].callback("a page").unwrap();
/// triggers[2].callback("a page").unwrap();
/// assert_eq!(all.into_result().unwrap().unwrap().len(), 3);
/// # Ok::<(), deferred::ZeroTokens>(())
/// ```
pub struct DeferredSemaphore {
    tokens: Tokens<Local, Permit>,
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
    /// use deferred::DeferredSemaphore;
    ///
    /// assert!(DeferredSemaphore::new(0).is_err());
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

    /// A token, when it is this one's turn: at once, if one is free.
    ///
    /// A cancel while it waits takes it out of the line; it fails with
    /// [`Cancelled`](crate::Cancelled).
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::DeferredSemaphore;
    ///
    /// let semaphore = DeferredSemaphore::new(2).unwrap();
    /// let permit = semaphore.acquire().into_result().unwrap().unwrap();
    /// assert_eq!(semaphore.tokens(), 1);
    /// permit.release();
    /// assert_eq!(semaphore.tokens(), 2);
    /// ```
    #[track_caller]
    pub fn acquire(&self) -> Deferred<Permit> {
        Deferred::from_receiver(self.tokens.acquire(Location::caller()))
    }

    /// Calls `f` when it is this one's turn, and holds a token until its outcome is
    /// known, by the rules of [`DeferredLock::run`](crate::DeferredLock::run).
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::DeferredSemaphore;
    ///
    /// let semaphore = DeferredSemaphore::new(2).unwrap();
    /// let answer = semaphore.run(|| Ok(42)).into_result().unwrap();
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

    /// How many tokens are free.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = deferred::DeferredSemaphore::new(3).unwrap();
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
    /// let semaphore = deferred::DeferredSemaphore::new(3).unwrap();
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

/// A token of a [`DeferredSemaphore`]. Dropping it gives it to the next, or back.
///
/// # Examples
///
/// ```
/// use deferred::DeferredSemaphore;
///
/// let seats = DeferredSemaphore::new(2)?;
/// let guests = [seats.acquire(), seats.acquire()].map(|seat| seat.into_result().unwrap());
/// let third = seats.acquire().into_result().expect_err("no seat is free");
/// drop(guests);
/// assert!(third.into_result().is_ok());
/// assert_eq!(seats.tokens(), 2);
/// # Ok::<(), deferred::ZeroTokens>(())
/// ```
#[must_use = "the token is given back as soon as this is dropped"]
#[derive(Debug)]
pub struct Permit {
    _token: Token<Local, Self>,
}

impl Permit {
    /// Gives the token back; the callbacks of the one who gets it run before this
    /// returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::DeferredSemaphore;
    ///
    /// let semaphore = DeferredSemaphore::new(1).unwrap();
    /// let permit = semaphore.acquire().into_result().unwrap().unwrap();
    /// let next = semaphore.run(|| Ok("my turn"));
    /// permit.release(); // calls it
    /// assert_eq!(next.into_result().unwrap().unwrap(), "my turn");
    /// ```
    pub fn release(self) {
        drop(self);
    }
}

#[doc(hidden)]
impl From<Token<Local, Self>> for Permit {
    fn from(token: Token<Local, Self>) -> Self {
        Self { _token: token }
    }
}
