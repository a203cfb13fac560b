//! The errors of Deferreds and triggers.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::Location;

pub(crate) use crate::failure::plain_error;
pub use crate::failure::{Abandoned, Cancelled};
use crate::failure::{Failure, Result};
use crate::panics::catch;

/// The value of a fire that was refused, because the Deferred was fired before.
///
/// [`into_inner`](Self::into_inner) gives the value back. To pass the error on, use `?`: it
/// drops the value, which need be neither `Send` nor an error, and makes an [`AlreadyCalled`]
/// of it, in a [`Failure`], a `Box<dyn Error>` or (with the feature `anyhow`) an
/// `anyhow::Error`.
///
/// # Examples
///
/// ```
/// use deferred::{AlreadyCalled, Deferred, Trigger};
/// use std::rc::Rc;
///
/// fn answer(trigger: &Trigger<Rc<str>>) -> deferred::Result<()> {
///     Ok(trigger.callback("42".into())?)
/// }
///
/// let (trigger, deferred) = Deferred::pair();
/// answer(&trigger)?;
/// let refused = trigger.callback("43".into()).unwrap_err();
/// assert_eq!(&*refused.into_inner(), "43");
/// assert!(answer(&trigger).unwrap_err().is::<AlreadyCalled>());
/// # deferred.ignore();
/// # Ok::<(), deferred::Failure>(())
/// ```
#[doc(alias = "SendError")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Undelivered<T> {
    value: T,
}

impl<T> Undelivered<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Undelivered<Result<T>> {
    /// Takes the value out of the result, which must be `Ok`.
    pub(crate) fn into_value(self) -> Undelivered<T> {
        match self.value {
            Ok(value) => Undelivered { value },
            Err(_) => unreachable!("what was refused is what was given"),
        }
    }

    /// Takes the failure out of the result, which must be `Err`.
    pub(crate) fn into_failure(self) -> Undelivered<Failure> {
        match self.value {
            Ok(_) => unreachable!("what was refused is what was given"),
            Err(value) => Undelivered { value },
        }
    }
}

impl<T> fmt::Debug for Undelivered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Undelivered").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for Undelivered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&AlreadyCalled, f)
    }
}

// `Undelivered` does not implement `Error`: otherwise the conversion of every error into a
// `Failure` would apply to it, and that requires a `Send` value.
impl<T> From<Undelivered<T>> for Failure {
    #[track_caller]
    fn from(_: Undelivered<T>) -> Self {
        Self::new(AlreadyCalled)
    }
}

impl<T> From<Undelivered<T>> for AlreadyCalled {
    fn from(_: Undelivered<T>) -> Self {
        Self
    }
}

impl<T> From<Undelivered<T>> for Box<dyn Error> {
    fn from(_: Undelivered<T>) -> Self {
        Box::new(AlreadyCalled)
    }
}

impl<T> From<Undelivered<T>> for Box<dyn Error + Send + Sync> {
    fn from(_: Undelivered<T>) -> Self {
        Box::new(AlreadyCalled)
    }
}

#[cfg(feature = "anyhow")]
impl<T> From<Undelivered<T>> for anyhow::Error {
    fn from(_: Undelivered<T>) -> Self {
        Self::new(AlreadyCalled)
    }
}

plain_error! {
    /// The Deferred was fired before: it takes one result only.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{AlreadyCalled, Deferred, succeed};
    ///
    /// let (trigger, deferred) = Deferred::pair();
    /// trigger.callback(1).unwrap();
    /// let chained = succeed(2).chain_deferred(trigger);
    /// assert!(chained.into_result().unwrap().unwrap_err().is::<AlreadyCalled>());
    /// # deferred.ignore();
    /// ```
    #[doc(alias = "AlreadyCalledError")]
    pub struct AlreadyCalled, "the deferred was already called: it takes one result only"
}

plain_error! {
    /// A Deferred was made to wait, directly or through others, for itself.
    ///
    /// The Deferred that would close the cycle fails with this, so that none of them
    /// hangs.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::errors::WaitCycle;
    /// use deferred::Deferred;
    /// use std::cell::RefCell;
    /// use std::rc::Rc;
    ///
    /// let end = Rc::new(RefCell::new(None));
    /// let itself = Rc::clone(&end);
    /// let (trigger, deferred) = Deferred::<()>::pair();
    /// let (tell, told) = Deferred::<()>::pair();
    /// let deferred = deferred
    ///     .add_callback(move |()| itself.take().expect("it is put there before the fire"))
    ///     .chain_deferred(tell);
    /// end.replace(Some(deferred));
    /// trigger.callback(()).unwrap();
    /// assert!(told.into_result().unwrap().unwrap_err().is::<WaitCycle>());
    /// ```
    pub struct WaitCycle, "the deferred would wait for itself"
}

