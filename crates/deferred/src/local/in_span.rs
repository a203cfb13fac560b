//! `InSpan`: callbacks that run in the `tracing` span that they were added in.

use tracing::Span;

use super::deferred::Deferred;
use super::outcome::Outcome;
use crate::failure::{Failure, Result};

/// A [`Deferred`] whose callbacks run in a `tracing` span, from
/// [`Deferred::in_current_span`].
///
/// An event that such a callback logs belongs to the work for which the callback was added, not
/// to the span of the code that fires the Deferred. An `InSpan` has the four `add` methods of a
/// Deferred, and [`into_deferred`](Self::into_deferred) ends the use of the span.
///
/// # Examples
///
/// ```
/// use deferred::Deferred;
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
/// trigger.callback("x".to_owned()).unwrap();
/// assert_eq!(page.into_result().unwrap().unwrap(), "<td>x</td>");
/// ```
#[doc(alias = "Instrumented")]
#[derive(Debug)]
pub struct InSpan<T: 'static> {
    deferred: Deferred<T>,
    span: Span,
}

impl<T: 'static> Deferred<T> {
    /// Returns an [`InSpan`]: callbacks that are added to it run in the current `tracing` span.
    ///
    /// For an `async` body, use `tracing`'s `Instrument::in_current_span`.
    #[doc(alias = "instrument")]
    pub fn in_current_span(self) -> InSpan<T> {
        self.in_span(Span::current())
    }

    /// As [`in_current_span`](Self::in_current_span), with `span` in place of the current one.
    pub fn in_span(self, span: Span) -> InSpan<T> {
        InSpan {
            deferred: self,
            span,
        }
    }
}

impl<T: 'static> InSpan<T> {
    /// As [`Deferred::add_callback`].
    #[track_caller]
    pub fn add_callback<F, O>(self, callback: F) -> InSpan<O::Value>
    where
        F: FnOnce(T) -> O + 'static,
        O: Outcome,
    {
        let (span, next) = (self.span.clone(), self.span);
        let callback = move |value| span.in_scope(|| callback(value));
        self.deferred.add_callback(callback).in_span(next)
    }

    /// As [`Deferred::add_errback`].
    #[track_caller]
    pub fn add_errback<F, O>(self, errback: F) -> Self
    where
        F: FnOnce(Failure) -> O + 'static,
        O: Outcome<Value = T>,
    {
        let (span, next) = (self.span.clone(), self.span);
        let errback = move |failure| span.in_scope(|| errback(failure));
        self.deferred.add_errback(errback).in_span(next)
    }

    /// As [`Deferred::add_both`].
    #[track_caller]
    pub fn add_both<F, O>(self, both: F) -> InSpan<O::Value>
    where
        F: FnOnce(Result<T>) -> O + 'static,
        O: Outcome,
    {
        let (span, next) = (self.span.clone(), self.span);
        let both = move |result| span.in_scope(|| both(result));
        self.deferred.add_both(both).in_span(next)
    }

    /// As [`Deferred::add_callbacks`].
    #[track_caller]
    pub fn add_callbacks<F, G, O, P>(self, callback: F, errback: G) -> InSpan<O::Value>
    where
        F: FnOnce(T) -> O + 'static,
        G: FnOnce(Failure) -> P + 'static,
        O: Outcome,
        P: Outcome<Value = O::Value>,
    {
        let (spans, next) = ((self.span.clone(), self.span.clone()), self.span);
        let callback = move |value| spans.0.in_scope(|| callback(value));
        let errback = move |failure| spans.1.in_scope(|| errback(failure));
        self.deferred.add_callbacks(callback, errback).in_span(next)
    }

    /// The Deferred, without the span: callbacks that are added to it run as usual.
    pub fn into_deferred(self) -> Deferred<T> {
        self.deferred
    }
}
