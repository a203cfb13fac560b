//! `Trigger`: the end of a Deferred that fires it.

use std::fmt;
use std::marker::PhantomData;

use crate::chain::{CoreWeak, Invariant, Local, Sender};
use crate::error::AlreadyCalled;
use crate::failure::{Failure, Result};

/// The firing end of a [`Deferred`](crate::Deferred): gives it its one result.
///
/// Clones fire the same Deferred; the first to do so wins. When the last one is
/// dropped and none has fired, the Deferred fails with
/// [`Abandoned`](crate::Abandoned), so that nobody waits for ever.
///
/// # Panics that drop it
///
/// It makes no difference if the last trigger goes because its thread panics, and who
/// catches that panic: the errbacks run inside the drop, while the panic unwinds, and
/// [`std::thread::panicking`] is true in them. A panic of theirs is contained, as any
/// other. The same holds for what a guard or a [`Pause`](crate::Pause) lets go on.
///
/// # Abandonments inside of one another
///
/// If an errback that runs because a trigger was dropped drops a further trigger itself,
/// that abandonment runs when the errback has returned: so a million of them, each
/// dropped by the one before, take no more stack than one. Whatever looks at a Deferred
/// meanwhile (`into_result`, `state`, `Debug`, a poll by an executor) or runs a loop
/// ([`run_woken`](crate::run_woken), [`VirtualClock::advance`](crate::VirtualClock::advance),
/// a reactor) runs it first. Only an errback that blocks its thread by other means, to
/// wait for what that abandonment would do, has to call `run_woken` before.
///
/// # Re-entrancy
///
/// Firing runs the callbacks added so far, before it returns. They may do
/// anything, also to this Deferred: adding to it queues, firing it again is
/// [`AlreadyCalled`]. Firing *another* Deferred runs that one's callbacks inside
/// this one's, on the same stack.
///
/// A callback that captures a trigger of its own Deferred keeps it alive for
/// ever, if nobody fires it: capture a [`WeakTrigger`] instead.
///
/// # Examples
///
/// ```
/// use deferred::Deferred;
///
/// let (trigger, deferred) = Deferred::pair();
/// let doubled = deferred.add_callback(|n: i32| Ok(2 * n));
/// trigger.callback(21).unwrap();
/// assert_eq!(doubled.into_result().unwrap().unwrap(), 42);
/// ```
pub struct Trigger<T: 'static> {
    sender: Sender<Local, T>,
}

