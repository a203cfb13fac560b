//! Combinators: `DeferredList`, `gather_results`, `race`, `settled`.

use std::fmt;
use std::panic::Location;

use super::deferred::Deferred;
use crate::chain::Fits;
use crate::chain::Local;
use crate::combinators::{Arrival, Combines, OnCancel, Options, combine};
use crate::combinators::{FirstValue, Rule, Settled, Values};
use crate::failure::Result;

/// Builder that combines several Deferreds into one.
///
/// The Deferreds are moved in, and their results move into the combined one. The method that
/// ends the building says what it is fired with: all results
/// ([`into_deferred`](Self::into_deferred)), all values ([`into_values`](Self::into_values))
/// or the first value ([`fire_on_one_callback`](Self::fire_on_one_callback)).
///
/// # Failures
///
/// A failure that is part of the combined result counts as handled. One that comes after the
/// combined result was decided is reported as [unhandled](crate::unhandled), unless
/// [`consume_errors`](Self::consume_errors) was asked for.
///
/// # Cancelling
///
/// Cancelling the combined Deferred cancels, in order, each of the others that has no result
/// yet. Their results decide the combined one: a list of all results succeeds, with
/// [`Cancelled`](crate::Cancelled) failures in it. If one of them is paused, the combined
/// Deferred waits for it. ([`race`] does not wait then.) Once the combined Deferred was fired,
/// a cancel does nothing, not even if it waits for a Deferred that one of its callbacks
/// returned; cancel that one by a handle of its own. A list of nothing has fired from the
/// start.
///
/// # Examples
///
/// ```
/// use deferred::{DeferredList, Failure, fail, succeed};
///
/// let all = DeferredList::new([succeed(1), fail(Failure::msg("no")), succeed(3)]);
/// let results = all.into_deferred().into_result().unwrap().unwrap();
/// let values: Vec<_> = results.into_iter().flatten().collect();
/// assert_eq!(values, [1, 3]);
/// ```
#[must_use = "it combines nothing until it is made into a Deferred"]
pub struct DeferredList<T: 'static> {
    deferreds: Vec<Deferred<T>>,
    fires_on_one_errback: bool,
    consumes_errors: bool,
    cancels_rest: bool,
}

impl<T: 'static> DeferredList<T> {
    /// Takes the Deferreds.
    pub fn new(deferreds: impl IntoIterator<Item = Deferred<T>>) -> Self {
        Self {
            deferreds: deferreds.into_iter().collect(),
            fires_on_one_errback: false,
            consumes_errors: false,
            cancels_rest: false,
        }
    }

    /// Makes the combined Deferred fail at the first failure, with
    /// [`FirstError`](crate::FirstError).
    #[doc(alias = "fireOnOneErrback")]
    pub fn fire_on_one_errback(mut self) -> Self {
        self.fires_on_one_errback = true;
        self
    }

    /// Drops failures that are not part of the combined result, instead of reporting them as
    /// [unhandled](crate::unhandled).
    #[doc(alias = "consumeErrors")]
    pub fn consume_errors(mut self) -> Self {
        self.consumes_errors = true;
        self
    }

    /// Cancels the Deferreds without a result when the combined result is decided, before it
    /// is fired. Their [`Cancelled`](crate::Cancelled) failures are not reported.
    pub fn cancel_rest(mut self) -> Self {
        self.cancels_rest = true;
        self
    }

    /// Fires with all results, in the order of the input, when the last one is there.
    ///
    /// An empty list fires at once.
    #[track_caller]
    pub fn into_deferred(self) -> Deferred<Vec<Result<T>>> {
        let rule = Settled::new(self.fires_on_one_errback);
        self.combine(rule, OnCancel::AsTheyDo, Location::caller())
    }

    /// Fires with all values, in the order of the input; fails at the first failure, with
    /// [`FirstError`](crate::FirstError). See [`gather_results`].
    #[track_caller]
    pub fn into_values(self) -> Deferred<Vec<T>> {
        self.combine(Values::new(), OnCancel::AsTheyDo, Location::caller())
    }

    /// Fires with the first value and the index of its Deferred.
    ///
    /// If there is no value, it fails with [`FailureGroup`](crate::FailureGroup), where
    /// Twisted's fires with a plain list; an empty list does so at once, where Twisted's never
    /// fires. With [`fire_on_one_errback`](Self::fire_on_one_errback), the first result
    /// decides, value or failure. The others are not cancelled, unlike by [`race`].
    #[track_caller]
    #[doc(alias = "fireOnOneCallback")]
    pub fn fire_on_one_callback(self) -> Deferred<(usize, T)> {
        let rule = FirstValue::new(self.fires_on_one_errback);
        self.combine(rule, OnCancel::AsTheyDo, Location::caller())
    }

    fn combine<R: Rule<Part = T>>(
        self,
        rule: R,
        on_cancel: OnCancel,
        made_at: &'static Location<'static>,
    ) -> Deferred<R::Output>
    where
        Local: Combines<R>,
        Arrival<Local, R>: Fits<Local>,
        R::Output: 'static,
    {
        let options = Options {
            consumes_errors: self.consumes_errors,
            cancels_rest: self.cancels_rest,
            on_cancel,
            made_at,
        };
        let ends = self
            .deferreds
            .into_iter()
            .map(Deferred::into_receiver)
            .collect();
        Deferred::from_receiver(combine::<Local, R>(ends, rule, options))
    }
}