plain_error! {
    /// The result of a Deferred was asked for after it had been taken: it was
    /// polled again after it was ready.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::Future;
    /// use std::pin::Pin;
    /// use std::task::{Context, Poll, Waker};
    /// use deferred::errors::ResultTaken;
    /// use deferred::succeed;
    ///
    /// let mut deferred = succeed(1);
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(matches!(Pin::new(&mut deferred).poll(&mut cx), Poll::Ready(Ok(1))));
    /// let Poll::Ready(Err(failure)) = Pin::new(&mut deferred).poll(&mut cx) else {
    ///     panic!("ready for good");
    /// };
    /// assert!(failure.is::<ResultTaken>());
    /// ```
    pub struct ResultTaken, "the deferred's result was already taken"
}

/// A callback panicked; this is what the next errback gets.
///
/// With `panic = "abort"` a panic cannot be caught and ends the process instead.
///
/// # Examples
///
/// ```
/// use deferred::{Panicked, succeed};
///
/// # std::panic::set_hook(Box::new(|_| {}));
/// let deferred = succeed(0).add_callback(|zero: i32| Ok(1 / zero));
/// let failure = deferred.into_result().unwrap().unwrap_err();
/// let panicked = failure.check::<Panicked>().unwrap();
/// assert_eq!(panicked.message(), "attempt to divide by zero");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panicked {
    message: String,
}

impl Panicked {
    /// Keeps the message of a caught panic and disposes of its payload, whose
    /// own drop may panic again.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::Panicked;
    /// use std::panic::catch_unwind;
    ///
    /// # std::panic::set_hook(Box::new(|_| {}));
    /// let payload = catch_unwind(|| panic!("out of paper")).unwrap_err();
    /// assert_eq!(Panicked::from_payload(payload).message(), "out of paper");
    /// ```
    pub fn from_payload(payload: Box<dyn Any + Send>) -> Self {
        let message = match payload.downcast_ref::<&'static str>() {
            Some(text) => (*text).to_owned(),
            None => match payload.downcast_ref::<String>() {
                Some(text) => text.clone(),
                None => "a panic whose payload is no text".to_owned(),
            },
        };
        crate::panics::drop_contained(payload);
        Self { message }
    }

    /// The message of the panic.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked: {}", self.message)
    }
}

impl Error for Panicked {}

impl Failure {
    /// Calls `f`; if it panics, the panic becomes a failure ([`Panicked`]).
    ///
    /// For a loop that calls other people's code. Deferreds whose triggers the panic
    /// drops are abandoned at once, while it unwinds.
    ///
    /// # Errors
    ///
    /// The panic. With `panic = "abort"` there is none to catch.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Abandoned, Deferred, Failure, Panicked};
    ///
    /// # std::panic::set_hook(Box::new(|_| {}));
    /// let (trigger, deferred) = Deferred::<i32>::pair();
    /// let handler = move || {
    ///     let _trigger = trigger;
    ///     panic!("what a handler may do")
    /// };
    /// let failure = Failure::catch(handler).unwrap_err();
    /// assert!(failure.is::<Panicked>());
    /// let result = deferred.into_result().unwrap();
    /// assert!(result.unwrap_err().is::<Abandoned>());
    /// ```
    #[track_caller]
    #[inline]
    pub fn catch<R>(f: impl FnOnce() -> R) -> Result<R> {
        // Not by `catch_at`, nor by `map_err`: these would be compiled for each closure, too.
        match catch(f) {
            Ok(result) => Ok(result),
            Err(payload) => Err(Self::of_panic(payload, Location::caller())),
        }
    }

    /// As [`catch`](Self::catch), but the failure names `place`: for example, that of the call with
    /// which the user has handed `f` over.
    ///
    /// # Errors
    ///
    /// The panic.
    #[inline]
    pub fn catch_at<R>(place: &'static Location<'static>, f: impl FnOnce() -> R) -> Result<R> {
        match catch(f) {
            Ok(result) => Ok(result),
            Err(payload) => Err(Self::of_panic(payload, place)),
        }
    }

    #[cold]
    fn of_panic(payload: Box<dyn Any + Send>, called_at: &'static Location<'static>) -> Self {
        Self::raised_at_place(Panicked::from_payload(payload), called_at)
    }
}
