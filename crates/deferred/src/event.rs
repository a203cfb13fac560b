//! Log record of a failure: one `tracing` event, with fields.

use std::fmt;
use std::io::Write;

use crate::failure::Failure;
use crate::stage_trace::{CallSite, StageTrace};

/// The data of a log record.
pub(crate) struct FailureEvent<'a> {
    pub(crate) what: &'static str,
    pub(crate) failure: &'a Failure,
    /// The place where the Deferred of the failure was made.
    pub(crate) made_at: Option<CallSite>,
    /// The place where the `log_error` stage was added.
    pub(crate) logged_by: Option<CallSite>,
    pub(crate) is_minor: bool,
}

impl FailureEvent<'_> {
    /// Logs it: as a `tracing` event at ERROR level, or at DEBUG level if it is minor.
    ///
    /// If the process has no subscriber, and never had, the full story goes to standard
    /// error, unless it is minor.
    pub(crate) fn log(&self) {
        let error = tracing::field::display(self.failure);
        let raised_at = tracing::field::display(self.failure.raised_at());
        let made_at = self.made_at.map(tracing::field::display);
        let logged_by = self.logged_by.map(tracing::field::display);
        let stage_trace = self.failure.stage_trace();
        let stage_trace =
            (stage_trace.count() > 0).then(|| tracing::field::display(OneLine(stage_trace)));
        // As `dyn Display`: where no backtrace is ever captured, the code that prints one is
        // not linked.
        let backtrace = self.failure.backtrace();
        let backtrace = backtrace.map(|it| tracing::field::display(it as &dyn fmt::Display));
        let what = self.what;
        if self.is_minor {
            tracing::debug!(
                target: "deferred", error, raised_at, made_at, logged_by, stage_trace, backtrace, "{what}"
            );
        } else {
            tracing::error!(
                target: "deferred", error, raised_at, made_at, logged_by, stage_trace, backtrace, "{what}"
            );
            // Without a subscriber, the event goes nowhere.
            if !tracing::dispatcher::has_been_set() {
                self.print();
            }
        }
    }

    /// Writes the full story to standard error.
    pub(crate) fn print(&self) {
        // Errs if standard error is closed: there is no other place to report to.
        let _ = writeln!(std::io::stderr(), "{self}");
    }
}

impl fmt::Display for FailureEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.what, self.failure)?;
        if let Some(place) = self.made_at {
            write!(f, "\n  the deferred was made at {place}")?;
        }
        if let Some(place) = self.logged_by {
            write!(f, "\n  logged by the stage added at {place}")?;
        }
        Ok(())
    }
}

/// The places of a stage trace, on one line.
struct OneLine<'a>(&'a StageTrace);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, place) in self.0.places().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            if let Some(forgotten) = self.0.forgotten_before(index) {
                write!(f, "({forgotten} more), ")?;
            }
            write!(f, "{place}")?;
        }
        Ok(())
    }
}
