//! `InSpan`: callbacks that run in the `tracing` span they were added in.

use tracing::Span;

use super::deferred::Deferred;
use super::outcome::Outcome;
use crate::failure::{Failure, Result};

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
    ///
    /// # Examples
    ///
    /// ```
    /// # let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry());
    /// use deferred::Deferred;
    /// use tracing::{Span, info_span};
    ///
    /// let (trigger, row) = Deferred::pair();
    /// let name = info_span!("request").in_scope(|| {
    ///     row.in_current_span()
    ///         .add_callback(|()| Ok(Span::current().metadata().map(|span| span.name())))
    ///         .into_deferred()
    /// });
    /// trigger.callback(()).unwrap(); // outside of the span
    /// assert_eq!(name.into_result().unwrap().unwrap(), Some("request"));
    /// ```
    pub fn in_current_span(self) -> InSpan<T> {
        self.in_span(Span::current())
    }

    /// The same, for any span.
    ///
    /// # Examples
    ///
    /// ```
    /// # let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry());
    /// use deferred::succeed;
    /// use tracing::{Span, info_span};
    ///
    /// let name = succeed(())
    ///     .in_span(info_span!("request"))
    ///     .add_callback(|()| Ok(Span::current().metadata().map(|span| span.name())));
    /// assert_eq!(name.into_deferred().into_result().unwrap().unwrap(), Some("request"));
    /// ```
    pub fn in_span(self, span: Span) -> InSpan<T> {
        InSpan {
            deferred: self,
            span,
        }
    }
}

impl<T: 'static> InSpan<T> {
    /// As [`Deferred::add_callback`].
    ///
    /// # Examples
    ///
    /// ```
    /// # let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry());
    /// use deferred::succeed;
    /// use tracing::{Span, info_span};
    ///
    /// let page = succeed(7).in_span(info_span!("request")).add_callback(|id| {
    ///     let span = Span::current().metadata().expect("it runs in one");
    ///     Ok(format!("{} {id}", span.name()))
    /// });
    /// assert_eq!(page.into_deferred().into_result().unwrap().unwrap(), "request 7");
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// # let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry());
    /// use deferred::{Failure, fail};
    /// use tracing::{Span, info_span};
    ///
    /// let row = fail(Failure::msg("no such row")).in_span(info_span!("request"));
    /// let told = row.add_errback(|failure| {
    ///     let span = Span::current().metadata().expect("it runs in one");
    ///     Ok(format!("{}: {failure}", span.name()))
    /// });
    /// let told = told.into_deferred().into_result().unwrap().unwrap();
    /// assert_eq!(told, "request: no such row");
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// # let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry());
    /// use deferred::succeed;
    /// use tracing::{Span, info_span};
    ///
    /// let told = succeed(7).in_span(info_span!("request")).add_both(|result| {
    ///     let span = Span::current().metadata().expect("it runs in one");
    ///     Ok(format!("{} succeeded: {}", span.name(), result.is_ok()))
    /// });
    /// let told = told.into_deferred().into_result().unwrap().unwrap();
    /// assert_eq!(told, "request succeeded: true");
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// # let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry());
    /// use deferred::succeed;
    /// use tracing::{Span, info_span};
    ///
    /// let name = || Span::current().metadata().map(|span| span.name());
    /// let ran_in = succeed(7)
    ///     .in_span(info_span!("request"))
    ///     .add_callbacks(move |_row| Ok(name()), move |_failure| Ok(name()));
    /// assert_eq!(ran_in.into_deferred().into_result().unwrap().unwrap(), Some("request"));
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// # let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry());
    /// use deferred::succeed;
    /// use tracing::{Span, info_span};
    ///
    /// let page = succeed("a row").in_span(info_span!("request")).into_deferred();
    /// let is_outside = page.add_callback(|_row| Ok(Span::current().is_none()));
    /// assert!(is_outside.into_result().unwrap().unwrap());
    /// ```
    pub fn into_deferred(self) -> Deferred<T> {
        self.deferred
    }
}
