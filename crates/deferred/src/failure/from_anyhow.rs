//! To `anyhow::Error` and back, with the feature `anyhow`.

use anyhow::Error;

use super::{Failure, FailureError};

/// By `?`: the error holds a [`FailureError`], which keeps the story of the failure: where it was
/// raised, and the stages that it passed. [`Failure::from_anyhow`] is the way back.
impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::new(failure.into_error())
    }
}

impl Failure {
    /// Makes a failure of an `anyhow::Error`, with the feature `anyhow`. A failure that became
    /// an `anyhow::Error` by `?`, and got no context there, comes back with its story: where it was
    /// raised, and the stages that it passed.
    ///
    /// It is a function, since `anyhow::Error` is no [`std::error::Error`], which is what `?`
    /// converts.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Cancelled, Failure, succeed};
    ///
    /// fn load(path: &str) -> anyhow::Result<String> {
    ///     anyhow::ensure!(!path.is_empty(), "no path");
    ///     Ok(succeed(format!("the page {path}")).into_result().expect("fired")?)
    /// }
    ///
    /// let page = succeed("").add_callback(|path| Ok(load(path).map_err(Failure::from_anyhow)?));
    /// assert_eq!(page.into_result().unwrap().unwrap_err().message(), "no path");
    ///
    /// let there = anyhow::Error::from(Failure::new(Cancelled::new()));
    /// assert!(Failure::from_anyhow(there).is::<Cancelled>());
    /// ```
    #[track_caller]
    pub fn from_anyhow(error: Error) -> Self {
        // `downcast` alone would find a failure below a context, too, and drop the context.
        let is_failure = error
            .chain()
            .next()
            .is_some_and(<dyn std::error::Error>::is::<FailureError>);
        let error = match is_failure {
            true => error.downcast::<FailureError>(),
            false => Err(error),
        };
        match error {
            Ok(failed) => failed.into_failure(),
            Err(error) => Self::from_box(error.reallocate_into_boxed_dyn_error_without_backtrace()),
        }
    }
}
