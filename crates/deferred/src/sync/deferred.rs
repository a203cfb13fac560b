//! `Deferred`: the end of a chain that several threads may reach.

use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::Location;

use super::handle::{DeferredHandle, Pause};
use super::outcome::{Outcome, Stepped};
use super::trigger::Trigger;
use crate::chain::{
    Canceller, Control, Receiver, ReceiverState, Sender, Shared, Stage, Storage, cancel_core,
};
use crate::failure::{Failure, Result};
use crate::log_error::LogError;
use crate::pair::{Forward, OnBoth, OnEither, OnFailure, OnValue};
use crate::state::State;

/// A result that is not there yet, and what is to be done with it, on whichever
/// thread it comes; see [`crate::Deferred`].
///
/// It is a [`Future`] of its `Result`, under any executor.
///
/// # Examples
///
/// ```
/// use deferred::sync::Deferred;
/// use std::sync::mpsc;
/// use std::thread;
///
/// let (results, received) = mpsc::channel();
/// let (trigger, deferred) = Deferred::pair();
/// deferred
///     .add_callback(|n: u32| Ok(n + 1))
///     .add_both(move |result| drop(results.send(result)))
///     .detach();
/// thread::spawn(move || trigger.callback(41)).join().unwrap().unwrap();
/// assert_eq!(received.recv().unwrap().unwrap(), 42);
/// ```
pub struct Deferred<T: Send + 'static> {
    receiver: Receiver<Shared, T>,
}

