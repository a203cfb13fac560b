//! `Failure::context`: a text that says what was being done when the failure came.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::as_error::FailureError;
use super::{Failure, Inner};

/// The error of a [`Failure::context`]: the text, with the error as its source.
struct Context {
    text: String,
    /// `None` only while this is dropped.
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// Nested contexts are dropped in a loop, so that any number of them takes a bounded stack: a
/// program that retries may add one with each attempt.
impl Drop for Context {
    fn drop(&mut self) {
        let mut next = self.source.take();
        while let Some(error) = next {
            next = match error.downcast::<Self>() {
                Ok(mut context) => context.source.take(),
                Err(error) => match error.downcast::<FailureError>() {
                    // The last owner takes the failure apart; the others only drop a reference.
                    Ok(failed) => Arc::into_inner(failed.into_failure().inner).map(|it| it.error),
                    Err(_another) => None,
                },
            };
        }
    }
}

impl Failure {
    /// Puts a text before the error, saying what was being done when it came.
    ///
    /// The error becomes the source of the new one: [`check`](Self::check),
    /// [`is`](Self::is) and [`trap`](Self::trap) find it still. The place it was raised at,
    /// the stages it passed and the backtrace are kept. (If a clone of the failure is alive, the
    /// backtrace stays with the clone.)
    ///
    /// # Examples
    ///
    /// ```
    /// use std::num::ParseIntError;
    ///
    /// fn port(text: &str) -> deferred::Result<u16> {
    ///     text.parse::<u16>().map_err(|error| deferred::Failure::new(error).context("reading the port"))
    /// }
    ///
    /// let failure = port("http").unwrap_err();
    /// assert_eq!(failure.to_string(), "reading the port: invalid digit found in string");
    /// assert!(failure.is::<ParseIntError>());
    /// ```
    #[must_use = "it gives the failure with the text"]
    pub fn context(self, text: impl Into<String>) -> Self {
        let text = text.into();
        let inner = match Arc::try_unwrap(self.inner) {
            // Not shared: the failure keeps its story, and only the error changes.
            Ok(inner) => Inner {
                error: Box::new(Context {
                    text,
                    source: Some(inner.error),
                }),
                ..inner
            },
            Err(shared) => {
                // The clones keep the error, so the whole failure becomes the source. Its story is
                // copied, except for the backtrace, which cannot be.
                let shared = Self { inner: shared };
                let (raised_at, stage_trace) =
                    (shared.raised_at(), shared.inner.stage_trace.clone());
                let notes = shared
                    .inner
                    .notes
                    .load(std::sync::atomic::Ordering::Relaxed);
                let source = shared.into_error();
                let error = Context {
                    text,
                    source: Some(Box::new(source)),
                };
                Inner {
                    error: Box::new(error),
                    raised_at,
                    stage_trace,
                    notes: notes.into(),
                    backtrace: std::backtrace::Backtrace::disabled(),
                }
            }
        };
        Self {
            inner: Arc::new(inner),
        }
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("text", &self.text)
            .field("source", &self.source)
            .finish()
    }
}

impl Error for Context {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.source.as_deref()?;
        Some(source)
    }
}
