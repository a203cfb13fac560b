//! `Failure`: an error in a chain, with the stages that it has passed.
//!
//! `story` defines it. `requested` has the errors that the program causes itself, and the macro
//! `plain_error` for errors that are only a message; `members` has the errors that contain
//! failures, and `inside` drops and prints these when they are nested.

mod as_error;
mod context;
#[cfg(feature = "anyhow")]
mod from_anyhow;
mod inside;
pub(crate) mod lock_held;
mod making;
mod members;
mod message;
mod requested;
mod searching;
mod story;
mod text;

pub use self::as_error::FailureError;
pub use self::members::{FailureGroup, FirstError};
pub(crate) use self::requested::plain_error;
pub use self::requested::{Abandoned, Cancelled, TimedOut};
pub use self::story::Failure;
pub(crate) use self::story::Inner;

/// A result that may have failed, with [`Failure`] as the error unless said otherwise.
///
/// # Examples
///
/// ```
/// fn parse(text: &str) -> deferred::Result<i32> {
///     Ok(text.trim().parse()?)
/// }
///
/// assert_eq!(parse(" 7 ").unwrap(), 7);
/// assert!(parse("seven").unwrap_err().is::<std::num::ParseIntError>());
/// ```
pub type Result<T, E = Failure> = std::result::Result<T, E>;
