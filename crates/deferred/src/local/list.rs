//! `DeferredList`, `gather_results`, `race`, `settled`: several Deferreds as one.

use std::fmt;
use std::panic::Location;

use super::deferred::Deferred;
use crate::chain::Local;
use crate::combinators::{Combines, OnCancel, Options, combine};
use crate::combinators::{FirstValue, Rule, Settled, Values};
use crate::failure::Result;

/// Several Deferreds that are to become one: says how, and then makes it.
///
/// They are moved in; their results move into the combined one. What they are is
/// up to the method that ends the building: all results
/// ([`into_deferred`](Self::into_deferred)), all values
/// ([`into_values`](Self::into_values)) or the first value
/// ([`fire_on_one_callback`](Self::fire_on_one_callback)).
///
/// # Failures
///
/// A failure that moves into the combined result counts as handled. One that the
/// combined result cannot show, because it was decided before or by another, is
/// reported as unhandled, unless [`consume_errors`](Self::consume_errors) says
/// that nobody wants to hear of it.
///
/// # Cancelling
///
/// A cancel of the combined Deferred cancels each of the others that has no result
/// yet, in order, and leaves the combined one to what comes of that: a list of all
/// results succeeds with [`Cancelled`](crate::Cancelled) failures in it. Those that
/// are held up by a pause leave it waiting. Once it was fired, a cancel does nothing,
/// not even when it waits for a Deferred that one of its callbacks returned; that
/// one can be cancelled by a handle of its own. A list of nothing has fired from the
/// start. ([`race`] has no such exception.)
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
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{DeferredList, succeed};
    ///
    /// let words = DeferredList::new(["one", "two"].map(succeed)).into_values();
    /// assert_eq!(words.into_result().unwrap().unwrap(), ["one", "two"]);
    /// ```
    pub fn new(deferreds: impl IntoIterator<Item = Deferred<T>>) -> Self {
        Self {
            deferreds: deferreds.into_iter().collect(),
            fires_on_one_errback: false,
            consumes_errors: false,
            cancels_rest: false,
        }
    }

    /// Lets the combined Deferred fail at the first failure, with
    /// [`FirstError`](crate::FirstError).
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{DeferredList, Failure, FirstError, fail, succeed};
    ///
    /// let list = DeferredList::new([succeed(1), fail(Failure::msg("no"))]);
    /// let failure = list.fire_on_one_errback().into_deferred().into_result().unwrap();
    /// assert!(failure.unwrap_err().is::<FirstError>());
    /// ```
    pub fn fire_on_one_errback(mut self) -> Self {
        self.fires_on_one_errback = true;
        self
    }

    /// Says that nobody wants to hear of failures that the combined result does
    /// not show.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::testing::capture_unhandled;
    /// use deferred::{DeferredList, Failure, fail};
    ///
    /// let both = || DeferredList::new(["no disk", "no light"].map(|text| fail::<()>(Failure::msg(text))));
    /// let ((), unhandled) = capture_unhandled(|| both().into_values().ignore());
    /// assert_eq!(unhandled[0].failure().message(), "no light", "it came second");
    ///
    /// let ((), unhandled) = capture_unhandled(|| both().consume_errors().into_values().ignore());
    /// assert!(unhandled.is_empty());
    /// ```
    pub fn consume_errors(mut self) -> Self {
        self.consumes_errors = true;
        self
    }

    /// Has those without a result cancelled when the combined result is decided,
    /// before it is fired. That they fail with [`Cancelled`](crate::Cancelled) is
    /// not reported.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Deferred, DeferredList, Failure};
    ///
    /// let (broken, first) = Deferred::<i32>::pair();
    /// let (slow, second) = Deferred::pair();
    /// let both = DeferredList::new([first, second]).cancel_rest().into_values();
    /// broken.errback(Failure::msg("no")).unwrap();
    /// assert!(slow.is_fired());
    /// assert!(both.into_result().unwrap().is_err());
    /// ```
    pub fn cancel_rest(mut self) -> Self {
        self.cancels_rest = true;
        self
    }

    /// All results, in the order of the input, when the last one is there.
    ///
    /// Of nothing, it is an empty list at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Deferred, DeferredList, Failure, succeed};
    ///
    /// let (trigger, slow) = Deferred::pair();
    /// let all = DeferredList::new([succeed(1), slow]).into_deferred();
    /// let all = all.into_result().expect_err("one is missing");
    /// trigger.errback(Failure::msg("no")).unwrap();
    /// let results = all.into_result().unwrap().unwrap();
    /// assert!(results[0].is_ok() && results[1].is_err());
    /// ```
    #[track_caller]
    pub fn into_deferred(self) -> Deferred<Vec<Result<T>>> {
        let rule = Settled::new(self.fires_on_one_errback);
        self.combine(rule, OnCancel::AsTheyDo, Location::caller())
    }

    /// All values, in the order of the input; at the first failure, it fails with
    /// [`FirstError`](crate::FirstError). See [`gather_results`].
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{DeferredList, Failure, FirstError, fail, succeed};
    ///
    /// let parts = DeferredList::new([succeed(1), succeed(2)]).into_values();
    /// assert_eq!(parts.into_result().unwrap().unwrap(), [1, 2]);
    ///
    /// let parts = DeferredList::new([succeed(1), fail(Failure::msg("lost"))]).into_values();
    /// assert!(parts.into_result().unwrap().unwrap_err().is::<FirstError>());
    /// ```
    #[track_caller]
    pub fn into_values(self) -> Deferred<Vec<T>> {
        self.combine(Values::new(), OnCancel::AsTheyDo, Location::caller())
    }

    /// The first value, and the index of the one it came from.
    ///
    /// If there is none, it fails with [`FailureGroup`](crate::FailureGroup), where
    /// Twisted's gives a plain list; of nothing, it does so at once, where
    /// Twisted's never fires. With
    /// [`fire_on_one_errback`](Self::fire_on_one_errback), whatever comes first
    /// decides. Unlike [`race`], it leaves the others alone.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{DeferredList, Deferred, succeed};
    ///
    /// let (_trigger, slow) = Deferred::pair();
    /// let first = DeferredList::new([slow, succeed("here")]).fire_on_one_callback();
    /// assert_eq!(first.into_result().unwrap().unwrap(), (1, "here"));
    /// ```
    #[track_caller]
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
        Deferred::from_receiver(combine(ends, rule, options))
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