impl<T: 'static> Trigger<T> {
    pub(crate) fn new(sender: Sender<Local, T>) -> Self {
        Self { sender }
    }

    pub(crate) fn into_sender(self) -> Sender<Local, T> {
        self.sender
    }

    /// Fires the Deferred with a value.
    ///
    /// # Errors
    ///
    /// [`AlreadyCalled`], with the value in it, if the Deferred was fired before.
    /// One fire after a [`cancel`](crate::Deferred::cancel) of a Deferred without
    /// a canceller is not an error: the value is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::Deferred;
    ///
    /// let (trigger, deferred) = Deferred::pair();
    /// assert!(trigger.callback("first").is_ok());
    /// assert_eq!(trigger.callback("second").unwrap_err().into_inner(), "second");
    /// assert_eq!(deferred.into_result().unwrap().unwrap(), "first");
    /// ```
    #[inline]
    pub fn callback(&self, value: T) -> Result<(), AlreadyCalled<T>> {
        self.fire(Ok(value)).map_err(AlreadyCalled::into_value)
    }

    /// Fires the Deferred with a failure: any error will do, or a [`Failure`].
    ///
    /// # Errors
    ///
    /// [`AlreadyCalled`], as for [`callback`](Self::callback), with the failure.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::Deferred;
    /// use std::io;
    ///
    /// let (trigger, deferred) = Deferred::<String>::pair();
    /// let page = deferred.add_errback(|failure| Ok(format!("sorry: {failure}")));
    /// trigger.errback(io::Error::other("no route")).unwrap();
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
    /// [`AlreadyCalled`], as for [`callback`](Self::callback), with the result.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::Deferred;
    ///
    /// let (trigger, port) = Deferred::pair();
    /// let parsed = "80".parse::<u16>().map_err(Into::into);
    /// trigger.fire(parsed).unwrap();
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
    /// let (trigger, deferred) = deferred::Deferred::pair();
    /// assert!(!trigger.is_fired());
    /// deferred.cancel();
    /// assert!(trigger.is_fired());
    /// # trigger.callback(()).unwrap();
    /// # deferred.ignore();
    /// ```
    pub fn is_fired(&self) -> bool {
        self.sender.is_fired()
    }

    /// Whether both fire the same Deferred.
    ///
    /// # Examples
    ///
    /// ```
    /// let (trigger, deferred) = deferred::Deferred::<()>::pair();
    /// let (other, _) = deferred::Deferred::pair();
    /// assert!(trigger.same_as(&trigger.clone()));
    /// assert!(!trigger.same_as(&other));
    /// # deferred.ignore();
    /// ```
    #[doc(alias = "ptr_eq")]
    pub fn same_as(&self, other: &Self) -> bool {
        self.sender.is_same(&other.sender)
    }

    /// A handle that does not count: it neither keeps the Deferred alive nor
    /// keeps it from being abandoned.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::Deferred;
    ///
    /// let (trigger, deferred) = Deferred::pair();
    /// let weak = trigger.downgrade();
    /// let guarded = deferred.add_callback(move |n: i32| {
    ///     let mine = weak.upgrade().expect("whoever fired it still has his");
    ///     assert!(mine.callback(0).is_err());
    ///     Ok(n)
    /// });
    /// trigger.callback(1).unwrap();
    /// assert_eq!(guarded.into_result().unwrap().unwrap(), 1);
    /// ```
    pub fn downgrade(&self) -> WeakTrigger<T> {
        WeakTrigger {
            core: self.sender.downgrade(),
            input: PhantomData,
        }
    }
}

impl<T: 'static> Clone for Trigger<T> {
    fn clone(&self) -> Self {
        Self::new(self.sender.clone())
    }
}

impl<T: 'static> fmt::Debug for Trigger<T> {
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
/// use deferred::{Abandoned, Deferred, VirtualClock};
/// use std::time::Duration;
///
/// let clock = VirtualClock::new();
/// let (trigger, answer) = Deferred::pair();
/// let weak = trigger.downgrade();
/// clock.call_later(Duration::from_secs(60), move || {
///     if let Some(trigger) = weak.upgrade() {
///         let _ = trigger.callback("nobody knows");
///     }
/// });
/// drop(trigger); // by the one who was to answer
/// let failure = answer.into_result().expect("told at once").unwrap_err();
/// assert!(failure.is::<Abandoned>());
/// ```
pub struct WeakTrigger<T: 'static> {
    core: CoreWeak<Local>,
    input: Invariant<T>,
}

impl<T: 'static> WeakTrigger<T> {
    /// A trigger, unless all triggers are gone.
    ///
    /// # Examples
    ///
    /// ```
    /// let (trigger, deferred) = deferred::Deferred::<()>::pair();
    /// let weak = trigger.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(trigger);
    /// assert!(weak.upgrade().is_none());
    /// # deferred.ignore();
    /// ```
    pub fn upgrade(&self) -> Option<Trigger<T>> {
        Sender::upgrade(&self.core).map(Trigger::new)
    }
}

impl<T: 'static> Clone for WeakTrigger<T> {
    fn clone(&self) -> Self {
        Self {
            core: self.core.clone(),
            input: PhantomData,
        }
    }
}

impl<T: 'static> fmt::Debug for WeakTrigger<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakTrigger").finish_non_exhaustive()
    }
}