impl<T: 'static> fmt::Debug for DeferredList<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredList")
            .field("deferreds", &self.deferreds)
            .field("fires_on_one_errback", &self.fires_on_one_errback)
            .field("consumes_errors", &self.consumes_errors)
            .field("cancels_rest", &self.cancels_rest)
            .finish()
    }
}

/// Waits for all values, in the order of the input.
///
/// It fails with [`FirstError`](crate::FirstError) at the first failure. The other Deferreds
/// go on; [`DeferredList::cancel_rest`] cancels them. Of nothing, it fires with an empty list
/// at once. See [`DeferredList`] on unhandled failures and cancelling, and
/// [`gather`](super::gather) for values of different types.
///
/// # Examples
///
/// ```
/// use deferred::{Deferred, gather_results};
///
/// let (triggers, pages): (Vec<_>, Vec<_>) = (0..3).map(|_| Deferred::pair()).unzip();
/// let sizes = gather_results(pages).add_callback(|pages: Vec<&str>| {
///     Ok(pages.iter().map(|page| page.len()).sum::<usize>())
/// });
/// for trigger in triggers {
///     trigger.callback("page").unwrap();
/// }
/// assert_eq!(sizes.into_result().unwrap().unwrap(), 12);
/// ```
#[track_caller]
#[doc(alias = "gatherResults")]
#[doc(alias = "join_all")]
#[doc(alias = "try_join_all")]
#[doc(alias = "all")]
pub fn gather_results<T: 'static>(
    deferreds: impl IntoIterator<Item = Deferred<T>>,
) -> Deferred<Vec<T>> {
    DeferredList::new(deferreds).into_values()
}

/// Waits for the first value, and cancels the other Deferreds before it fires with that value
/// and the index of its Deferred.
///
/// If all fail, it fails with [`FailureGroup`](crate::FailureGroup); of nothing, it does so at
/// once, where Twisted's never fires. Results of the losers are dropped, and their failures
/// not reported.
///
/// Cancelling it cancels all of them. Their results decide: one that has a value after all
/// wins. If one of them is paused, it fails with [`Cancelled`](crate::Cancelled) at once, and
/// a later value is dropped.
///
/// # Examples
///
/// ```
/// use deferred::{Deferred, race};
///
/// let (near, first) = Deferred::pair();
/// let (far, second) = Deferred::pair();
/// let fastest = race([first, second]);
/// far.callback("from afar").unwrap();
/// assert!(near.is_fired(), "cancelled");
/// assert_eq!(fastest.into_result().unwrap().unwrap(), (1, "from afar"));
/// ```
#[track_caller]
#[doc(alias = "select_ok")]
#[doc(alias = "any")]
pub fn race<T: 'static>(deferreds: impl IntoIterator<Item = Deferred<T>>) -> Deferred<(usize, T)> {
    let list = DeferredList::new(deferreds).consume_errors().cancel_rest();
    list.combine(FirstValue::new(false), OnCancel::AtOnce, Location::caller())
}

/// Waits for all results, in the order of the input, values and failures: a [`DeferredList`]
/// without options.
///
/// # Examples
///
/// ```
/// use deferred::{Failure, fail, settled, succeed};
///
/// let results = settled([succeed(1), fail(Failure::msg("no"))]);
/// let results = results.into_result().unwrap().unwrap();
/// assert!(results[0].is_ok() && results[1].is_err());
/// ```
#[track_caller]
#[doc(alias = "allSettled")]
pub fn settled<T: 'static>(
    deferreds: impl IntoIterator<Item = Deferred<T>>,
) -> Deferred<Vec<Result<T>>> {
    DeferredList::new(deferreds).into_deferred()
}
