//! How failures are made of errors, and errors of failures.

use std::backtrace::Backtrace;
use std::error::Error;
use std::panic::Location;

use super::as_error::FailureError;
use super::message::Message;
use super::story::Failure;
use super::{lock_held, requested};
use crate::stage_trace::CallSite;

impl Failure {
    /// Wraps `error`, and records the caller's place as the place where it was raised.
    ///
    /// A backtrace is captured only if `RUST_BACKTRACE` or `RUST_LIB_BACKTRACE` asks for it, as
    /// in the standard library. [`Cancelled`](crate::Cancelled),
    /// [`Abandoned`](crate::Abandoned) and [`TimedOut`](crate::TimedOut) have none, also those
    /// that you make.
    #[track_caller]
    pub fn new<E: Error + Send + Sync + 'static>(error: E) -> Self {
        // Looked at as a `dyn Error`: a `FailureError` that comes back by `?` is the failure that it
        // was, with its story, and not a failure about a failure.
        let error: Box<dyn Error + Send + Sync> = Box::new(error);
        match error.downcast::<FailureError>() {
            Ok(failed) => failed.into_failure(),
            Err(error) => Self::raised(error, Location::caller(), backtrace_of::<E>()),
        }
    }

    /// A failure that is only a text.
    ///
    /// # Examples
    ///
    /// ```
    /// let failure = deferred::Failure::msg("the cat ate it");
    /// assert_eq!(failure.message(), "the cat ate it");
    /// ```
    #[track_caller]
    pub fn msg(message: impl Into<String>) -> Self {
        Self::raised_at_place(Message::new(message.into()), Location::caller())
    }

    /// Wraps a boxed error. A [`FailureError`] becomes the failure that it was.
    #[track_caller]
    pub fn from_box(error: Box<dyn Error + Send + Sync>) -> Self {
        match error.downcast::<FailureError>() {
            Ok(failed) => failed.into_failure(),
            Err(error) => {
                let backtrace = backtrace_unless_requested(requested::is_requested_box(&*error));
                Self::raised(error, Location::caller(), backtrace)
            }
        }
    }

    pub(crate) fn raised_at_place<E: Error + Send + Sync + 'static>(
        error: E,
        raised_at: CallSite,
    ) -> Self {
        Self::raised(Box::new(error), raised_at, backtrace_of::<E>())
    }

    /// The failure for an interface that takes a `std::error::Error`: a
    /// [`FailureError`], which becomes a `Box<dyn Error>` by `?` or `into`.
    ///
    /// # Examples
    ///
    /// ```
    /// fn main_like() -> Result<(), Box<dyn std::error::Error>> {
    ///     let value = deferred::succeed(1).into_result().expect("fired")?;
    ///     assert_eq!(value, 1);
    ///     Ok(())
    /// }
    /// # main_like().unwrap();
    /// let error = deferred::Failure::msg("no").into_error();
    /// assert_eq!(error.to_string(), "no");
    /// ```
    pub fn into_error(self) -> FailureError {
        FailureError::new(self)
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

impl From<Failure> for Box<dyn Error + Send + Sync> {
    fn from(failure: Failure) -> Self {
        Box::new(failure.into_error())
    }
}

impl From<Failure> for Box<dyn Error> {
    fn from(failure: Failure) -> Self {
        Box::new(failure.into_error())
    }
}

/// The backtrace of a failure that an `E` becomes.
fn backtrace_of<E: Error + 'static>() -> Backtrace {
    backtrace_unless_requested(requested::is_requested::<E>())
}

/// The backtrace of a new failure: none if its *error* was requested, that is, if it is `Cancelled`,
/// `Abandoned` or `TimedOut`.
fn backtrace_unless_requested(is_requested: bool) -> Backtrace {
    // Other threads would spin on the lock of a chain for as long as the capture takes.
    lock_held::assert_none();
    // Such an error happens often, and the code on the stack has made no mistake: a walk of the
    // stack would cost much and show nothing.
    if is_requested {
        Backtrace::disabled()
    } else {
        captured()
    }
}

/// A backtrace, if the environment asks for one. std has none on WebAssembly.
fn captured() -> Backtrace {
    if cfg!(target_family = "wasm") {
        Backtrace::disabled()
    } else {
        Backtrace::capture()
    }
}
