//! Stages: the callback/errback pairs of the `add` methods.

use crate::chain::{Fits, Flavour, Sender, Skips, Stage, Step};
use crate::error::AlreadyCalled;
use crate::failure::{Failure, Result};
use crate::panics::drop_contained;

/// `add_callback`: calls `F` with a value, passes a failure.
pub(crate) struct OnValue<F>(pub(crate) F);

impl<M: Flavour, T, U, F> Stage<M, T> for OnValue<F>
where
    Self: Fits<M>,
    U: Fits<M>,
    F: FnOnce(T) -> Step<M, U>,
{
    type Out = U;
    const SKIPS: Skips = Skips::Failures;

    #[inline(always)]
    fn run(self, input: Result<T>) -> Step<M, U> {
        match input {
            Ok(value) => (self.0)(value),
            Err(failure) => Step::Done(Err(failure)),
        }
    }
}

/// `add_errback`: calls `F` with a failure, passes a value.
pub(crate) struct OnFailure<F>(pub(crate) F);

impl<M: Flavour, T, F> Stage<M, T> for OnFailure<F>
where
    Self: Fits<M>,
    T: Fits<M>,
    F: FnOnce(Failure) -> Step<M, T>,
{
    type Out = T;
    const SKIPS: Skips = Skips::Values;

    #[inline(always)]
    fn run(self, input: Result<T>) -> Step<M, T> {
        match input {
            Ok(value) => Step::Done(Ok(value)),
            Err(failure) => (self.0)(failure),
        }
    }

    #[inline]
    fn pass(value: T) -> T {
        value
    }
}

/// `add_both`: calls `F` with the result.
pub(crate) struct OnBoth<F>(pub(crate) F);

impl<M: Flavour, T, U, F> Stage<M, T> for OnBoth<F>
where
    Self: Fits<M>,
    U: Fits<M>,
    F: FnOnce(Result<T>) -> Step<M, U>,
{
    type Out = U;
    const SKIPS: Skips = Skips::Nothing;

    #[inline(always)]
    fn run(self, input: Result<T>) -> Step<M, U> {
        (self.0)(input)
    }
}

/// `add_callbacks`: calls `F` with a value, `G` with a failure.
pub(crate) struct OnEither<F, G>(pub(crate) F, pub(crate) G);

impl<M: Flavour, T, U, F, G> Stage<M, T> for OnEither<F, G>
where
    Self: Fits<M>,
    U: Fits<M>,
    F: FnOnce(T) -> Step<M, U>,
    G: FnOnce(Failure) -> Step<M, U>,
{
    type Out = U;
    const SKIPS: Skips = Skips::Nothing;

    #[inline(always)]
    fn run(self, input: Result<T>) -> Step<M, U> {
        match input {
            Ok(value) => (self.0)(value),
            Err(failure) => (self.1)(failure),
        }
    }
}

/// `chain_deferred`: fires another chain with the result.
pub(crate) struct Forward<M: Flavour, T>(pub(crate) Sender<M, T>);

impl<M: Flavour, T> Stage<M, T> for Forward<M, T>
where
    Self: Fits<M>,
    T: Fits<M>,
    (): Fits<M>,
{
    type Out = ();
    const SKIPS: Skips = Skips::Nothing;

    fn run(self, input: Result<T>) -> Step<M, ()> {
        match self.0.fire_unrun(input) {
            // The run loop runs the target, so that chains which forward to one another take
            // constant stack.
            Ok(Some(target)) => Step::Run(target, ()),
            Ok(None) => Step::Done(Ok(())),
            Err(undelivered) => {
                // The other chain has a result: this one fails, and its own result has no taker.
                drop_contained(undelivered);
                Step::Done(Err(Failure::new(AlreadyCalled)))
            }
        }
    }
}
