//! What a callback may return.

pub(crate) use self::sealed::Stepped;
use crate::chain::Step;
use crate::failure::{Failure, Result};
use crate::never::Never;

/// What a callback may return: `Result<U, Failure>`, another `Deferred<U>`, or
/// `()`, which counts as `Ok(())`. A closure that never returns (`|_| todo!()`) is taken
/// for one that returns `()`.
///
/// The trait is sealed: these are all there are, which is what lets the
/// compiler infer the type of `|n| Ok(n + 1)`. A body whose branches differ can
/// return a [`Deferred`](crate::Deferred) from each, with `Deferred::from` for a
/// `Result`.
///
/// # Examples
///
/// ```
/// use deferred::{Deferred, succeed};
///
/// let looked_up = succeed("twelve").add_callback(|name| match name.parse::<i32>() {
///     Ok(number) => Deferred::from(Ok(number)),
///     Err(_) => look_up(name),
/// });
/// assert_eq!(looked_up.into_result().unwrap().unwrap(), 12);
///
/// fn look_up(_name: &str) -> Deferred<i32> {
///     succeed(12)
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "a callback cannot return `{Self}`",
    label = "returns `{Self}`",
    note = "to go on with a value, return `Ok(value)`",
    note = "for a `Result` with another error, return `Ok(expression?)`: `?` makes a `Failure` of any error",
    note = "to wait for another Deferred, return it; after a `?`, return `Ok(deferred)` and add `.flatten()`"
)]
pub trait Outcome {
    /// The type of the value that the next callback gets.
    type Value: 'static;

    #[doc(hidden)]
    fn into_step(self) -> Stepped<Self::Value>;
}

pub(crate) mod sealed {
    use crate::chain::{Local, Step};

    /// What an outcome comes to. Nobody outside can name or make one, so nobody
    /// outside can implement the trait.
    #[expect(unnameable_types, reason = "it seals the trait")]
    #[expect(missing_debug_implementations, reason = "it never leaves the crate")]
    pub struct Stepped<U>(pub(crate) Step<Local, U>);
}

impl<U: 'static> Outcome for Result<U, Failure> {
    type Value = U;

    #[inline]
    fn into_step(self) -> Stepped<U> {
        Stepped(Step::Done(self))
    }
}

/// `|_| todo!()`, `|_| panic!(..)`.
impl Outcome for Never {
    type Value = ();

    fn into_step(self) -> Stepped<()> {
        self
    }
}

impl Outcome for () {
    type Value = ();

    #[inline]
    fn into_step(self) -> Stepped<()> {
        Stepped(Step::Done(Ok(())))
    }
}
