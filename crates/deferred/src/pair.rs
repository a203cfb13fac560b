//! The pairs: what a stage does on its two sides.

use crate::chain::{Local, Skips, Source, Stage, Step};
use crate::error::AlreadyCalled;
use crate::failure::{Failure, Result};
use crate::outcome::Outcome;

/// `add_callback`: a value goes to `F`, a failure passes.
pub(crate) struct OnValue<F>(pub(crate) F);

impl<T, F, O> Stage<Local, T> for OnValue<F>
where
    F: FnOnce(T) -> O + 'static,
    O: Outcome,
{
    type Out = O::Value;
    const SKIPS: Skips = Skips::Failures;

    #[inline]
    fn run(self, input: Result<T>) -> Step<Local, O::Value> {
        match input {
            Ok(value) => (self.0)(value).into_step().0,
            Err(failure) => Step::Done(Err(failure)),
        }
    }
}

/// `add_errback`: a failure goes to `F`, a value passes.
pub(crate) struct OnFailure<F>(pub(crate) F);

impl<T, F, O> Stage<Local, T> for OnFailure<F>
where
    T: 'static,
    F: FnOnce(Failure) -> O + 'static,
    O: Outcome<Value = T>,
{
    type Out = T;
    const SKIPS: Skips = Skips::Values;

    #[inline]
    fn run(self, input: Result<T>) -> Step<Local, T> {
        match input {
            Ok(value) => Step::Done(Ok(value)),
            Err(failure) => (self.0)(failure).into_step().0,
        }
    }

    #[inline]
    fn pass(value: T) -> T {
        value
    }
}

/// `add_both`: whatever comes goes to `F`.
pub(crate) struct OnBoth<F>(pub(crate) F);

impl<T, F, O> Stage<Local, T> for OnBoth<F>
where
    F: FnOnce(Result<T>) -> O + 'static,
    O: Outcome,
{
    type Out = O::Value;
    const SKIPS: Skips = Skips::Nothing;

    #[inline]
    fn run(self, input: Result<T>) -> Step<Local, O::Value> {
        (self.0)(input).into_step().0
    }
}

/// `add_callbacks`: a value goes to `F`, a failure to `G`.
pub(crate) struct OnEither<F, G>(pub(crate) F, pub(crate) G);

impl<T, F, G, O, P> Stage<Local, T> for OnEither<F, G>
where
    F: FnOnce(T) -> O + 'static,
    G: FnOnce(Failure) -> P + 'static,
    O: Outcome,
    P: Outcome<Value = O::Value>,
{
    type Out = O::Value;
    const SKIPS: Skips = Skips::Nothing;

    #[inline]
    fn run(self, input: Result<T>) -> Step<Local, O::Value> {
        match input {
            Ok(value) => (self.0)(value).into_step().0,
            Err(failure) => (self.1)(failure).into_step().0,
        }
    }
}

/// `chain_deferred`: whatever comes fires another chain.
pub(crate) struct Forward<T: 'static>(pub(crate) Source<Local, T>);

impl<T: 'static> Stage<Local, T> for Forward<T> {
    type Out = ();
    const SKIPS: Skips = Skips::Nothing;

    fn run(self, input: Result<T>) -> Step<Local, ()> {
        match self.0.fire_unrun(input) {
            Ok(Some(target)) => Step::Run(target, ()),
            Ok(None) => Step::Done(Ok(())),
            Err(_undelivered) => Step::Done(Err(Failure::new(AlreadyCalled::new(())))),
        }
    }
}
