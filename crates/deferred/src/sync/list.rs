//! `DeferredList`, `gather_results`, `race`, `settled`, for several threads.

use std::fmt;
use std::panic::Location;

use super::deferred::Deferred;
use crate::chain::Shared;
use crate::combine::{FirstValue, OnCancel, Options, Rule, Settled, Values, combine};
use crate::failure::Result;

/// Several Deferreds that are to become one; see [`crate::DeferredList`].
///
/// The combined Deferred is fired, and the others are cancelled, on the thread that
/// decides the result.
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

    /// Lets the combined Deferred fail at the first failure, with
    /// [`FirstError`](crate::FirstError).
    pub fn fire_on_one_errback(mut self) -> Self {
        self.fires_on_one_errback = true;
        self
    }

    /// Says that nobody wants to hear of failures that the combined result does
    /// not show.
    pub fn consume_errors(mut self) -> Self {
        self.consumes_errors = true;
        self
    }

    /// Has those without a result cancelled when the combined result is decided;
    /// see [`crate::DeferredList::cancel_rest`].
    pub fn cancel_rest(mut self) -> Self {
        self.cancels_rest = true;
        self
    }

    /// All results, in the order of the input, when the last one is there.
    #[track_caller]
    pub fn into_deferred(self) -> Deferred<Vec<Result<T>>> {
        let rule = Settled::new(self.fires_on_one_errback);
        self.combine(rule, OnCancel::AsTheyDo, Location::caller())
    }

    /// All values, in the order of the input; at the first failure, it fails with
    /// [`FirstError`](crate::FirstError).
    #[track_caller]
    pub fn into_values(self) -> Deferred<Vec<T>> {
        self.combine(Values::new(), OnCancel::AsTheyDo, Location::caller())
    }

    /// The first value, and the index of the one it came from; see
    /// [`crate::DeferredList::fire_on_one_callback`].
    #[track_caller]
    pub fn fire_on_one_callback(self) -> Deferred<(usize, T)> {
        let rule = FirstValue::new(self.fires_on_one_errback);
        self.combine(rule, OnCancel::AsTheyDo, Location::caller())
    }

    fn combine<R>(
        self,
        rule: R,
        on_cancel: OnCancel,
        made_at: &'static Location<'static>,
    ) -> Deferred<R::Output>
    where
        R: Rule<Part = T> + Send,
        R::Kept: Send,
        R::Output: Send,
    {
        let options = Options {
            consumes_errors: self.consumes_errors,
            cancels_rest: self.cancels_rest,
            on_cancel,
            made_at,
        };
        let ends = self.deferreds.into_iter().map(Deferred::into_end).collect();
        Deferred::from_end(combine::<Shared, R>(ends, rule, options))
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

/// All values, in the order of the input; see [`crate::gather_results`].
///
/// # Examples
///
/// ```
/// use deferred::sync::{gather_results, succeed};
///
/// let both = gather_results([succeed(1), succeed(2)]);
/// assert_eq!(both.into_result().unwrap().unwrap(), [1, 2]);
/// ```
#[track_caller]
pub fn gather_results<T: Send + 'static>(
    deferreds: impl IntoIterator<Item = Deferred<T>>,
) -> Deferred<Vec<T>> {
    DeferredList::new(deferreds).into_values()
}

/// The first value, and the index of the one it came from; see [`crate::race`].
///
/// # Examples
///
/// ```
/// use deferred::sync::{Deferred, race, succeed};
///
/// let (_trigger, slow) = Deferred::pair();
/// let fastest = race([slow, succeed("here")]);
/// assert_eq!(fastest.into_result().unwrap().unwrap(), (1, "here"));
/// ```
#[track_caller]
pub fn race<T: Send + 'static>(
    deferreds: impl IntoIterator<Item = Deferred<T>>,
) -> Deferred<(usize, T)> {
    let list = DeferredList::new(deferreds).consume_errors().cancel_rest();
    list.combine(FirstValue::new(false), OnCancel::AtOnce, Location::caller())
}

/// All results, in the order of the input; see [`crate::settled`].
///
/// # Examples
///
/// ```
/// use deferred::sync::{settled, succeed};
///
/// let results = settled([succeed(1), succeed(2)]).into_result().unwrap().unwrap();
/// assert!(results.iter().all(Result::is_ok));
/// ```
#[track_caller]
pub fn settled<T: Send + 'static>(
    deferreds: impl IntoIterator<Item = Deferred<T>>,
) -> Deferred<Vec<Result<T>>> {
    DeferredList::new(deferreds).into_deferred()
}
