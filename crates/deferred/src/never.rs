//! The never type `!`, so that `|_| todo!()` is a callback.

/// Names the return type of a function pointer: stable Rust cannot write `!` elsewhere.
#[doc(hidden)]
#[expect(unnameable_types, reason = "a public impl names it")]
pub trait Gives {
    type Out;
}

impl<R> Gives for fn() -> R {
    type Out = R;
}

/// The never type.
pub(crate) type Never = <fn() -> ! as Gives>::Out;
