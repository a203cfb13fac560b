//! `InSpan`: callbacks that run in the `tracing` span they were added in, whichever
//! thread fires the Deferred.

use tracing::Span;

use super::deferred::Deferred;
use super::outcome::Outcome;
use crate::failure::{Failure, Result};

/// A [`Deferred`] whose callbacks run inside of a `tracing` span; see
/// [`crate::InSpan`].
///
/// # Examples
///
/// ```
/// use deferred::sync::Deferred;
/// use std::thread;
///
/// let (trigger, row) = Deferred::pair();
/// let page = tracing::info_span!("request", id = 7).in_scope(|| {
///     row.in_current_span()
///         .add_callback(|row: String| {
///             tracing::info!("the row is there"); // in request{id=7}
///             Ok(format!("<td>{row}</td>"))
///         })
///         .into_deferred()
/// });
/// let reader = thread::spawn(move || trigger.callback("x".to_owned()).is_ok());
/// assert!(reader.join().unwrap());
/// assert_eq!(page.into_result().unwrap().unwrap(), "<td>x</td>");
/// ```
#[derive(Debug)]
pub struct InSpan<T: Send + 'static> {
    deferred: Deferred<T>,
    span: Span,
}

impl<T: Send + 'static> Deferred<T> {
    /// Has the callbacks that are added to what is given back run inside of the
    /// `tracing` span that is current now.
    pub fn in_current_span(self) -> InSpan<T> {
        self.in_span(Span::current())
    }

    /// The same, for any span.
    pub fn in_span(self, span: Span) -> InSpan<T> {
        InSpan {
            deferred: self,
            span,
        }
    }
}

impl<T: Send + 'static> InSpan<T> {
    /// As [`Deferred::add_callback`].
    #[track_caller]
    pub fn add_callback<F, O>(self, callback: F) -> InSpan<O::Value>
    where
        F: FnOnce(T) -> O + Send + 'static,
        O: Outcome,
    {
        let Self { deferred, span } = self;
        let entered = span.clone();
        deferred
            .add_callback(move |value| entered.in_scope(|| callback(value)))
            .in_span(span)
    }

    /// As [`Deferred::add_errback`].
    #[track_caller]
    pub fn add_errback<F, O>(self, errback: F) -> Self
    where
        F: FnOnce(Failure) -> O + Send + 'static,
        O: Outcome<Value = T>,
    {
        let Self { deferred, span } = self;
        let entered = span.clone();
        deferred
            .add_errback(move |failure| entered.in_scope(|| errback(failure)))
            .in_span(span)
    }

    /// As [`Deferred::add_both`].
    #[track_caller]
    pub fn add_both<F, O>(self, both: F) -> InSpan<O::Value>
    where
        F: FnOnce(Result<T>) -> O + Send + 'static,
        O: Outcome,
    {
        let Self { deferred, span } = self;
        let entered = span.clone();
        deferred
            .add_both(move |result| entered.in_scope(|| both(result)))
            .in_span(span)
    }

    /// As [`Deferred::add_callbacks`].
    #[track_caller]
    pub fn add_callbacks<F, G, O, P>(self, callback: F, errback: G) -> InSpan<O::Value>
    where
        F: FnOnce(T) -> O + Send + 'static,
        G: FnOnce(Failure) -> P + Send + 'static,
        O: Outcome,
        P: Outcome<Value = O::Value>,
    {
        let Self { deferred, span } = self;
        let (for_value, for_failure) = (span.clone(), span.clone());
        deferred
            .add_callbacks(
                move |value| for_value.in_scope(|| callback(value)),
                move |failure| for_failure.in_scope(|| errback(failure)),
            )
            .in_span(span)
    }

    /// The Deferred, to whose callbacks nothing is done from here on.
    pub fn into_deferred(self) -> Deferred<T> {
        self.deferred
    }
}
