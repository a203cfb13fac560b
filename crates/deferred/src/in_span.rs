//! `InSpan`: callbacks that run in the `tracing` span they were added in.

use tracing::Span;

use crate::deferred::Deferred;
use crate::failure::{Failure, Result};
use crate::outcome::Outcome;

/// A [`Deferred`] whose callbacks run inside of a `tracing` span, from
/// [`Deferred::in_current_span`].
///
/// It has the same `add` methods; [`into_deferred`](Self::into_deferred) gives the
/// Deferred back. What a callback logs is then told with the work it belongs to, on
/// whose behalf it was added, and not with whoever happened to fire the Deferred.
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
#[derive(Debug)]
pub struct InSpan<T: 'static> {
    deferred: Deferred<T>,
    span: Span,
}

impl<T: 'static> Deferred<T> {
    /// Has the callbacks that are added to what is given back run inside of the
    /// `tracing` span that is current now.
    ///
    /// An `async` body takes its span along with `tracing`'s own
    /// `Instrument::in_current_span`.
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

impl<T: 'static> InSpan<T> {
    /// As [`Deferred::add_callback`].
    #[track_caller]
    pub fn add_callback<F, O>(self, callback: F) -> InSpan<O::Value>
    where
        F: FnOnce(T) -> O + 'static,
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
        F: FnOnce(Failure) -> O + 'static,
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
        F: FnOnce(Result<T>) -> O + 'static,
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
        F: FnOnce(T) -> O + 'static,
        G: FnOnce(Failure) -> P + 'static,
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
