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
        Self::catch_at(called_at, f)
    }

    /// As [`catch`](Self::catch), where the failure is to name another place than this: that
    /// of the call with which the user has handed `f` over.
    ///
    /// # Errors
    ///
    /// The panic.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Failure, Result};
    /// use std::panic::Location;
    ///
    /// /// What a library may do with a job.
    /// #[track_caller]
    /// fn job(f: impl FnOnce()) -> impl FnOnce() -> Result<()> {
    ///     let given_at = Location::caller();
    ///     move || Failure::catch_at(given_at, f)
    /// }
    ///
    /// # std::panic::set_hook(Box::new(|_| {}));
    /// let job = job(|| panic!("what it may do"));
    /// assert_eq!(job().unwrap_err().raised_at().line(), line!() - 1);
    /// ```
    #[inline]
    pub fn catch_at<R>(place: &'static Location<'static>, f: impl FnOnce() -> R) -> Result<R> {
        catch(f).map_err(|payload| Self::of_panic(payload, place))
    }

    #[cold]
    fn of_panic(payload: Box<dyn Any + Send>, called_at: &'static Location<'static>) -> Self {
        Self::raised_at_place(Panicked::from_payload(payload), called_at)
    }
}
