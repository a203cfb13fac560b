//! `DeferredSemaphore`: limits the number of operations that run at a time.

use std::fmt;
use std::panic::Location;

use super::deferred::Deferred;
use super::outcome::Outcome;
use crate::chain::Local;
use crate::concurrency::{Token, Tokens, ZeroTokens};

/// A counting semaphore: it has a fixed number of permits, each held by one operation at a time.
///
/// Waiters are served first come, first served. Clones are handles on the same semaphore. For
/// nested releases and for dropping, the rules are those of
/// [`DeferredLock`](super::DeferredLock).
///
/// # Examples
///
/// ```
/// use deferred::{Deferred, DeferredSemaphore};
///
/// let semaphore = DeferredSemaphore::new(2).unwrap();
/// let (triggers, pages): (Vec<_>, Vec<_>) = (0..3).map(|_| Deferred::<()>::pair()).unzip();
/// let downloads: Vec<_> = pages.into_iter().map(|page| semaphore.run(move || page)).collect();
/// assert_eq!(semaphore.tokens(), 0, "two download, one waits");
/// for trigger in triggers {
///     trigger.callback(()).unwrap();
/// }
/// assert_eq!(semaphore.tokens(), 2);
/// assert!(downloads.into_iter().all(|download| download.into_result().is_ok()));
/// ```
#[doc(alias = "Semaphore")]
pub struct DeferredSemaphore {
    tokens: Tokens<Local, Permit>,
}

impl DeferredSemaphore {
    /// A semaphore with `tokens` permits.
    ///
    /// # Errors
    ///
    /// [`ZeroTokens`] if `tokens` is 0, because each waiter would wait for ever.
    pub fn new(tokens: usize) -> Result<Self, ZeroTokens> {
        if tokens == 0 {
            return Err(ZeroTokens);
        }
        Ok(Self {
            tokens: Tokens::new(tokens),
        })
    }

    /// Waits for a permit. If one is free, the Deferred has it at once.
    ///
    /// Cancelling the Deferred while it waits removes it from the queue, and it fails with
    /// [`Cancelled`](crate::Cancelled).
    #[track_caller]
    pub fn acquire(&self) -> Deferred<Permit> {
        Deferred::from_receiver(self.tokens.acquire(Location::caller()))
    }

    /// Calls `f` with a permit held, and releases it when the outcome of `f` is there, by the
    /// rules of [`DeferredLock::run`](super::DeferredLock::run).
    #[track_caller]
    pub fn run<F, O>(&self, f: F) -> Deferred<O::Value>
    where
        F: FnOnce() -> O + 'static,
        O: Outcome,
    {
        let f = move || f().into_step().0;
        Deferred::from_receiver(self.tokens.run(f, Location::caller()))
    }

    /// How many permits are free.
    #[doc(alias = "available_permits")]
    pub fn tokens(&self) -> usize {
        self.tokens.free()
    }

    /// How many permits there are, free or held.
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

/// A permit of a [`DeferredSemaphore`]. Dropping it hands it to the next waiter, or back.
///
/// # Examples
///
/// ```
/// use deferred::DeferredSemaphore;
///
/// let seats = DeferredSemaphore::new(1)?;
/// let guest = seats.acquire().into_result().unwrap();
/// let next = seats.acquire().into_result().expect_err("no seat is free");
/// drop(guest);
/// assert!(next.into_result().is_ok());
/// assert_eq!(seats.tokens(), 1);
/// # Ok::<(), deferred::errors::ZeroTokens>(())
/// ```
#[doc(alias = "SemaphorePermit")]
#[must_use = "the permit is released as soon as this is dropped"]
#[derive(Debug)]
pub struct Permit {
    _token: Token<Local, Self>,
}

impl Permit {
    /// Releases the permit. The callbacks of the next waiter run before this returns.
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
