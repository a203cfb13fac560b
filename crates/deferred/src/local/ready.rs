//! Deferreds that are made with their result: `succeed`, `fail`, `maybe_deferred`.

use std::panic::Location;

use super::deferred::Deferred;
use super::outcome::Outcome;
use crate::failure::Failure;
use crate::stage_trace::CallSite;

/// Makes a Deferred that has its value already.
///
/// # Examples
///
/// ```
/// use deferred::succeed;
///
/// let next = succeed(1).add_callback(|n| Ok(n + 1));
/// assert_eq!(next.into_result().unwrap().unwrap(), 2);
/// ```
#[inline]
#[doc(alias = "resolve")]
#[doc(alias = "ready")]
pub fn succeed<T: 'static>(value: T) -> Deferred<T> {
    Deferred::from(Ok(value))
}

/// Makes a Deferred that has failed already, with any error or a [`Failure`].
///
/// # Examples
///
/// ```
/// use deferred::fail;
///
/// let page = fail::<String>(std::fmt::Error);
/// assert!(page.into_result().unwrap().unwrap_err().is::<std::fmt::Error>());
/// ```
#[track_caller]
#[doc(alias = "reject")]
pub fn fail<T: 'static>(failure: impl Into<Failure>) -> Deferred<T> {
    Deferred::from(Err(failure.into()))
}

/// Calls `f` and makes a Deferred of its outcome: its value, its failure, the Deferred that
/// it returns, or its panic.
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
#[doc(alias = "maybeDeferred")]
pub fn maybe_deferred<F, O>(f: F) -> Deferred<O::Value>
where
    F: FnOnce() -> O,
    O: Outcome,
{
    maybe_deferred_at(Location::caller(), f)
}

/// As [`maybe_deferred`]; a panic is recorded as raised at `place`.
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
