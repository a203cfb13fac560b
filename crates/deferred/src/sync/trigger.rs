// Generated from ../local/trigger.rs by tests/flavours: change that file, not this one.

//! `Trigger`: the firing end of a chain.

use std::fmt;
use std::marker::PhantomData;

use crate::chain::Shared;
use crate::chain::{CoreWeak, Invariant, Sender};
use crate::error::Undelivered;
use crate::failure::{Failure, Result};

/// The firing end of a [`Deferred`](super::Deferred): gives it its one result.
///
/// Clones fire the same Deferred; the first fire wins, and each later one is refused with an
/// [`Undelivered`] value. When the last clone is dropped unfired, the Deferred fails with
/// [`Abandoned`](crate::Abandoned), so that its consumers do not wait for ever.
///
/// # Re-entrancy
///
/// Firing runs the callbacks added so far, before it returns. They may do anything, also to
/// this Deferred: a callback that they add to it is queued, a second fire is refused. Firing
/// *another* Deferred runs that one's callbacks inside this one's, on the same stack.
///
/// A callback that captures a trigger of its own Deferred keeps the chain alive for ever,
/// unless the Deferred is fired: capture a [`WeakTrigger`] instead.
///
/// # Abandonments
///
/// Dropping the last trigger runs the errbacks before the drop returns. So it does if a panic
/// drops it: the errbacks run while the panic unwinds, [`std::thread::panicking`] is true in
/// them, and a panic of theirs is contained. The same holds for the callbacks that the drop of a
/// guard or of a [`Pause`](super::Pause) runs.
///
/// If an errback that runs because of an abandonment drops the last trigger of another
/// Deferred, that abandonment runs when the errback has returned: a million of them, each
/// dropped by the one before, take no more stack than one. Looking at a Deferred
/// (`into_result`, `state`, `Debug`, a poll) and running a loop
/// ([`run_woken`](crate::driver::run_woken),
/// [`VirtualClock::advance`](crate::VirtualClock::advance), a reactor) run it first. Only an
/// errback that blocks its thread by other means until that abandonment has run must call
/// `run_woken` before it blocks.
///
/// # Threads
///
/// If several threads fire at the same time, one of them wins, and the others get their
/// [`Undelivered`] values back. A thread that panics drops its triggers, as any panic does.
///
/// # Examples
///
/// ```
/// use deferred::sync::Deferred;
/// use std::thread;
///
/// let (trigger, first) = Deferred::pair();
/// let racers: Vec<_> = (0..4)
///     .map(|n| {
///         let trigger = trigger.clone();
///         thread::spawn(move || trigger.callback(n).is_ok())
///     })
///     .collect();
/// let winners = racers.into_iter().filter_map(|racer| racer.join().ok());
/// assert_eq!(winners.filter(|won| *won).count(), 1);
/// assert!(first.into_result().unwrap().is_ok());
/// ```
#[doc(alias = "Sender")]
#[doc(alias = "Resolver")]
#[doc(alias = "Completer")]
pub struct Trigger<T: Send + 'static> {
    sender: Sender<Shared, T>,
}

impl<T: Send + 'static> Trigger<T> {
    pub(crate) fn new(sender: Sender<Shared, T>) -> Self {
        Self { sender }
    }

    pub(crate) fn into_sender(self) -> Sender<Shared, T> {
        self.sender
    }

    /// Fires the Deferred with a value. Its callbacks run before this returns.
    ///
    /// # Errors
    ///
    /// [`Undelivered`], with the value, if the Deferred was fired before. `?` drops the value
    /// and makes a failure of it ([`AlreadyCalled`](crate::AlreadyCalled)), whatever `T` is.
    ///
    /// One fire after a [`cancel`](super::Deferred::cancel) of a Deferred without a canceller
    /// is no error: the value is dropped.
    #[inline]
    #[doc(alias = "send")]
    #[doc(alias = "resolve")]
    pub fn callback(&self, value: T) -> Result<(), Undelivered<T>> {
        self.fire(Ok(value)).map_err(Undelivered::into_value)
    }

    /// Fires the Deferred with a failure, made of any error.
    ///
    /// # Errors
    ///
    /// [`Undelivered`], with the failure, as [`callback`](Self::callback).
    #[track_caller]
    #[doc(alias = "reject")]
    pub fn errback(&self, failure: impl Into<Failure>) -> Result<(), Undelivered<Failure>> {
        self.fire(Err(failure.into()))
            .map_err(Undelivered::into_failure)
    }

    /// Fires the Deferred with a `Result`.
    ///
    /// # Errors
    ///
    /// [`Undelivered`], with the result, as [`callback`](Self::callback).
    #[inline]
    pub fn fire(&self, result: Result<T>) -> Result<(), Undelivered<Result<T>>> {
        self.sender.fire(result).map_err(Undelivered::new)
    }

    /// Whether the Deferred was fired, through any of its triggers, or cancelled.
    #[doc(alias = "called")]
    #[doc(alias = "is_closed")]
    pub fn is_fired(&self) -> bool {
        self.sender.is_fired()
    }

    /// Whether both fire the same Deferred.
    #[doc(alias = "ptr_eq")]
    pub fn same_as(&self, other: &Self) -> bool {
        self.sender.is_same(&other.sender)
    }

    /// A weak trigger: it neither keeps the Deferred alive nor keeps it from being abandoned.
    pub fn downgrade(&self) -> WeakTrigger<T> {
        WeakTrigger {
            core: self.sender.downgrade(),
            input: PhantomData,
        }
    }
}

impl<T: Send + 'static> Clone for Trigger<T> {
    fn clone(&self) -> Self {
        Self::new(self.sender.clone())
    }
}

impl<T: Send + 'static> fmt::Debug for Trigger<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trigger")
            .field("is_fired", &self.is_fired())
            .finish()
    }
}

/// A [`Trigger`] that does not count as one, from [`Trigger::downgrade`].
///
/// # Examples
///
/// ```
/// use deferred::sync::{Deferred, WeakTrigger};
/// use std::thread;
///
/// let (job, done) = Deferred::<u32>::pair();
/// let jobs: Vec<WeakTrigger<u32>> = vec![job.downgrade()];
/// let running = || jobs.iter().filter(|job| job.upgrade().is_some()).count();
/// assert_eq!(running(), 1);
/// thread::spawn(move || drop(job)).join().unwrap(); // the worker breaks down
/// assert_eq!(running(), 0);
/// # done.ignore();
/// ```
pub struct WeakTrigger<T: Send + 'static> {
    core: CoreWeak<Shared>,
    input: Invariant<T>,
}

impl<T: Send + 'static> WeakTrigger<T> {
    /// A trigger, unless all triggers have been dropped.
    pub fn upgrade(&self) -> Option<Trigger<T>> {
        Sender::upgrade(&self.core).map(Trigger::new)
    }
}

impl<T: Send + 'static> Clone for WeakTrigger<T> {
    fn clone(&self) -> Self {
        Self {
            core: self.core.clone(),
            input: PhantomData,
        }
    }
}

impl<T: Send + 'static> fmt::Debug for WeakTrigger<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakTrigger").finish_non_exhaustive()
    }
}
