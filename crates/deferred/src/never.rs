//! The type `!`, so that a callback may end in a panic on each path.

/// Names the type that a `fn() -> !` gives: `!` itself cannot be written yet.
#[doc(hidden)]
#[expect(unnameable_types, reason = "a public impl names it")]
pub trait Gives {
    type Out;
}

impl<R> Gives for fn() -> R {
    type Out = R;
}

/// The type of what never returns.
pub(crate) type Never = <fn() -> ! as Gives>::Out;
