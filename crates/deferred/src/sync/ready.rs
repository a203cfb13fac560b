//! Deferreds that have their result already: `succeed`, `fail`, `maybe_deferred`.

use super::deferred::Deferred;
use super::outcome::Outcome;
use crate::failure::Failure;

/// A Deferred that has the value already; see [`crate::succeed`].
///
/// # Examples
///
/// ```
/// let deferred = deferred::sync::succeed(1).add_callback(|n| Ok(n + 1));
/// assert_eq!(deferred.into_result().unwrap().unwrap(), 2);
/// ```
#[inline]
pub fn succeed<T: Send + 'static>(value: T) -> Deferred<T> {
    Deferred::from(Ok(value))
}

/// A Deferred that has failed already; see [`crate::fail`].
///
/// # Examples
///
/// ```
/// let deferred = deferred::sync::fail::<String>(std::fmt::Error);
/// assert!(deferred.into_result().unwrap().is_err());
/// ```
#[track_caller]
pub fn fail<T: Send + 'static>(failure: impl Into<Failure>) -> Deferred<T> {
    Deferred::from(Err(failure.into()))
}

/// Calls `f` and makes a Deferred of whatever it comes to; see
/// [`crate::maybe_deferred`].
///
/// # Examples
///
/// ```
/// let number = deferred::sync::maybe_deferred(|| Ok("7".parse::<u8>()?));
/// assert_eq!(number.into_result().unwrap().unwrap(), 7);
/// ```
#[track_caller]
pub fn maybe_deferred<F, O>(f: F) -> Deferred<O::Value>
where
    F: FnOnce() -> O,
    O: Outcome,
{
    match Failure::catch(f) {
        Ok(outcome) => Deferred::from_step(outcome.into_step()),
        Err(panicked) => Deferred::from(Err(panicked)),
    }
}