/// All values, in the order of the input.
///
/// It fails with [`FirstError`](crate::FirstError) as soon as one fails. The others
/// are left alone: [`DeferredList::cancel_rest`] has them cancelled. Of nothing, it
/// is an empty list at once. [`DeferredList`] tells of failures and of cancelling.
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
pub fn gather_results<T: 'static>(
    deferreds: impl IntoIterator<Item = Deferred<T>>,
) -> Deferred<Vec<T>> {
    DeferredList::new(deferreds).into_values()
}

/// The first value, and the index of the one it came from; the others are
/// cancelled before it fires.
///
/// If all fail, it fails with [`FailureGroup`](crate::FailureGroup); of nothing, it
/// does so at once, where Twisted's never fires. What the losers come to is
/// nobody's business and not reported.
///
/// A cancel of it cancels all of them. It then ends by what comes of that (one that
/// has a result to give after all wins), or with [`Cancelled`](crate::Cancelled) if
/// one of them is held up; if that has a value later on, it is dropped.
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
pub fn race<T: 'static>(deferreds: impl IntoIterator<Item = Deferred<T>>) -> Deferred<(usize, T)> {
    let list = DeferredList::new(deferreds).consume_errors().cancel_rest();
    list.combine(FirstValue::new(false), OnCancel::AtOnce, Location::caller())
}

/// All results, in the order of the input, when the last one is there: a
/// [`DeferredList`] without options.
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
pub fn settled<T: 'static>(
    deferreds: impl IntoIterator<Item = Deferred<T>>,
) -> Deferred<Vec<Result<T>>> {
    DeferredList::new(deferreds).into_deferred()
}
