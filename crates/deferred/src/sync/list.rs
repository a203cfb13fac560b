//! `DeferredList`, `gather_results`, `race`, `settled`, for several threads.

use std::fmt;
use std::panic::Location;

use super::deferred::Deferred;
use crate::chain::Shared;
use crate::combinators::{FirstValue, OnCancel, Options, Rule, Settled, Values, combine};
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
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::{DeferredList, succeed};
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
    /// use deferred::sync::{Deferred, DeferredList};
    /// use deferred::{Failure, FirstError};
    /// use std::thread;
    ///
    /// let (trigger, broken) = Deferred::<i32>::pair();
    /// let (_trigger, slow) = Deferred::pair();
    /// let list = DeferredList::new([slow, broken]).fire_on_one_errback().into_deferred();
    /// thread::spawn(move || trigger.errback(Failure::msg("no"))).join().unwrap().unwrap();
    /// assert!(list.into_result().unwrap().unwrap_err().is::<FirstError>());
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
    /// use deferred::sync::{DeferredList, fail};
    /// use deferred::{Failure, testing::capture_unhandled};
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

    /// Has those without a result cancelled when the combined result is decided;
    /// see [`crate::DeferredList::cancel_rest`].
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Failure, sync::{Deferred, DeferredList}};
    /// use std::thread;
    ///
    /// let (broken, first) = Deferred::<i32>::pair();
    /// let (slow, second) = Deferred::pair();
    /// let both = DeferredList::new([first, second]).cancel_rest().into_values();
    /// thread::spawn(move || broken.errback(Failure::msg("no"))).join().unwrap().unwrap();
    /// assert!(slow.is_fired(), "cancelled, by that thread");
    /// assert!(both.into_result().unwrap().is_err());
    /// ```
    pub fn cancel_rest(mut self) -> Self {
        self.cancels_rest = true;
        self
    }

    /// All results, in the order of the input, when the last one is there.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::{Deferred, DeferredList, succeed};
    /// use std::thread;
    ///
    /// let (trigger, slow) = Deferred::pair();
    /// let all = DeferredList::new([succeed(1), slow]).into_deferred();
    /// let all = all.into_result().expect_err("one is missing");
    /// thread::spawn(move || drop(trigger)).join().unwrap(); // it has broken down
    /// let results = all.into_result().unwrap().unwrap();
    /// assert!(results[0].is_ok() && results[1].is_err());
    /// ```
    #[track_caller]
    pub fn into_deferred(self) -> Deferred<Vec<Result<T>>> {
        let rule = Settled::new(self.fires_on_one_errback);
        self.combine(rule, OnCancel::AsTheyDo, Location::caller())
    }

    /// All values, in the order of the input; at the first failure, it fails with
    /// [`FirstError`](crate::FirstError).
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::{Deferred, DeferredList, succeed};
    /// use std::thread;
    ///
    /// let (trigger, slow) = Deferred::pair();
    /// let parts = DeferredList::new([succeed(1), slow]).into_values();
    /// thread::spawn(move || trigger.callback(2)).join().unwrap().unwrap();
    /// assert_eq!(parts.into_result().unwrap().unwrap(), [1, 2]);
    /// ```
    #[track_caller]
    pub fn into_values(self) -> Deferred<Vec<T>> {
        self.combine(Values::new(), OnCancel::AsTheyDo, Location::caller())
    }

    /// The first value, and the index of the one it came from; see
    /// [`crate::DeferredList::fire_on_one_callback`].
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::{Deferred, DeferredList};
    /// use std::thread;
    ///
    /// let (_trigger, slow) = Deferred::pair();
    /// let (trigger, fast) = Deferred::pair();
    /// let first = DeferredList::new([slow, fast]).fire_on_one_callback();
    /// thread::spawn(move || trigger.callback("here")).join().unwrap().unwrap();
    /// assert_eq!(first.into_result().unwrap().unwrap(), (1, "here"));
    /// ```
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
        let ends = self
            .deferreds
            .into_iter()
            .map(Deferred::into_receiver)
            .collect();
        Deferred::from_receiver(combine::<Shared, R>(ends, rule, options))
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
