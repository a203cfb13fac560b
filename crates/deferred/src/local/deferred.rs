//! `Deferred`: the end of a chain that callbacks are added to.

use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::Location;

use super::handle::{DeferredHandle, Pause};
use super::outcome::{Outcome, Stepped};
use super::trigger::Trigger;
use crate::chain::{
    Canceller, Control, Local, Receiver, ReceiverState, Sender, Stage, Storage, cancel_core,
};
use crate::failure::{Failure, Result};
use crate::log_error::LogError;
use crate::pair::{Forward, OnBoth, OnEither, OnFailure, OnValue};
use crate::state::State;

/// A result that is not there yet, and what is to be done with it.
///
/// Work is added as **pairs**: a callback for a value, an errback for a failure.
/// Each pair gets what the one before it gave, exactly one of its sides runs, and
/// a side that is missing passes its input on. What a callback
/// [returns](Outcome) decides on which side the next pair runs.
///
/// ```text
///              ┌ callback ┐      ┌ callback ┐      ┌ callback ┐
///  a value ───▶│    ok    │─────▶│  Err(..) │─╮ ╭─▶│    ok    │───▶ a value
///              ├──────────┤      ├──────────┤ ╰─╮  ├──────────┤
///  a failure ─▶│ errback  │─────▶│ errback  │───┴─▶│ errback  │───▶ a failure
///              └──────────┘      └──────────┘      └──────────┘
/// ```
///
/// The Deferred moves through the `add` methods, so its type is always that of
/// the result at the end of the chain. If it has its result, what is added runs
/// at once, before the `add` returns.
///
/// # Dropping
///
/// Dropping a Deferred does not cancel it: what was added still runs. A failure
/// that reaches the end with nobody to see it is reported, see
/// [`set_unhandled_hook`](crate::set_unhandled_hook).
///
/// # Awaiting
///
/// A Deferred is a [`Future`] of its `Result`, under any executor of one thread.
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
pub struct Deferred<T: 'static> {
    receiver: Receiver<Local, T>,
}