impl<T: Send + 'static> Deferred<T> {
    /// A Deferred and what fires it.
    ///
    /// # Examples
    ///
    /// ```
    /// let (trigger, deferred) = deferred::sync::Deferred::pair();
    /// std::thread::spawn(move || trigger.callback("from afar")).join().unwrap().unwrap();
    /// assert_eq!(deferred.into_result().unwrap().unwrap(), "from afar");
    /// ```
    #[track_caller]
    #[inline]
    pub fn pair() -> (Trigger<T>, Self) {
        let (sender, receiver) = Sender::pair(Location::caller());
        (Trigger::new(sender), Self { receiver })
    }

    /// As [`pair`](Self::pair), with what [`cancel`](Self::cancel) is to call to
    /// stop the work, on the thread that cancels; see
    /// [`crate::Deferred::with_canceller`].
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::Deferred;
    /// use std::{sync::mpsc, thread};
    ///
    /// let (stop, stopped) = mpsc::channel();
    /// let (_trigger, download) = Deferred::<Vec<u8>>::with_canceller(move |_trigger| {
    ///     let _ = stop.send(());
    /// });
    /// let worker = thread::spawn(move || stopped.recv().is_ok());
    /// download.cancel();
    /// assert!(worker.join().unwrap(), "it was told");
    /// # download.ignore();
    /// ```
    #[track_caller]
    pub fn with_canceller(
        canceller: impl FnOnce(Trigger<T>) + Send + 'static,
    ) -> (Trigger<T>, Self) {
        let (sender, receiver) = Sender::pair(Location::caller());
        let canceller: <Shared as Storage>::Canceller =
            Box::new(|core| canceller(Trigger::new(Sender::attach(core))));
        sender.set_canceller(Canceller::Call(canceller));
        (Trigger::new(sender), Self { receiver })
    }

    /// Adds a callback: it gets the value, and what it returns is passed on. A
    /// failure passes by it.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::Deferred;
    /// use std::thread;
    ///
    /// let (trigger, page) = Deferred::pair();
    /// let read = page.add_callback(|text: &str| Ok((text.len(), thread::current().id())));
    /// let reader = thread::spawn(move || trigger.callback("a page"));
    /// let reader_id = reader.thread().id();
    /// reader.join().unwrap().unwrap();
    /// assert_eq!(read.into_result().unwrap().unwrap(), (6, reader_id));
    /// ```
    #[track_caller]
    #[inline]
    pub fn add_callback<F, O>(self, callback: F) -> Deferred<O::Value>
    where
        F: FnOnce(T) -> O + Send + 'static,
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
    /// use deferred::{Abandoned, sync::Deferred};
    ///
    /// let (trigger, page) = Deferred::pair();
    /// let page = page.add_errback(|failure| {
    ///     failure.trap::<Abandoned>()?;
    ///     Ok("the reader has broken down")
    /// });
    /// std::thread::spawn(move || drop(trigger)).join().unwrap();
    /// assert_eq!(page.into_result().unwrap().unwrap(), "the reader has broken down");
    /// ```
    #[track_caller]
    #[inline]
    pub fn add_errback<F, O>(self, errback: F) -> Self
    where
        F: FnOnce(Failure) -> O + Send + 'static,
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
    /// use deferred::sync::Deferred;
    /// use std::{sync::mpsc, thread};
    ///
    /// let (done, results) = mpsc::channel();
    /// let (trigger, deferred) = Deferred::pair();
    /// deferred.add_both(move |result| drop(done.send(result))).detach();
    /// thread::spawn(move || trigger.callback(42)).join().unwrap().unwrap();
    /// assert_eq!(results.recv().unwrap().unwrap(), 42);
    /// ```
    #[track_caller]
    #[inline]
    pub fn add_both<F, O>(self, both: F) -> Deferred<O::Value>
    where
        F: FnOnce(Result<T>) -> O + Send + 'static,
        O: Outcome,
    {
        let both = move |result| both(result).into_step().0;
        self.add(OnBoth(both), Location::caller())
    }

    /// Adds a pair: a callback for a value and an errback for a failure. Exactly
    /// one of them is called.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::Deferred;
    /// use std::thread;
    ///
    /// let (trigger, port) = Deferred::<u16>::pair();
    /// let port = port.add_callbacks(|port| Ok(Some(port)), |_failure| Ok(None));
    /// thread::spawn(move || trigger.fire("http".parse().map_err(Into::into))).join().unwrap().unwrap();
    /// assert_eq!(port.into_result().unwrap().unwrap(), None);
    /// ```
    #[track_caller]
    #[inline]
    pub fn add_callbacks<F, G, O, P>(self, callback: F, errback: G) -> Deferred<O::Value>
    where
        F: FnOnce(T) -> O + Send + 'static,
        G: FnOnce(Failure) -> P + Send + 'static,
        O: Outcome,
        P: Outcome<Value = O::Value>,
    {
        let callback = move |value| callback(value).into_step().0;
        let errback = move |failure| errback(failure).into_step().0;
        self.add(OnEither(callback, errback), Location::caller())
    }

    /// Lets the result fire another Deferred, and goes on with `()`; see
    /// [`crate::Deferred::chain_deferred`].
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::{Deferred, succeed};
    ///
    /// let (trigger, other) = Deferred::pair();
    /// succeed(7).chain_deferred(trigger);
    /// assert_eq!(other.into_result().unwrap().unwrap(), 7);
    /// ```
    #[track_caller]
    pub fn chain_deferred(self, other: Trigger<T>) -> Deferred<()> {
        self.add(Forward(other.into_sender()), Location::caller())
    }

    /// Logs a failure that comes by and passes it on, as one that was seen to; see
    /// [`crate::Deferred::log_error`].
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Failure, sync::fail};
    ///
    /// let count = fail(Failure::msg("no")).log_error().add_errback(|_told| Ok(0));
    /// assert_eq!(count.into_result().unwrap().unwrap(), 0);
    /// ```
    #[track_caller]
    pub fn log_error(self) -> Self {
        self.add(LogError(Location::caller()), Location::caller())
    }

    pub(super) fn from_receiver(receiver: Receiver<Shared, T>) -> Self {
        Self { receiver }
    }

    pub(super) fn from_step(step: Stepped<T>) -> Self {
        Self {
            receiver: Receiver::from_step(step.0),
        }
    }

    #[inline(always)]
    fn add<S: Stage<Shared, T>>(
        self,
        stage: S,
        added_at: &'static Location<'static>,
    ) -> Deferred<S::Out>
    where
        S::Out: Send,
    {
        Deferred {
            receiver: self.into_receiver().add(stage, added_at),
        }
    }

    /// Cancels, by the same rules as [`crate::Deferred::cancel`].
    ///
    /// The canceller, or the callbacks that this sets going, run on this thread
    /// before it returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Cancelled, sync::Deferred};
    ///
    /// let (trigger, answer) = Deferred::pair();
    /// answer.cancel();
    /// let late = std::thread::spawn(move || trigger.callback(42)).join().unwrap();
    /// assert!(late.is_ok(), "swallowed");
    /// assert!(answer.into_result().unwrap().unwrap_err().is::<Cancelled>());
    /// ```
    #[track_caller]
    pub fn cancel(&self) {
        if let Receiver::Linked(link) = &self.receiver {
            cancel_core::<Shared>(link.core(), Location::caller());
        }
    }

    /// Holds the Deferred up until the token is dropped; see
    /// [`crate::Deferred::pause`].
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{State, sync::Deferred};
    ///
    /// let (trigger, mut line) = Deferred::pair();
    /// let pause = line.pause();
    /// std::thread::spawn(move || trigger.callback("held up")).join().unwrap().unwrap();
    /// assert_eq!(line.state(), State::Paused);
    /// drop(pause);
    /// assert_eq!(line.into_result().unwrap().unwrap(), "held up");
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
    /// let (trigger, mut answer) = deferred::sync::Deferred::<i32>::pair();
    /// let handle = answer.handle();
    /// let doubled = answer.add_callback(|n| Ok(2 * n));
    /// std::thread::spawn(move || handle.cancel()).join().unwrap();
    /// assert!(trigger.is_fired() && doubled.into_result().unwrap().is_err());
    /// ```
    #[track_caller]
    pub fn handle(&mut self) -> DeferredHandle {
        DeferredHandle::new(Control::new(self.receiver.core(Location::caller())))
    }

    /// What the Deferred was doing a moment ago.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{State, sync::Deferred};
    ///
    /// let (trigger, deferred) = Deferred::pair();
    /// assert_eq!(deferred.state(), State::Unfired);
    /// std::thread::spawn(move || trigger.callback(1)).join().unwrap().unwrap();
    /// assert_eq!(deferred.state(), State::Done);
    /// # deferred.ignore();
    /// ```
    pub fn state(&self) -> State {
        self.receiver.look().unwrap_or(State::Done)
    }

    /// The result, if it is there and every callback was called.
    ///
    /// # Errors
    ///
    /// The Deferred itself, if its result is not there yet.
    ///
    /// # Examples
    ///
    /// ```
    /// let (trigger, deferred) = deferred::sync::Deferred::pair();
    /// let deferred = deferred.into_result().expect_err("it was not fired");
    /// std::thread::spawn(move || trigger.callback(1)).join().unwrap().unwrap();
    /// assert_eq!(deferred.into_result().unwrap().unwrap(), 1);
    /// ```
    #[inline]
    pub fn into_result(self) -> Result<Result<T>, Self> {
        self.into_receiver()
            .into_result()
            .map_err(|receiver| Self { receiver })
    }

    /// Lets go of the Deferred: what was added still runs, and an unhandled failure
    /// is reported. It is what dropping does.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::Deferred;
    /// use std::{sync::mpsc, thread};
    ///
    /// let (print, printer) = mpsc::channel();
    /// let (trigger, page) = Deferred::pair();
    /// page.add_callback(move |text: &str| Ok(print.send(text)?)).detach();
    /// thread::spawn(move || trigger.callback("a page")).join().unwrap().unwrap();
    /// assert_eq!(printer.recv(), Ok("a page"));
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
    /// use deferred::{Failure, sync::fail, testing::capture_unhandled};
    ///
    /// let ((), unhandled) = capture_unhandled(|| fail::<()>(Failure::msg("no")).ignore());
    /// assert!(unhandled.is_empty());
    /// ```
    pub fn ignore(self) {
        self.into_receiver().let_go(ReceiverState::Ignored);
    }

    #[inline(always)]
    pub(super) fn into_receiver(self) -> Receiver<Shared, T> {
        // Not dropped: what is left behind has nothing in it.
        ManuallyDrop::new(self).receiver.take()
    }

    pub(super) fn receiver_mut(&mut self) -> &mut Receiver<Shared, T> {
        &mut self.receiver
    }
}

impl<T: Send + 'static> Drop for Deferred<T> {
    #[inline]
    fn drop(&mut self) {
        if !matches!(self.receiver, Receiver::Taken) {
            self.receiver.take().let_go(ReceiverState::Detached);
        }
    }
}

/// So a callback can return one.
impl<U: Send + 'static> Outcome for Deferred<U> {
    type Value = U;

    #[inline]
    fn into_step(self) -> Stepped<U> {
        Stepped(self.into_receiver().into_step())
    }
}

/// A Deferred that has its result.
impl<T: Send + 'static> From<Result<T>> for Deferred<T> {
    #[inline]
    fn from(result: Result<T>) -> Self {
        Self {
            receiver: Receiver::Ready(result),
        }
    }
}

impl<T: Send + 'static> fmt::Debug for Deferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.receiver.debug(f)
    }
}
