//! The errors a Deferred itself can give.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::Location;

use crate::failure::{Failure, Result};
use crate::panics::catch;

/// The Deferred was fired before; the value that could not be delivered comes back.
///
/// It is an [`Error`] for every `T`, also for one that is not `Send` or not
/// `Debug`.
///
/// # Examples
///
/// ```
/// use deferred::Deferred;
///
/// let (trigger, deferred) = Deferred::pair();
/// trigger.callback(1).unwrap();
/// let refused = trigger.callback(2).unwrap_err();
/// assert_eq!(refused.into_inner(), 2);
/// # deferred.ignore();
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AlreadyCalled<T> {
    undelivered: T,
}

impl<T> AlreadyCalled<T> {
    pub(crate) fn new(undelivered: T) -> Self {
        Self { undelivered }
    }

    /// The value that was not delivered.
    ///
    /// # Examples
    ///
    /// ```
    /// let (trigger, deferred) = deferred::Deferred::pair();
    /// trigger.callback("first".to_owned()).unwrap();
    /// let refused = trigger.callback("second".to_owned()).unwrap_err();
    /// assert_eq!(refused.into_inner(), "second", "it can go elsewhere");
    /// # deferred.ignore();
    /// ```
    pub fn into_inner(self) -> T {
        self.undelivered
    }
}

impl<T> AlreadyCalled<Result<T>> {
    /// The same for a value, when that is what was to be delivered.
    pub(crate) fn into_value(self) -> AlreadyCalled<T> {
        match self.undelivered {
            Ok(undelivered) => AlreadyCalled { undelivered },
            Err(_) => unreachable!("what was refused is what was given"),
        }
    }

    /// The same for a failure.
    pub(crate) fn into_failure(self) -> AlreadyCalled<Failure> {
        match self.undelivered {
            Ok(_) => unreachable!("what was refused is what was given"),
            Err(undelivered) => AlreadyCalled { undelivered },
        }
    }
}

impl<T> fmt::Debug for AlreadyCalled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlreadyCalled").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for AlreadyCalled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deferred was already called: it takes one result only")
    }
}

impl<T> Error for AlreadyCalled<T> {}

/// An error that is nothing but its message.
macro_rules! plain_error {
    ($(#[$doc:meta])* pub struct $name:ident, $message:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $name;

        impl $name {
            /// The error, as a value.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("use deferred::{Failure, ", stringify!($name), "};")]
            ///
            #[doc = concat!("let failure = Failure::new(", stringify!($name), "::new());")]
            #[doc = concat!("assert!(failure.is::<", stringify!($name), ">());")]
            /// ```
            pub const fn new() -> Self {
                Self
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($message)
            }
        }

        impl Error for $name {}
    };
}

pub(crate) use plain_error;

plain_error! {
    /// The Deferred was cancelled before it had a result.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Cancelled, Deferred};
    ///
    /// let (_trigger, deferred) = Deferred::<u8>::pair();
    /// deferred.cancel();
    /// let failure = deferred.into_result().unwrap().unwrap_err();
    /// assert!(failure.is::<Cancelled>());
    /// ```
    pub struct Cancelled, "the deferred was cancelled"
}

plain_error! {
    /// Every trigger of the Deferred was dropped before one of them fired it.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Abandoned, Deferred};
    ///
    /// let (trigger, deferred) = Deferred::<u8>::pair();
    /// drop(trigger);
    /// let failure = deferred.into_result().unwrap().unwrap_err();
    /// assert!(failure.is::<Abandoned>());
    /// ```
    pub struct Abandoned, "the deferred was abandoned: its last trigger was dropped without firing it"
}

plain_error! {
    /// A Deferred was made to wait, directly or through others, for itself.
    ///
    /// The one that closed the circle fails with this, so that none of them
    /// hangs.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Deferred, WaitCycle};
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
    /// use deferred::{ResultTaken, succeed};
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

    /// What the panic said.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Panicked, maybe_deferred};
    ///
    /// # std::panic::set_hook(Box::new(|_| {}));
    /// let printed = maybe_deferred(|| -> deferred::Result<()> { panic!("page {} is blank", 7) });
    /// let failure = printed.into_result().unwrap().unwrap_err();
    /// assert_eq!(failure.check::<Panicked>().unwrap().message(), "page 7 is blank");
    /// ```
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
    /// drops are abandoned at once, while it unwinds, whoever catches it.
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
        let called_at = Location::caller();
        Self::catch_at(called_at, f)
    }

    /// As [`catch`](Self::catch), where the failure is to name another place than this: that
    /// of the call with which the user has handed `f` over.
    ///
    /// # Errors
    ///
    /// The panic.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Failure, Result};
    /// use std::panic::Location;
    ///
    /// /// What a library may do with a job.
    /// #[track_caller]
    /// fn job(f: impl FnOnce()) -> impl FnOnce() -> Result<()> {
    ///     let given_at = Location::caller();
    ///     move || Failure::catch_at(given_at, f)
    /// }
    ///
    /// # std::panic::set_hook(Box::new(|_| {}));
    /// let job = job(|| panic!("what it may do"));
    /// assert_eq!(job().unwrap_err().raised_at().line(), line!() - 1);
    /// ```
    #[inline]
    pub fn catch_at<R>(place: &'static Location<'static>, f: impl FnOnce() -> R) -> Result<R> {
        catch(f).map_err(|payload| Self::of_panic(payload, place))
    }

    #[cold]
    fn of_panic(payload: Box<dyn Any + Send>, called_at: &'static Location<'static>) -> Self {
        Self::raised_at_place(Panicked::from_payload(payload), called_at)
    }
}