impl<T: 'static> Deferred<T> {
    /// A Deferred and what fires it.
    ///
    /// # Examples
    ///
    /// ```
    /// let (trigger, deferred) = deferred::Deferred::pair();
    /// trigger.callback("done").unwrap();
    /// assert_eq!(deferred.into_result().unwrap().unwrap(), "done");
    /// ```
    #[track_caller]
    #[inline(always)]
    pub fn pair() -> (Trigger<T>, Self) {
        let (sender, receiver) = Sender::pair(Location::caller());
        (Trigger::new(sender), Self { receiver })
    }

    /// As [`pair`](Self::pair), with what [`cancel`](Self::cancel) is to call to
    /// stop the work.
    ///
    /// The canceller is called at most once, and only if the Deferred is not
    /// fired. It is given a trigger, with which it may fire the Deferred itself;
    /// if it does not, the Deferred fails with [`Cancelled`](crate::Cancelled).
    /// It is dropped when the Deferred is fired. A panic in it is contained.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::Deferred;
    ///
    /// let (_trigger, deferred) = Deferred::with_canceller(|trigger| {
    ///     let _ = trigger.callback("what there was so far");
    /// });
    /// deferred.cancel();
    /// let text = deferred.into_result().unwrap().unwrap();
    /// assert_eq!(text, "what there was so far");
    /// ```
    #[track_caller]
    pub fn with_canceller(canceller: impl FnOnce(Trigger<T>) + 'static) -> (Trigger<T>, Self) {
        let (sender, receiver) = Sender::pair(Location::caller());
        let canceller: <Local as Storage>::Canceller =
            Box::new(|core| canceller(Trigger::new(Sender::attach(core))));
        sender.set_canceller(Canceller::Call(canceller));
        (Trigger::new(sender), Self { receiver })
    }

    /// Adds a callback: it gets the value, and what it [returns](Outcome) is passed
    /// on. A failure passes by it.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::succeed;
    ///
    /// let sum = succeed("1 2 3")
    ///     .add_callback(|text| Ok(text.split(' ').map(str::parse).collect::<Result<Vec<i32>, _>>()?))
    ///     .add_callback(|numbers| Ok(numbers.iter().sum::<i32>()));
    /// assert_eq!(sum.into_result().unwrap().unwrap(), 6);
    /// ```
    #[track_caller]
    #[inline]
    pub fn add_callback<F, O>(self, callback: F) -> Deferred<O::Value>
    where
        F: FnOnce(T) -> O + 'static,
        O: Outcome,
    {
        let callback = move |value| callback(value).into_step().0;
        self.add(OnValue(callback), Location::caller())
    }

    /// Adds an errback: it gets the failure, and what it returns is passed on. A
    /// value passes by it.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Failure, fail};
    ///
    /// let deferred = fail::<i32>(Failure::msg("no")).add_errback(|failure| {
    ///     println!("{failure}; taking 0");
    ///     Ok(0)
    /// });
    /// assert_eq!(deferred.into_result().unwrap().unwrap(), 0);
    /// ```
    #[track_caller]
    #[inline]
    pub fn add_errback<F, O>(self, errback: F) -> Self
    where
        F: FnOnce(Failure) -> O + 'static,
        O: Outcome<Value = T>,
    {
        let errback = move |failure| errback(failure).into_step().0;
        self.add(OnFailure(errback), Location::caller())
    }

    /// Adds one function for both sides: it gets the result, whichever it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::succeed;
    ///
    /// let deferred = succeed(1).add_both(|result| {
    ///     println!("finished: {result:?}");
    ///     result
    /// });
    /// assert_eq!(deferred.into_result().unwrap().unwrap(), 1);
    /// ```
    #[track_caller]
    #[inline]
    pub fn add_both<F, O>(self, both: F) -> Deferred<O::Value>
    where
        F: FnOnce(Result<T>) -> O + 'static,
        O: Outcome,
    {
        let both = move |result| both(result).into_step().0;
        self.add(OnBoth(both), Location::caller())
    }

    /// Adds a pair: a callback for a value and an errback for a failure.
    ///
    /// Exactly one of them is called. The errback does not see what its own
    /// callback raises; the next pair's does.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Failure, fail};
    ///
    /// let length = fail(Failure::msg("no such page"))
    ///     .add_callbacks(|page: String| Ok(page.len()), |_failure| Ok(0));
    /// assert_eq!(length.into_result().unwrap().unwrap(), 0);
    /// ```
    #[track_caller]
    #[inline]
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

    /// Lets the result, whichever it is, fire another Deferred, and goes on with
    /// `()`.
    ///
    /// If the other one was fired before, this one goes on with
    /// [`AlreadyCalled<()>`](crate::AlreadyCalled). Cancelling or pausing the
    /// other has no effect on this one.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Deferred, succeed};
    ///
    /// let (trigger, other) = Deferred::pair();
    /// succeed(7).chain_deferred(trigger);
    /// assert_eq!(other.into_result().unwrap().unwrap(), 7);
    /// ```
    #[track_caller]
    pub fn chain_deferred(self, other: Trigger<T>) -> Deferred<()> {
        self.add(Forward(other.into_sender()), Location::caller())
    }

    /// Logs a failure that comes by, at ERROR level, and passes it on: Twisted's
    /// `logError`.
    ///
    /// A failure that was logged counts as seen to: if it comes to the end of a chain
    /// unhandled, it is not reported a second time. What a later callback makes of it, a new
    /// failure, is. Without a `tracing` subscriber it goes to standard error, as the
    /// [report](crate::reset_unhandled_hook) of an unhandled one does.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Failure, fail};
    ///
    /// let deferred = fail::<i32>(Failure::msg("no")).log_error().add_errback(|_told| Ok(0));
    /// assert_eq!(deferred.into_result().unwrap().unwrap(), 0);
    ///
    /// // At the end of a chain that nobody waits for.
    /// fail::<i32>(Failure::msg("no")).log_error().detach();
    /// ```
    #[track_caller]
    pub fn log_error(self) -> Self {
        self.add(LogError(Location::caller()), Location::caller())
    }

    pub(crate) fn from_receiver(receiver: Receiver<Local, T>) -> Self {
        Self { receiver }
    }

    /// What `step` comes to, outside of any chain.
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
    ) -> Deferred<S::Out> {
        Deferred {
            receiver: self.into_receiver().add(stage, added_at),
        }
    }

    /// Cancels: asks whoever works on the result to stop.
    ///
    /// - Not fired, with a canceller: it is called. Unless it fires the
    ///   Deferred, that fails with [`Cancelled`](crate::Cancelled).
    /// - Not fired, without one: the Deferred fails with `Cancelled`, and the one
    ///   fire that may still come is swallowed silently.
    /// - Waiting for another Deferred: that one is cancelled, and this one gets
    ///   what comes of it.
    /// - Otherwise there is nothing to stop, and nothing happens.
    ///
    /// The callbacks that this sets going run before it returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Cancelled, Deferred};
    ///
    /// let (trigger, deferred) = Deferred::pair();
    /// deferred.cancel();
    /// assert!(trigger.callback(1).is_ok(), "swallowed");
    /// assert!(trigger.callback(2).is_err(), "once only");
    /// assert!(deferred.into_result().unwrap().unwrap_err().is::<Cancelled>());
    /// ```
    #[track_caller]
    pub fn cancel(&self) {
        if let Receiver::Linked(link) = &self.receiver {
            cancel_core::<Local>(link.core(), Location::caller());
        }
    }

    /// Holds the Deferred up until the token is dropped. It may be fired
    /// meanwhile, but no callback is called.
    ///
    /// From inside one of its own callbacks, through a
    /// [`handle`](Self::handle), it takes effect when that callback returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::succeed;
    ///
    /// let mut deferred = succeed(1);
    /// let pause = deferred.pause();
    /// let deferred = deferred.add_callback(|n| Ok(n + 1));
    /// let deferred = deferred.into_result().expect_err("held up");
    /// pause.unpause();
    /// assert_eq!(deferred.into_result().unwrap().unwrap(), 2);
    /// ```
    #[track_caller]
    pub fn pause(&mut self) -> Pause {
        Pause::new(self.receiver.pause(Location::caller()))
    }

    /// A handle to cancel, pause or look at the Deferred when it has moved on.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Deferred, State};
    ///
    /// let (trigger, mut deferred) = Deferred::pair();
    /// let handle = deferred.handle();
    /// let page = deferred.add_callback(|number: i32| Ok(number + 1));
    /// assert_eq!(handle.state(), Some(State::Unfired));
    /// trigger.callback(1).unwrap();
    /// assert_eq!(handle.state(), Some(State::Done));
    /// # page.ignore();
    /// ```
    ///
    /// It takes `&mut self` because a Deferred that was made with its result
    /// ([`succeed`](crate::succeed), [`fail`](crate::fail)) has nothing yet that a handle could refer to.
    #[track_caller]
    pub fn handle(&mut self) -> DeferredHandle {
        DeferredHandle::new(Control::new(self.receiver.core(Location::caller())))
    }

    /// What the Deferred is doing.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Deferred, State, succeed};
    ///
    /// let (_trigger, inner) = Deferred::<()>::pair();
    /// assert_eq!(inner.state(), State::Unfired);
    /// assert_eq!(succeed(1).state(), State::Done);
    /// ```
    pub fn state(&self) -> State {
        self.receiver.look().unwrap_or(State::Done)
    }

    /// The result, if it is there and every callback was called.
    ///
    /// A failure that comes out here is in the caller's hands, and not reported
    /// as unhandled.
    ///
    /// # Errors
    ///
    /// The Deferred itself, if its result is not there yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Deferred, succeed};
    ///
    /// assert_eq!(succeed(1).into_result().unwrap().unwrap(), 1);
    ///
    /// let (trigger, deferred) = Deferred::pair();
    /// let deferred = deferred.into_result().unwrap_err();
    /// trigger.callback(2).unwrap();
    /// assert_eq!(deferred.into_result().unwrap().unwrap(), 2);
    /// ```
    #[inline(always)]
    pub fn into_result(self) -> Result<Result<T>, Self> {
        self.into_receiver()
            .into_result()
            .map_err(|receiver| Self { receiver })
    }

    /// Lets go of the Deferred, saying so: what was added still runs, and an
    /// unhandled failure is still reported. It is what dropping does.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::Deferred;
    ///
    /// let (trigger, deferred) = Deferred::pair();
    /// deferred.add_callback(|text: &str| println!("{text}")).detach();
    /// trigger.callback("printed all the same").unwrap();
    /// ```
    pub fn detach(self) {
        drop(self);
    }

    /// Lets go of the Deferred and of whatever comes of it: what was added still
    /// runs, a failure at the end is not reported.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Failure, fail};
    ///
    /// fail::<()>(Failure::msg("nobody is to hear of it")).ignore();
    /// ```
    pub fn ignore(self) {
        self.into_receiver().let_go(ReceiverState::Ignored);
    }

    #[inline(always)]
    pub(crate) fn into_receiver(self) -> Receiver<Local, T> {
        // Not dropped: what is left behind has nothing in it.
        ManuallyDrop::new(self).receiver.take()
    }

    pub(crate) fn receiver(&self) -> &Receiver<Local, T> {
        &self.receiver
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

/// So a callback can return one.
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
