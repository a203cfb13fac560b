//! `Trigger`: the end that fires, from any thread.

use std::fmt;
use std::marker::PhantomData;

use crate::chain::{CoreWeak, Invariant, Sender, Shared};
use crate::error::AlreadyCalled;
use crate::failure::{Failure, Result};

/// The firing end of a [`Deferred`](super::Deferred), for any thread; see
/// [`crate::Trigger`].
///
/// Of several threads that fire at the same time, one wins; the others get
/// [`AlreadyCalled`], with their value in it.
///
/// # Examples
///
/// A thread that panics abandons what it was to fire, at once, whoever catches the panic:
///
/// ```
/// use deferred::sync::Deferred;
/// use deferred::Abandoned;
/// use std::thread;
///
/// # std::panic::set_hook(Box::new(|_| {}));
/// let (trigger, answer) = Deferred::<u32>::pair();
/// let worker = thread::spawn(move || {
///     let _trigger = trigger;
///     panic!("what a thread may do")
/// });
/// worker.join().unwrap_err();
/// assert!(answer.into_result().unwrap().unwrap_err().is::<Abandoned>());
/// ```
///
/// Several threads race:
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
pub struct Trigger<T: Send + 'static> {
    sender: Sender<Shared, T>,
}

impl<T: Send + 'static> Trigger<T> {
    pub(super) fn new(sender: Sender<Shared, T>) -> Self {
        Self { sender }
    }

    pub(super) fn into_sender(self) -> Sender<Shared, T> {
        self.sender
    }

    /// Fires the Deferred with a value; its callbacks run on this thread, before
    /// this returns.
    ///
    /// # Errors
    ///
    /// [`AlreadyCalled`], with the value in it, if the Deferred was fired before.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::Deferred;
    /// use std::thread;
    ///
    /// let (trigger, answer) = Deferred::pair();
    /// let other = trigger.clone();
    /// thread::spawn(move || other.callback("first")).join().unwrap().unwrap();
    /// assert_eq!(trigger.callback("second").unwrap_err().into_inner(), "second");
    /// assert_eq!(answer.into_result().unwrap().unwrap(), "first");
    /// ```
    #[inline]
    pub fn callback(&self, value: T) -> Result<(), AlreadyCalled<T>> {
        self.fire(Ok(value)).map_err(AlreadyCalled::into_value)
    }

    /// Fires the Deferred with a failure: any error will do, or a [`Failure`].
    ///
    /// # Errors
    ///
    /// [`AlreadyCalled`], with the failure in it, if the Deferred was fired before.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::Deferred;
    /// use std::{io, thread};
    ///
    /// let (trigger, page) = Deferred::<String>::pair();
    /// let page = page.add_errback(|failure| Ok(format!("sorry: {failure}")));
    /// let reader = thread::spawn(move || trigger.errback(io::Error::other("no route")));
    /// reader.join().unwrap().unwrap();
    /// assert_eq!(page.into_result().unwrap().unwrap(), "sorry: no route");
    /// ```
    #[track_caller]
    pub fn errback(&self, failure: impl Into<Failure>) -> Result<(), AlreadyCalled<Failure>> {
        self.fire(Err(failure.into()))
            .map_err(AlreadyCalled::into_failure)
    }

    /// Fires the Deferred with a result.
    ///
    /// # Errors
    ///
    /// [`AlreadyCalled`], with the result in it, if the Deferred was fired before.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::Deferred;
    /// use std::thread;
    ///
    /// let (trigger, port) = Deferred::<u16>::pair();
    /// let reader = thread::spawn(move || trigger.fire("80".parse().map_err(Into::into)));
    /// reader.join().unwrap().unwrap();
    /// assert_eq!(port.into_result().unwrap().unwrap(), 80);
    /// ```
    #[inline]
    pub fn fire(&self, result: Result<T>) -> Result<(), AlreadyCalled<Result<T>>> {
        self.sender.fire(result).map_err(AlreadyCalled::new)
    }

    /// Whether the Deferred was fired, by whichever trigger, or cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::Deferred;
    /// use std::thread;
    ///
    /// let (trigger, search) = Deferred::<u32>::pair();
    /// let worker = thread::spawn(move || {
    ///     while !trigger.is_fired() {
    ///         thread::yield_now(); // a piece of the work
    ///     }
    ///     "given up"
    /// });
    /// search.cancel();
    /// assert_eq!(worker.join().unwrap(), "given up");
    /// # search.ignore();
    /// ```
    pub fn is_fired(&self) -> bool {
        self.sender.is_fired()
    }

    /// Whether both fire the same Deferred.
    ///
    /// # Examples
    ///
    /// ```
    /// let (trigger, deferred) = deferred::sync::Deferred::<()>::pair();
    /// let (other, _) = deferred::sync::Deferred::pair();
    /// assert!(trigger.same_as(&trigger.clone()));
    /// assert!(!trigger.same_as(&other));
    /// # deferred.ignore();
    /// ```
    #[doc(alias = "ptr_eq")]
    pub fn same_as(&self, other: &Self) -> bool {
        self.sender.is_same(&other.sender)
    }

    /// A handle that does not count; see [`crate::Trigger::downgrade`].
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Abandoned, sync::Deferred};
    ///
    /// let (trigger, answer) = Deferred::<u32>::pair();
    /// let weak = trigger.downgrade();
    /// std::thread::spawn(move || drop(trigger)).join().unwrap();
    /// assert!(answer.into_result().unwrap().unwrap_err().is::<Abandoned>());
    /// # assert!(weak.upgrade().is_none());
    /// ```
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

/// A [`Trigger`] that does not count, from [`Trigger::downgrade`].
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
/// thread::spawn(move || drop(job)).join().unwrap(); // it has broken down
/// assert_eq!(running(), 0);
/// # done.ignore();
/// ```
pub struct WeakTrigger<T: Send + 'static> {
    core: CoreWeak<Shared>,
    input: Invariant<T>,
}

impl<T: Send + 'static> WeakTrigger<T> {
    /// A trigger, unless all triggers are gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::Deferred;
    /// use std::thread;
    ///
    /// let (trigger, answer) = Deferred::pair();
    /// let weak = trigger.downgrade();
    /// let timer = thread::spawn(move || weak.upgrade().is_some_and(|it| it.callback(0).is_ok()));
    /// assert!(timer.join().unwrap(), "the trigger is still there");
    /// assert_eq!(answer.into_result().unwrap().unwrap(), 0);
    /// # drop(trigger);
    /// ```
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
