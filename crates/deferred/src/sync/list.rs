// Generated from ../local/list.rs by tests/flavours: change that file, not this one.

//! Combinators: `DeferredList`, `gather_results`, `race`, `settled`.

use std::fmt;
use std::panic::Location;

use super::deferred::Deferred;
use crate::chain::Fits;
use crate::chain::Shared;
use crate::combinators::{Arrival, Combines, OnCancel, Options, combine};
use crate::combinators::{FirstValue, Rule, Settled, Values};
use crate::failure::Result;

/// Builder that combines several Deferreds into one.
///
/// The Deferreds move into the builder, and their results move into the *combined* Deferred.
/// The last method of the builder decides what the combined Deferred fires with: all results
/// ([`into_deferred`](Self::into_deferred)), all values ([`into_values`](Self::into_values))
/// or the first value ([`fire_on_one_callback`](Self::fire_on_one_callback)).
///
/// # Failures
///
/// A failure that is part of the combined result counts as handled. A failure that comes after
/// the combined result was decided is reported as [unhandled](crate::unhandled), unless
/// [`consume_errors`](Self::consume_errors) was asked for.
///
/// # Cancelling
///
/// Cancelling the combined Deferred cancels, in order, each Deferred of the list that has no
/// result yet. Then their results decide the combined result, as always:
/// [`into_deferred`](Self::into_deferred) succeeds, with [`Cancelled`](crate::Cancelled)
/// failures in its list. If one of the Deferreds is paused, the combined Deferred waits for its
/// result (only [`race`] does not).
///
/// Once the combined Deferred has fired, cancelling it does nothing. If one of its callbacks has
/// returned a Deferred, for which it waits, the cancel does not reach that Deferred: cancel it
/// by a handle of its own. An empty list fires when it is made.
///
/// # Examples
///
/// ```
/// use deferred::sync::{Deferred, DeferredList};
/// use std::thread;
///
/// let (triggers, parts): (Vec<_>, Vec<_>) = (0..4).map(|_| Deferred::pair()).unzip();
/// let all = DeferredList::new(parts).into_values();
/// thread::scope(|scope| {
///     for (n, trigger) in triggers.into_iter().enumerate() {
///         scope.spawn(move || trigger.callback(n));
///     }
/// });
/// assert_eq!(all.into_result().unwrap().unwrap(), [0, 1, 2, 3]);
/// ```
#[must_use = "it combines nothing until it is made into a Deferred"]
pub struct DeferredList<T: Send + 'static> {
    deferreds: Vec<Deferred<T>>,
    fires_on_one_errback: bool,
    consumes_errors: bool,
    cancels_rest: bool,
}

impl<T: Send + 'static> DeferredList<T> {
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

    /// When the combined result is decided, cancels the Deferreds that have no result yet, and
    /// only then fires the combined Deferred. Their [`Cancelled`](crate::Cancelled) failures
    /// are not reported.
    pub fn cancel_rest(mut self) -> Self {
        self.cancels_rest = true;
        self
    }

    /// Fires with all results, in the order of the input, when the last Deferred has a result.
    ///
    /// An empty list fires at once.
    #[track_caller]
    pub fn into_deferred(self) -> Deferred<Vec<Result<T>>> {
        let rule = Settled::new(self.fires_on_one_errback);
        // As with Twisted: a cancel goes to the parts, whose results then fire the list.
        self.combine(rule, OnCancel::PartsDecide, Location::caller())
    }

    /// Fires with all values, in the order of the input; fails at the first failure, with
    /// [`FirstError`](crate::FirstError). See [`gather_results`].
    #[track_caller]
    pub fn into_values(self) -> Deferred<Vec<T>> {
        self.combine(Values::new(), OnCancel::PartsDecide, Location::caller())
    }

    /// Fires with the first value and the index of its Deferred.
    ///
    /// If all Deferreds fail, the combined one fails with [`FailureGroup`](crate::FailureGroup);
    /// Twisted's fires with a plain list then. An empty list fails at once; Twisted's never
    /// fires. With [`fire_on_one_errback`](Self::fire_on_one_errback), the first result
    /// decides, value or failure. Unlike [`race`], this does not cancel the other Deferreds.
    #[track_caller]
    #[doc(alias = "fireOnOneCallback")]
    pub fn fire_on_one_callback(self) -> Deferred<(usize, T)> {
        let rule = FirstValue::new(self.fires_on_one_errback);
        self.combine(rule, OnCancel::PartsDecide, Location::caller())
    }

    fn combine<R: Rule<Value = T>>(
        self,
        rule: R,
        on_cancel: OnCancel,
        made_at: &'static Location<'static>,
    ) -> Deferred<R::Output>
    where
        Shared: Combines<R>,
        Arrival<Shared, R>: Fits<Shared>,
        R::Output: Send + 'static,
    {
        let options = Options {
            consumes_errors: self.consumes_errors,
            cancels_rest: self.cancels_rest,
            on_cancel,
            made_at,
        };
        let receivers = self
            .deferreds
            .into_iter()
            .map(Deferred::into_receiver)
            .collect();
        Deferred::from_receiver(combine::<Shared, R>(receivers, rule, options))
    }
}

