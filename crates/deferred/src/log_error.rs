//! `log_error`: a stage that logs a failure and passes it on.

use std::panic::Location;

use crate::chain::{Fits, Flavour, Skips, Stage, Step};
use crate::event::FailureEvent;
use crate::failure::Result;
use crate::panics::run_contained;

/// Logs a failure, marks it as logged, and passes it on. The field is the place where the stage
/// was added.
pub(crate) struct LogError(pub(crate) &'static Location<'static>);

impl<M, T> Stage<M, T> for LogError
where
    Self: Fits<M>,
    M: Flavour,
    T: Fits<M>,
{
    type Out = T;
    const SKIPS: Skips = Skips::Values;

    fn run(self, input: Result<T>) -> Step<M, T> {
        if let Err(failure) = &input {
            // Before the log, which is code of the user: the failure must not be reported again as
            // unhandled.
            failure.note_logged();
            let event = FailureEvent {
                what: "failure in a deferred",
                failure,
                made_at: None,
                logged_by: Some(self.0),
                is_minor: false,
            };
            run_contained("the log of a failure", || event.log());
        }
        Step::Done(input)
    }

    fn pass(value: T) -> T {
        value
    }
}
