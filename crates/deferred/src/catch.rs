//! `Failure::catch`: for loops that call other people's code.

use std::any::Any;
use std::panic::Location;

use crate::contain::catch;
use crate::error::Panicked;
use crate::failure::{Failure, Result};

impl Failure {
    /// Calls `f`; if it panics, the panic becomes a failure ([`Panicked`]).
    ///
    /// For a loop that calls other people's code. Deferreds whose triggers the panic
    /// drops are abandoned at once, while it unwinds, whoever catches it.
    ///
    /// # Errors
    ///
    /// The panic. With `panic = "abort"` there is none to catch.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Abandoned, Deferred, Failure, Panicked};
    ///
    /// # std::panic::set_hook(Box::new(|_| {}));
    /// let (trigger, deferred) = Deferred::<i32>::pair();
    /// let handler = move || {
    ///     let _trigger = trigger;
    ///     panic!("what a handler may do")
    /// };
    /// let failure = Failure::catch(handler).unwrap_err();
    /// assert!(failure.is::<Panicked>());
    /// let result = deferred.into_result().unwrap();
    /// assert!(result.unwrap_err().is::<Abandoned>());
    /// ```
    #[track_caller]
    #[inline]
    pub fn catch<R>(f: impl FnOnce() -> R) -> Result<R> {
        let called_at = Location::caller();
        catch(f).map_err(|payload| Self::of_panic(payload, called_at))
    }

    #[cold]
    fn of_panic(payload: Box<dyn Any + Send>, called_at: &'static Location<'static>) -> Self {
        Self::raised_at_place(Panicked::from_payload(payload), called_at)
    }
}