impl<T: Send + 'static> fmt::Debug for DeferredList<T> {
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
/// go on; [`DeferredList::cancel_rest`] cancels them. An empty input fires with an empty list
/// at once. See [`DeferredList`] on unhandled failures and cancelling, and
/// [`gather`](super::gather) for values of different types.
///
/// # Examples
///
/// ```
/// use deferred::sync::{Deferred, gather_results};
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
pub fn gather_results<T: Send + 'static>(
    deferreds: impl IntoIterator<Item = Deferred<T>>,
) -> Deferred<Vec<T>> {
    DeferredList::new(deferreds).into_values()
}

/// Waits for the first value, and cancels the other Deferreds before it fires with that value
/// and the index of its Deferred.
///
/// If all Deferreds fail, the race fails with [`FailureGroup`](crate::FailureGroup). A race of
/// no Deferreds fails so at once; Twisted's never fires. The results of the losers are dropped,
/// and their failures are not reported.
///
/// Cancelling the race cancels all its Deferreds. If one of them then has a value, this value
/// wins. If one is paused and none has a value, the race fails with
/// [`Cancelled`](crate::Cancelled) at once, and a later value is dropped.
///
/// # Examples
///
/// ```
/// use deferred::sync::{Deferred, race};
///
/// let (near, first) = Deferred::pair();
/// let (far, second) = Deferred::pair();
/// let fastest = race([first, second]);
/// far.callback("from afar").unwrap();
/// assert!(near.is_fired(), "the cancel has fired it, with `Cancelled`");
/// assert_eq!(fastest.into_result().unwrap().unwrap(), (1, "from afar"));
/// ```
#[track_caller]
#[doc(alias = "select_ok")]
#[doc(alias = "any")]
pub fn race<T: Send + 'static>(
    deferreds: impl IntoIterator<Item = Deferred<T>>,
) -> Deferred<(usize, T)> {
    // The losers are of no interest once there is a winner: neither their results nor their
    // failures. A loser that is paused may stay so for ever, so a cancel does not wait for it.
    let list = DeferredList::new(deferreds).consume_errors().cancel_rest();
    list.combine(
        FirstValue::new(false),
        OnCancel::PartsOrCancelled,
        Location::caller(),
    )
}

/// Waits for the results of all Deferreds, each a value or a failure, in the order of the
/// input. Short for [`DeferredList::into_deferred`] without options.
///
/// # Examples
///
/// ```
/// use deferred::sync::{fail, settled, succeed};
/// use deferred::Failure;
///
/// let results = settled([succeed(1), fail(Failure::msg("no"))]);
/// let results = results.into_result().unwrap().unwrap();
/// assert!(results[0].is_ok() && results[1].is_err());
/// ```
#[track_caller]
#[doc(alias = "allSettled")]
pub fn settled<T: Send + 'static>(
    deferreds: impl IntoIterator<Item = Deferred<T>>,
) -> Deferred<Vec<Result<T>>> {
    DeferredList::new(deferreds).into_deferred()
}
