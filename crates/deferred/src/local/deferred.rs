//! `Deferred`: the consuming receiver of a chain, to which callbacks are added.

use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::Location;

use super::handle::{DeferredHandle, Pause};
use super::outcome::{Outcome, Stepped};
use super::trigger::Trigger;
use crate::chain::Local;
use crate::chain::{
    Canceller, Control, Receiver, ReceiverState, Sender, Stage, Storage, cancel_core,
};
use crate::failure::{Failure, Result};
use crate::log_error::LogError;
use crate::pair::{Forward, OnBoth, OnEither, OnFailure, OnValue};
use crate::state::State;

/// A result that is not there yet, with the chain of callbacks that will handle it.
///
/// Callbacks are added in **pairs**: a callback for a value, an errback for a failure. Each
/// pair gets the result of the pair before it. Exactly one of its sides runs; a side that is
/// missing passes its input on. What a callback [returns](Outcome) decides on which side the
/// next pair runs.
///
/// ```text
///              ┌ callback ┐      ┌ callback ┐      ┌ callback ┐
///  a value ───▶│    ok    │─────▶│  Err(..) │─╮ ╭─▶│    ok    │───▶ a value
///              ├──────────┤      ├──────────┤ ╰─╮  ├──────────┤
///  a failure ─▶│ errback  │─────▶│ errback  │───┴─▶│ errback  │───▶ a failure
///              └──────────┘      └──────────┘      └──────────┘
/// ```
///
/// The `add` methods consume the Deferred and return it with the type of the new end of the
/// chain. If it has its result already, a callback runs before the `add` returns.
///
/// # Dropping
///
/// Dropping a Deferred does not cancel it: the callbacks that were added still run. A failure
/// that reaches the end of a dropped chain is reported as
/// [unhandled](crate::unhandled). To cancel on drop, use
/// [`cancel_on_drop`](Self::cancel_on_drop).
///
/// # Awaiting
///
/// A Deferred is a [`Future`] of its `Result`, for any executor.
///
/// # Variance
///
/// It is invariant in `T`, as all ends of chains are: a `Deferred<for<'a> fn(&'a str)>` is
/// no `Deferred<fn(&'static str)>`. Convert the value in a callback.
///
/// # Examples
///
/// ```
/// use deferred::Deferred;
///
/// let (trigger, deferred) = Deferred::pair();
/// let page = deferred
///     .add_callback(|text: &str| Ok(text.parse::<u32>()?))
///     .add_callback(|number| Ok(format!("<h1>{number}</h1>")))
///     .add_errback(|failure| Ok(format!("<p>{failure}</p>")));
///
/// trigger.callback("forty-two").unwrap();
/// let page = page.into_result().unwrap().unwrap();
/// assert_eq!(page, "<p>invalid digit found in string</p>");
/// ```
#[doc(alias = "Promise")]
#[doc(alias = "Future")]
#[doc(alias = "Receiver")]
pub struct Deferred<T: 'static> {
    receiver: Receiver<Local, T>,
}

