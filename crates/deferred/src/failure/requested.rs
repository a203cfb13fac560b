//! Requested errors: those that the program causes itself, by a cancel, by a timeout, by dropping a
//! trigger.

use std::any::TypeId;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// An error that is nothing but its message.
macro_rules! plain_error {
    ($(#[$doc:meta])* pub struct $name:ident, $message:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $name;

        impl $name {
            /// The error.
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
    #[doc(alias = "CancelledError")]
    #[doc(alias = "AbortError")]
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
    #[doc(alias = "RecvError")]
    pub struct Abandoned, "the deferred was abandoned: its last trigger was dropped without firing it"
}

/// The Deferred had no result in time:
/// [`Deferred::add_timeout`](crate::Deferred::add_timeout) has cancelled it. Twisted's
/// `TimeoutError`.
///
/// # Examples
///
/// ```
/// use deferred::{Deferred, TimedOut, VirtualClock};
/// use std::time::Duration;
///
/// let clock = VirtualClock::new();
/// let (_trigger, answer) = Deferred::pair();
/// let answer = answer.add_timeout(Duration::from_secs(5), &clock).add_errback(|failure| {
///     failure.trap::<TimedOut>()?;
///     Ok("no answer")
/// });
/// clock.advance(Duration::from_secs(5));
/// assert_eq!(answer.into_result().unwrap().unwrap(), "no answer");
/// ```
#[doc(alias = "TimeoutError")]
#[doc(alias = "Elapsed")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut {
    after: Duration,
}

impl TimedOut {
    /// The error, for a limit that other code measures.
    pub const fn new(after: Duration) -> Self {
        Self { after }
    }

    /// The delay of the timeout.
    pub fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the deferred timed out after {:?}", self.after)
    }
}

impl Error for TimedOut {}

/// Whether an `E` is one of these three: the code on the stack has made no mistake. A backtrace
/// would cost forty times as much as a cancel.
pub(super) fn is_requested<E: Error + 'static>() -> bool {
    let found = TypeId::of::<E>();
    found == TypeId::of::<Cancelled>()
        || found == TypeId::of::<Abandoned>()
        || found == TypeId::of::<TimedOut>()
}

/// As [`is_requested`], for an error whose type is known at run time only.
pub(super) fn is_requested_box(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    error.is::<Cancelled>() || error.is::<Abandoned>() || error.is::<TimedOut>()
}
