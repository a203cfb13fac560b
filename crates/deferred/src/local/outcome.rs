//! `Outcome`: the types that a callback may return.

pub(crate) use self::sealed::Stepped;
use crate::chain::{Receiver, ReceiverState, Step};
use crate::failure::{Failure, Result};
use crate::never::Never;

/// A type that a callback may return: `Result<U, Failure>`, another `Deferred<U>`, or `()`,
/// which counts as `Ok(())`. A closure that never returns (`|_| todo!()`) counts as one that
/// returns `()`.
///
/// The trait is sealed. Because these are all its implementations, the compiler infers the
/// type of `|n| Ok(n + 1)`.
///
/// # Bodies with several kinds of return
///
/// - Branches that differ each give a Deferred: `Deferred::from(result)` makes one of a
///   `Result`.
/// - A body that uses `?` and then waits for a Deferred returns it as `Ok(deferred)`, followed
///   by [`flatten`](super::Deferred::flatten).
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

    /// Drops the outcome of a call that no chain waits for: a failure is reported as
    /// unhandled.
    #[doc(hidden)]
    #[inline]
    fn detach(self)
    where
        Self: Sized,
    {
        Receiver::from_step(self.into_step().0).let_go(ReceiverState::Detached);
    }
}

pub(crate) mod sealed {
    use crate::chain::Local;
    use crate::chain::Step;

    /// What an outcome becomes in the chain. It seals [`Outcome`](super::Outcome): no other
    /// crate can name or make one.
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

    #[inline]
    fn detach(self) {}
}
