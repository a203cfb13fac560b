//! Search of an error in a failure, among its sources and the members of groups.

use std::error::Error;

use super::Result;
use super::as_error::FailureError;
use super::members::FailureGroup;
use super::requested::Cancelled;
use super::story::{FROM_ENCLOSING_CANCEL, Failure};

impl Failure {
    /// The first error of type `E` among the error and its sources. The sources of a
    /// [`FirstError`](crate::FirstError) and of a [`FailureGroup`] are the failures in it, with
    /// their own sources.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Cancelled, Failure};
    ///
    /// #[derive(Debug)]
    /// struct Fetch(Cancelled);
    ///
    /// impl std::fmt::Display for Fetch {
    ///     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
    ///         f.write_str("fetching failed")
    ///     }
    /// }
    ///
    /// impl std::error::Error for Fetch {
    ///     fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
    ///         Some(&self.0)
    ///     }
    /// }
    ///
    /// let failure = Failure::new(Fetch(Cancelled::new()));
    /// assert!(failure.check::<Cancelled>().is_some());
    /// assert!(failure.downcast_ref::<Cancelled>().is_none());
    /// assert!(failure.check::<std::io::Error>().is_none());
    /// ```
    pub fn check<E: Error + 'static>(&self) -> Option<&E> {
        // With a list, not by recursion: groups may contain groups, to any depth.
        let mut to_search: Vec<&(dyn Error + 'static)> = Vec::new();
        let mut next: Option<&(dyn Error + 'static)> = Some(self.as_error());
        loop {
            let error = next.or_else(|| to_search.pop())?;
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            next = error.source();
            if let Some(group) = error.downcast_ref::<FailureGroup>() {
                let members = group.iter().rev();
                to_search.extend(members.map(|member| member.as_error() as &dyn Error));
            } else if let Some(failed) = error.downcast_ref::<FailureError>() {
                // A `FailureError` stands for the error of its failure, and has its sources.
                next = Some(failed.failure().as_error());
            }
        }
    }

    /// Whether [`check`](Self::check) finds an `E`.
    pub fn is<E: Error + 'static>(&self) -> bool {
        self.check::<E>().is_some()
    }

    /// As [`check`](Self::check), but errs with the failure if it finds no `E`: with `?`, an
    /// errback handles the errors that it knows and passes the others to the next errback.
    ///
    /// # Errors
    ///
    /// A clone of this failure, if there is no `E` in it.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::fail;
    /// use std::num::ParseIntError;
    ///
    /// let parse = |text: &str| text.parse::<i32>();
    /// let deferred = fail::<i32>(parse("one").unwrap_err())
    ///     .add_errback(|failure| {
    ///         failure.trap::<ParseIntError>()?;
    ///         Ok(0)
    ///     });
    /// assert_eq!(deferred.into_result().unwrap().unwrap(), 0);
    /// ```
    pub fn trap<E: Error + 'static>(&self) -> Result<&E> {
        self.check().ok_or_else(|| self.clone())
    }

    /// Notes, if this is a `Cancelled`, that it follows from a cancel of the combined Deferred of
    /// which its Deferred was a part, or of the body that awaited it: its report is then minor.
    pub(crate) fn note_enclosing_cancel(&self) {
        if self.is::<Cancelled>() {
            self.note(FROM_ENCLOSING_CANCEL);
        }
    }
}