impl<T: 'static> Deferred<T> {
    /// Makes a Deferred and the [`Trigger`] that fires it.
    #[track_caller]
    #[inline(always)]
    #[doc(alias = "oneshot")]
    #[doc(alias = "channel")]
    pub fn pair() -> (Trigger<T>, Self) {
        let (sender, receiver) = Sender::pair(Location::caller());
        (Trigger::new(sender), Self { receiver })
    }

    /// As [`pair`](Self::pair), with a canceller: the function by which
    /// [`cancel`](Self::cancel) stops the work.
    ///
    /// The canceller is called at most once, and only if the Deferred has not been fired. It
    /// gets a trigger and may fire the Deferred with it. If it does not, the Deferred fails
    /// with [`Cancelled`](crate::Cancelled). Firing the Deferred drops the canceller. A panic
    /// in it is contained.
    ///
    /// A canceller that needs the object that it stops is easier to write with
    /// [`start`](Self::start).
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::Deferred;
    ///
    /// let (_trigger, download) = Deferred::with_canceller(|trigger| {
    ///     let _ = trigger.callback("the first half");
    /// });
    /// download.cancel();
    /// assert_eq!(download.into_result().unwrap().unwrap(), "the first half");
    /// ```
    #[track_caller]
    pub fn with_canceller(canceller: impl FnOnce(Trigger<T>) + 'static) -> (Trigger<T>, Self) {
        let (sender, receiver) = Sender::pair(Location::caller());
        // The canceller gets its trigger when it is called. One that it owned from the beginning would
        // keep the Deferred from being abandoned.
        let canceller: <Local as Storage>::Canceller =
            Box::new(|core| canceller(Trigger::new(Sender::attach(core))));
        sender.set_canceller(Canceller::Call(canceller));
        (Trigger::new(sender), Self { receiver })
    }

    /// Adds a callback: it gets the value, and its [return value](Outcome) is the next result.
    /// A failure skips it.
    ///
    /// # Examples
    ///
    /// A callback returns `Ok(value)`, an error by `?`, another Deferred to wait for, or `()`:
    ///
    /// ```
    /// use deferred::{Deferred, succeed};
    ///
    /// # fn square(number: i32) -> Deferred<i32> { succeed(number * number) }
    /// let done = succeed("7")
    ///     .add_callback(|text| Ok(text.parse::<i32>()?))
    ///     .add_callback(|number| square(number))
    ///     .add_callback(|square| println!("{square}"));
    /// assert!(done.into_result().unwrap().is_ok());
    /// ```
    #[track_caller]
    #[inline]
    #[doc(alias = "addCallback")]
    #[doc(alias = "then")]
    #[doc(alias = "and_then")]
    pub fn add_callback<F, O>(self, callback: F) -> Deferred<O::Value>
    where
        F: FnOnce(T) -> O + 'static,
        O: Outcome,
    {
        let callback = move |value| callback(value).into_step().0;
        self.add(OnValue(callback), Location::caller())
    }

    /// Adds an errback: it gets the failure, and its [return value](Outcome) is the next
    /// result. A value skips it.
    ///
    /// # Examples
    ///
    /// [`Failure::trap`] handles errors of one type and passes the others on:
    ///
    /// ```
    /// use deferred::fail;
    /// use std::io;
    ///
    /// let page = fail(io::Error::other("no route")).add_errback(|failure| {
    ///     failure.trap::<io::Error>()?;
    ///     Ok("try again later")
    /// });
    /// assert_eq!(page.into_result().unwrap().unwrap(), "try again later");
    /// ```
    #[track_caller]
    #[inline]
    #[doc(alias = "addErrback")]
    #[doc(alias = "catch")]
    #[doc(alias = "or_else")]
    pub fn add_errback<F, O>(self, errback: F) -> Self
    where
        F: FnOnce(Failure) -> O + 'static,
        O: Outcome<Value = T>,
    {
        let errback = move |failure| errback(failure).into_step().0;
        self.add(OnFailure(errback), Location::caller())
    }

    /// Adds one function for both sides: it gets the `Result`. Return it to leave it as it is.
    #[track_caller]
    #[inline]
    #[doc(alias = "addBoth")]
    #[doc(alias = "finally")]
    pub fn add_both<F, O>(self, both: F) -> Deferred<O::Value>
    where
        F: FnOnce(Result<T>) -> O + 'static,
        O: Outcome,
    {
        let both = move |result| both(result).into_step().0;
        self.add(OnBoth(both), Location::caller())
    }

    /// Adds a pair: a callback for a value and an errback for a failure, of which exactly one
    /// runs.
    ///
    /// The errback does not get a failure of its own callback; that goes to the next pair.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Failure, succeed};
    ///
    /// let told = succeed("a page")
    ///     .add_callbacks(
    ///         |_page| Err(Failure::msg("out of paper")),
    ///         |_failure| Ok("not called: the callback ran"),
    ///     )
    ///     .add_errback(|failure| Ok(if failure.message() == "out of paper" { "refill" } else { "?" }));
    /// assert_eq!(told.into_result().unwrap().unwrap(), "refill");
    /// ```
    #[track_caller]
    #[inline]
    #[doc(alias = "addCallbacks")]
    #[doc(alias = "then")]
    pub fn add_callbacks<F, G, O, P>(self, callback: F, errback: G) -> Deferred<O::Value>
    where
        F: FnOnce(T) -> O + 'static,
        G: FnOnce(Failure) -> P + 'static,
        O: Outcome,
        P: Outcome<Value = O::Value>,
    {
        let callback = move |value| callback(value).into_step().0;
        let errback = move |failure| errback(failure).into_step().0;
        self.add(OnEither(callback, errback), Location::caller())
    }

    /// Fires another Deferred with the result, value or failure, and goes on with `()`.
    ///
    /// If the other Deferred was fired before, this one goes on with
    /// [`AlreadyCalled`](crate::AlreadyCalled). Cancelling or pausing the other one has no
    /// effect on this one.
    #[track_caller]
    #[doc(alias = "chainDeferred")]
    pub fn chain_deferred(self, other: Trigger<T>) -> Deferred<()> {
        self.add(Forward(other.into_sender()), Location::caller())
    }

    /// Logs a failure that reaches this stage, at ERROR level, and passes it on.
    ///
    /// A failure that was logged counts as seen: if it reaches the end of the chain, it is not
    /// reported as [unhandled](crate::unhandled) a second time. A new failure that a later
    /// callback makes of it is. Without a `tracing` subscriber the log goes to standard error.
    ///
    /// # Examples
    ///
    /// At the end of a chain whose result is of no interest:
    ///
    /// ```
    /// use deferred::{Failure, fail};
    ///
    /// fail::<i32>(Failure::msg("no")).log_error().detach();
    /// ```
    #[track_caller]
    #[doc(alias = "logError")]
    pub fn log_error(self) -> Self {
        self.add(LogError(Location::caller()), Location::caller())
    }

    pub(crate) fn from_receiver(receiver: Receiver<Local, T>) -> Self {
        Self { receiver }
    }

    /// A Deferred of a callback's outcome, outside of any chain.
    pub(crate) fn from_step(step: Stepped<T>) -> Self {
        Self {
            receiver: Receiver::from_step(step.0),
        }
    }

    #[inline(always)]
    fn add<S: Stage<Local, T>>(
        self,
        stage: S,
        added_at: &'static Location<'static>,
    ) -> Deferred<S::Out>
    where
        S::Out: 'static,
    {
        Deferred {
            receiver: self.into_receiver().add(stage, added_at),
        }
    }

    /// Cancels the work: the result is not wanted any more.
    ///
    /// - Not fired, with a canceller: the canceller is called. Unless that fires the
    ///   Deferred, it fails with [`Cancelled`](crate::Cancelled).
    /// - Not fired, without a canceller: it fails with `Cancelled`. One later fire is
    ///   ignored, since the producer cannot know.
    /// - Waiting for another Deferred: that one is cancelled, and this one gets its result.
    /// - Otherwise there is nothing to stop, and nothing happens.
    ///
    /// Callbacks that run because of this run before it returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Cancelled, Deferred};
    ///
    /// let (trigger, deferred) = Deferred::pair();
    /// deferred.cancel();
    /// assert!(trigger.callback(1).is_ok(), "ignored");
    /// assert!(trigger.callback(2).is_err(), "once only");
    /// assert!(deferred.into_result().unwrap().unwrap_err().is::<Cancelled>());
    /// ```
    #[track_caller]
    #[doc(alias = "abort")]
    pub fn cancel(&self) {
        // Only a linked one has a core; another has its result, and nothing to cancel.
        if let Receiver::Linked(link) = &self.receiver {
            cancel_core::<Local>(link.core(), Location::caller());
        }
    }

    /// Holds back the callbacks until the [`Pause`] is dropped. The Deferred may be fired
    /// before that.
    ///
    /// From inside one of its own callbacks, through a [`handle`](Self::handle), the pause
    /// takes effect when that callback returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::succeed;
    ///
    /// let mut deferred = succeed(1);
    /// let pause = deferred.pause();
    /// let deferred = deferred.add_callback(|n| Ok(n + 1));
    /// let deferred = deferred.into_result().expect_err("paused");
    /// pause.unpause();
    /// assert_eq!(deferred.into_result().unwrap().unwrap(), 2);
    /// ```
    #[track_caller]
    pub fn pause(&mut self) -> Pause {
        Pause::new(self.receiver.pause(Location::caller()))
    }

    /// A handle by which the Deferred can be cancelled, paused or looked at after it has
    /// moved.
    ///
    /// It takes `&mut self` because a Deferred that was made with its result, as
    /// [`succeed`](super::succeed) does, first gets the memory that a handle refers to.
    #[track_caller]
    #[doc(alias = "abort_handle")]
    pub fn handle(&mut self) -> DeferredHandle {
        DeferredHandle::new(Control::new(self.receiver.core(Location::caller())))
    }

    /// The phase that the Deferred is in.
    pub fn state(&self) -> State {
        // Without a core, it has its result.
        self.receiver.look().unwrap_or(State::Done)
    }

    /// Takes the result, if it is there and every callback has run.
    ///
    /// A failure that is taken counts as handled.
    ///
    /// # Errors
    ///
    /// The Deferred itself, if its result is not there yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::Deferred;
    ///
    /// let (trigger, deferred) = Deferred::pair();
    /// let deferred = deferred.into_result().unwrap_err();
    /// trigger.callback(2).unwrap();
    /// assert_eq!(deferred.into_result().unwrap().unwrap(), 2);
    /// ```
    #[inline(always)]
    #[doc(alias = "try_recv")]
    #[doc(alias = "now_or_never")]
    pub fn into_result(self) -> Result<Result<T>, Self> {
        self.into_receiver()
            .into_result()
            .map_err(|receiver| Self { receiver })
    }

    /// Drops the Deferred, as a statement: its callbacks still run, and a failure at the end
    /// is reported as [unhandled](crate::unhandled).
    pub fn detach(self) {
        drop(self);
    }

    /// Drops the Deferred and its result: its callbacks still run, but a failure at the end
    /// is not reported.
    pub fn ignore(self) {
        self.into_receiver().let_go(ReceiverState::Ignored);
    }

    #[inline(always)]
    pub(crate) fn into_receiver(self) -> Receiver<Local, T> {
        // Not dropped: `take` leaves nothing behind that has to be dropped.
        ManuallyDrop::new(self).receiver.take()
    }

    pub(crate) fn receiver_mut(&mut self) -> &mut Receiver<Local, T> {
        &mut self.receiver
    }
}

impl<T: 'static> Drop for Deferred<T> {
    #[inline]
    fn drop(&mut self) {
        if !matches!(self.receiver, Receiver::Taken) {
            self.receiver.take().let_go(ReceiverState::Detached);
        }
    }
}

/// A callback that returns a Deferred makes its chain wait for it.
impl<U: 'static> Outcome for Deferred<U> {
    type Value = U;

    #[inline]
    fn into_step(self) -> Stepped<U> {
        Stepped(self.into_receiver().into_step())
    }
}

/// A Deferred that has its result.
impl<T: 'static> From<Result<T>> for Deferred<T> {
    #[inline]
    fn from(result: Result<T>) -> Self {
        Self {
            receiver: Receiver::Ready(result),
        }
    }
}

impl<T: 'static> fmt::Debug for Deferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.receiver.debug(f)
    }
}
