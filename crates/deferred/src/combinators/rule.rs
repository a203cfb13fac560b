//! Rules of the combinators: how the results of the parts become one result, and which part
//! decides it early, before the other parts have theirs.

use std::marker::PhantomData;
use std::panic::Location;

use crate::failure::{Failure, FailureGroup, Result};

/// How the results of the parts become one.
///
/// `sort` is called while a lock is held, so it only moves values. The other methods are called
/// without a lock, since they may drop values of the parts, which runs code of the user.
pub(crate) trait Rule: 'static {
    /// The value of a part.
    type Value: 'static;
    /// What is kept of a part until all the others have their result, too.
    type Kept: 'static;
    /// The value of the whole.
    type Output: 'static;

    /// What `result`, of the part at `index`, means for the whole.
    fn sort(&self, index: usize, result: Result<Self::Value>) -> Verdict<Self>;

    /// The failure, if a failure was kept. Called if another part has decided the result early: the
    /// result does not have the kept failures then, so they are reported, and kept values dropped.
    fn into_failure(kept: Self::Kept) -> Option<Failure>;

    /// The combined result, when each part has something to be kept.
    fn complete(
        kept: impl Iterator<Item = Self::Kept>,
        made_at: &'static Location<'static>,
    ) -> Result<Self::Output>;
}

/// What the result of one part means for the whole.
pub(crate) enum Verdict<R: Rule + ?Sized> {
    Keep(R::Kept),
    /// The combined result is there.
    Succeed(R::Output),
    /// The combination fails, with this as the first error.
    Fail(Failure),
}

/// Rule of `DeferredList`: all results, in order. With `fails_early`, the first failure becomes
/// the failure of the whole.
pub(crate) struct Settled<T> {
    pub(crate) fails_early: bool,
    // A function type, since no rule owns a `T`: so a rule is `Send`, whatever `T` is.
    part: PhantomData<fn() -> T>,
}

/// Rule of `gather_results`: all values, in order, or the first failure.
pub(crate) struct Values<T> {
    part: PhantomData<fn() -> T>,
}

/// Rule of `race`: the first value, and the index of its part. Failures are kept, and become a
/// group if there is no value; with `fails_early`, the first failure becomes that of the whole.
pub(crate) struct FirstValue<T> {
    pub(crate) fails_early: bool,
    part: PhantomData<fn() -> T>,
}

impl<T> Settled<T> {
    pub(crate) fn new(fails_early: bool) -> Self {
        Self {
            fails_early,
            part: PhantomData,
        }
    }
}

impl<T> Values<T> {
    pub(crate) fn new() -> Self {
        Self { part: PhantomData }
    }
}

impl<T> FirstValue<T> {
    pub(crate) fn new(fails_early: bool) -> Self {
        Self {
            fails_early,
            part: PhantomData,
        }
    }
}

impl<T: 'static> Rule for Settled<T> {
    type Value = T;
    type Kept = Result<T>;
    type Output = Vec<Result<T>>;

    fn sort(&self, _index: usize, result: Result<T>) -> Verdict<Self> {
        match result {
            Err(failure) if self.fails_early => Verdict::Fail(failure),
            result => Verdict::Keep(result),
        }
    }

    fn into_failure(kept: Result<T>) -> Option<Failure> {
        kept.err()
    }

    fn complete(
        kept: impl Iterator<Item = Result<T>>,
        _made_at: &'static Location<'static>,
    ) -> Result<Vec<Result<T>>> {
        Ok(kept.collect())
    }
}

impl<T: 'static> Rule for Values<T> {
    type Value = T;
    type Kept = T;
    type Output = Vec<T>;

    fn sort(&self, _index: usize, result: Result<T>) -> Verdict<Self> {
        match result {
            Ok(value) => Verdict::Keep(value),
            Err(failure) => Verdict::Fail(failure),
        }
    }

    fn into_failure(_kept: T) -> Option<Failure> {
        // The first failure decides the result, so none is ever kept.
        None
    }

    fn complete(
        kept: impl Iterator<Item = T>,
        _made_at: &'static Location<'static>,
    ) -> Result<Vec<T>> {
        Ok(kept.collect())
    }
}

impl<T: 'static> Rule for FirstValue<T> {
    type Value = T;
    type Kept = Failure;
    type Output = (usize, T);

    fn sort(&self, index: usize, result: Result<T>) -> Verdict<Self> {
        match result {
            Ok(value) => Verdict::Succeed((index, value)),
            Err(failure) if self.fails_early => Verdict::Fail(failure),
            Err(failure) => Verdict::Keep(failure),
        }
    }

    fn into_failure(kept: Failure) -> Option<Failure> {
        Some(kept)
    }

    fn complete(
        kept: impl Iterator<Item = Failure>,
        made_at: &'static Location<'static>,
    ) -> Result<(usize, T)> {
        let failures: Vec<_> = kept.collect();
        // If each member is in the log already, the group need not be reported again.
        let are_logged = !failures.is_empty() && failures.iter().all(Failure::is_logged);
        let failure = Failure::raised_at_place(FailureGroup::new(failures), made_at);
        if are_logged {
            failure.note_logged();
        }
        Err(failure)
    }
}
