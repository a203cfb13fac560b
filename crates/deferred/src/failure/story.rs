//! `Failure`: an error, and its story: where it was raised, and which stages it has passed.
//!
//! A failure is one reference-counted pointer, so that a `Result` of a callback stays small. A
//! clone shares the story, which then does not grow until one owner is left.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::error::Error;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::message::text_of;
use crate::stage_trace::{CallSite, StageTrace};

/// Any error, with the place where it was raised and the stages that it passed.
///
/// It is one word, cheap to clone, and `Send + Sync`. `?` makes one of every
/// [`std::error::Error`]. Like `anyhow::Error`, and for the same reason, it does not implement
/// `Error` itself; [`Failure::into_error`] gives a type that does.
///
/// `Display` prints the error and its sources on one line; `Debug` prints the full story.
///
/// # With `anyhow`
///
/// With the feature `anyhow`, `?` makes an `anyhow::Error` of it, and `Failure::from_anyhow` is
/// the way back.
///
/// # Examples
///
/// ```
/// use std::num::ParseIntError;
///
/// fn port(text: &str) -> deferred::Result<u16> {
///     Ok(text.parse()?)
/// }
///
/// let failure = port("http").unwrap_err();
/// assert_eq!(failure.to_string(), "invalid digit found in string");
/// assert!(failure.check::<ParseIntError>().is_some());
/// assert!(failure.raised_at().file().ends_with(".rs"));
/// ```
pub struct Failure {
    /// INVARIANT: there are no weak references to it, so that `Arc::get_mut` fails only while it
    /// is shared.
    pub(super) inner: Arc<Inner>,
}

/// The error and its story.
pub(crate) struct Inner {
    pub(super) error: Box<dyn Error + Send + Sync>,
    pub(super) raised_at: &'static Location<'static>,
    pub(super) stage_trace: StageTrace,
    /// Bits of [`LOGGED`] and the like. Set through a shared reference, since a failure may be
    /// shared when it is logged; `Relaxed`, since no other memory depends on them.
    pub(super) notes: AtomicU8,
    pub(super) backtrace: Backtrace,
}

/// Set by `log_error`: the failure is not reported as unhandled. Never cleared.
pub(super) const LOGGED: u8 = 1;
/// Set on the `Cancelled` of a Deferred whose combination, or awaiting body, was cancelled: its
/// report is minor. Never cleared.
pub(super) const FROM_ENCLOSING_CANCEL: u8 = 2;

impl Failure {
    pub(super) fn raised(
        error: Box<dyn Error + Send + Sync>,
        raised_at: CallSite,
        backtrace: Backtrace,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                error,
                raised_at,
                stage_trace: StageTrace::new(),
                notes: AtomicU8::new(0),
                backtrace,
            }),
        }
    }

    /// The error itself, if it is an `E`; its sources are not searched.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::Failure;
    /// use std::num::ParseIntError;
    ///
    /// let failure = Failure::new("x".parse::<u8>().unwrap_err());
    /// assert!(failure.downcast_ref::<ParseIntError>().is_some());
    /// assert!(failure.downcast_ref::<std::fmt::Error>().is_none());
    /// ```
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.inner.error.downcast_ref()
    }

    /// The message of the error, without its sources.
    pub fn message(&self) -> String {
        text_of(&*self.inner.error)
    }

    /// The error that was raised.
    pub fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.inner.error
    }

    /// The error and its sources, outermost first.
    pub fn chain(&self) -> impl Iterator<Item = &(dyn Error + 'static)> {
        // `Error::sources` of std is not stable yet.
        let mut next: Option<&(dyn Error + 'static)> = Some(&*self.inner.error);
        std::iter::from_fn(move || {
            let error = next?;
            next = error.source();
            Some(error)
        })
    }

    /// The place where the error became a failure: that of the `?`, or of the call of `fail` or
    /// `Failure::new`.
    ///
    /// # Examples
    ///
    /// ```
    /// fn port(text: &str) -> deferred::Result<u16> {
    ///     Ok(text.parse()?)
    /// }
    ///
    /// let failure = port("http").unwrap_err();
    /// let place = failure.raised_at();
    /// assert_eq!(place.line(), line!() - 5, "the line with the `?`");
    /// ```
    pub fn raised_at(&self) -> &'static Location<'static> {
        self.inner.raised_at
    }

    /// The places at which the stages that the failure has passed were added.
    ///
    /// The first four and the last four are kept. A stage is not recorded while the failure is
    /// shared (cloned).
    pub fn stage_trace(&self) -> &StageTrace {
        &self.inner.stage_trace
    }

    /// The backtrace of the place where the error was raised, if the environment asked for it.
    #[inline]
    pub fn backtrace(&self) -> Option<&Backtrace> {
        if cfg!(target_family = "wasm") {
            // std captures none there, and the code that prints one takes 26 KB.
            return None;
        }
        (self.inner.backtrace.status() == BacktraceStatus::Captured)
            .then_some(&self.inner.backtrace)
    }

    /// Notes that it was logged, so that it is not reported as unhandled.
    pub(crate) fn note_logged(&self) {
        self.note(LOGGED);
    }

    pub(crate) fn is_logged(&self) -> bool {
        self.has_note(LOGGED)
    }

    pub(crate) fn is_from_enclosing_cancel(&self) -> bool {
        self.has_note(FROM_ENCLOSING_CANCEL)
    }

    pub(super) fn note(&self, note: u8) {
        self.inner.notes.fetch_or(note, Ordering::Relaxed);
    }

    fn has_note(&self, note: u8) -> bool {
        self.inner.notes.load(Ordering::Relaxed) & note != 0
    }

    /// Records that the failure passes the stage that was added at `place`.
    ///
    /// It records nothing while the failure is shared: that would cost a copy or a lock.
    pub(crate) fn passed(&mut self, place: &'static Location<'static>) {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.note_passed(place);
        }
    }

    /// The error and its story, for a caller that can see in a cheaper way whether the failure
    /// is shared.
    pub(crate) fn story(&mut self) -> &mut Arc<Inner> {
        &mut self.inner
    }
}

impl Inner {
    #[inline]
    pub(crate) fn note_passed(&mut self, place: &'static Location<'static>) {
        self.stage_trace.note(place);
    }
}

impl Clone for Failure {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}
