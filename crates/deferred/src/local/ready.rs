//! Deferreds that have their result already: `succeed`, `fail`, `maybe_deferred`.

use std::panic::Location;

use super::deferred::Deferred;
use super::outcome::Outcome;
use crate::failure::Failure;
use crate::stage_trace::CallSite;

/// A Deferred that has the value already.
///
/// # Examples
///
/// ```
/// let deferred = deferred::succeed(1).add_callback(|n| Ok(n + 1));
/// assert_eq!(deferred.into_result().unwrap().unwrap(), 2);
/// ```
#[inline]
pub fn succeed<T: 'static>(value: T) -> Deferred<T> {
    Deferred::from(Ok(value))
}

/// A Deferred that has failed already, with any error or a [`Failure`].
///
/// # Examples
///
/// ```
/// let deferred = deferred::fail::<String>(std::fmt::Error);
/// assert!(deferred.into_result().unwrap().unwrap_err().is::<std::fmt::Error>());
/// ```
#[track_caller]
pub fn fail<T: 'static>(failure: impl Into<Failure>) -> Deferred<T> {
    Deferred::from(Err(failure.into()))
}

/// Calls `f` and makes a Deferred of whatever it comes to: its value, its
/// failure, the Deferred it returns, or its panic.
///
/// # Examples
///
/// ```
/// use deferred::maybe_deferred;
///
/// let number = |text: &'static str| maybe_deferred(move || Ok(text.parse::<u8>()?));
/// assert_eq!(number("7").into_result().unwrap().unwrap(), 7);
/// assert!(number("700").into_result().unwrap().is_err());
/// ```
#[track_caller]
pub fn maybe_deferred<F, O>(f: F) -> Deferred<O::Value>
where
    F: FnOnce() -> O,
    O: Outcome,
{
    maybe_deferred_at(Location::caller(), f)
}

/// The same; a panic names this place.
pub(crate) fn maybe_deferred_at<F, O>(place: CallSite, f: F) -> Deferred<O::Value>
where
    F: FnOnce() -> O,
    O: Outcome,
{
    match Failure::catch_at(place, f) {
        Ok(outcome) => Deferred::from_step(outcome.into_step()),
        Err(panicked) => Deferred::from(Err(panicked)),
    }
}
