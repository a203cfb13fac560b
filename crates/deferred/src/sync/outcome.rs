//! What a callback may return.

pub(crate) use self::sealed::Stepped;
use crate::chain::Step;
use crate::failure::{Failure, Result};
use crate::never::Never;

/// What a callback may return: `Result<U, Failure>`, another
/// [`Deferred<U>`](super::Deferred) of this module, or `()`, which counts as `Ok(())`;
/// see [`crate::Outcome`].
///
/// # Examples
///
/// ```
/// use deferred::sync::{Deferred, succeed};
///
/// let page = succeed("cached").add_callback(|name| match name {
///     "cached" => Deferred::from(Ok("from memory")),
///     _ => succeed("from disk"),
/// });
/// assert_eq!(page.into_result().unwrap().unwrap(), "from memory");
/// ```
#[diagnostic::on_unimplemented(
    message = "a callback cannot return `{Self}`",
    label = "returns `{Self}`",
    note = "to go on with a value, return `Ok(value)`",
    note = "for a `Result` with another error, return `Ok(expression?)`: `?` makes a `Failure` of any error",
    note = "to wait for another `deferred::sync::Deferred`, return it; after a `?`, return `Ok(deferred)` and add `.flatten()`"
)]
pub trait Outcome {
    /// The type of the value that the next callback gets.
    type Value: Send + 'static;

    #[doc(hidden)]
    fn into_step(self) -> Stepped<Self::Value>;
}

mod sealed {
    use crate::chain::{Shared, Step};

    #[expect(unnameable_types, reason = "it seals the trait")]
    #[expect(missing_debug_implementations, reason = "it never leaves the crate")]
    pub struct Stepped<U>(pub(crate) Step<Shared, U>);
}

impl<U: Send + 'static> Outcome for Result<U, Failure> {
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
