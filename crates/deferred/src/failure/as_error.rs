//! `FailureError`: a failure that implements `std::error::Error`.

use std::error::Error;
use std::fmt;

use super::Failure;

/// A [`Failure`] for interfaces that take a [`std::error::Error`], from
/// [`Failure::into_error`].
///
/// Its message and its source are those of the failure's error; `Debug` prints the full
/// story: the error, where it was raised, and the stages that it passed.
///
/// A `Box<dyn Error>` made of it holds this type, not the failure's error, which other
/// clones of the failure may own as well. So downcast the box to a `FailureError`, and ask
/// that for the type of the error: [`is`](Self::is), [`downcast_ref`](Self::downcast_ref).
/// [`Failure::from_box`] gives the failure back, with its story.
///
/// # Examples
///
/// ```
/// use deferred::errors::FailureError;
/// use std::error::Error;
/// use std::num::ParseIntError;
///
/// fn port(text: &str) -> Result<u16, Box<dyn Error>> {
///     let parse = || -> deferred::Result<u16> { Ok(text.parse()?) };
///     Ok(parse()?)
/// }
///
/// let error = port("http").unwrap_err();
/// let failed = error.downcast_ref::<FailureError>().unwrap();
/// assert!(failed.is::<ParseIntError>());
/// assert!(failed.failure().raised_at().file().ends_with(".rs"));
/// ```
pub struct FailureError {
    failure: Failure,
}

impl FailureError {
    pub(super) fn new(failure: Failure) -> Self {
        Self { failure }
    }

    /// The failure.
    pub fn failure(&self) -> &Failure {
        &self.failure
    }

    /// The failure, by value.
    pub fn into_failure(self) -> Failure {
        self.failure
    }

    /// Whether the error itself is an `E`. Its sources are not searched; [`Failure::is`]
    /// searches them.
    pub fn is<E: Error + 'static>(&self) -> bool {
        self.downcast_ref::<E>().is_some()
    }

    /// The error itself, if it is an `E`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Cancelled, Failure};
    ///
    /// let error = Failure::new(Cancelled::new()).into_error();
    /// assert_eq!(error.downcast_ref(), Some(&Cancelled::new()));
    /// ```
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.failure.downcast_ref()
    }
}

impl fmt::Display for FailureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.failure.as_error(), f)
    }
}

impl fmt::Debug for FailureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.failure, f)
    }
}

impl Error for FailureError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.failure.as_error().source()
    }
}
