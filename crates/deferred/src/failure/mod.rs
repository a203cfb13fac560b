//! `Failure`: an error in a chain, with the stages that it has passed.

mod as_error;
mod context;
#[cfg(feature = "anyhow")]
mod from_anyhow;
mod inside;
pub(crate) mod lock_held;
mod members;
mod message;
mod requested;
mod text;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::error::Error;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

pub use self::as_error::FailureError;
pub use self::members::{FailureGroup, FirstError};
use self::message::{Message, text_of};
pub(crate) use self::requested::plain_error;
pub use self::requested::{Abandoned, Cancelled, TimedOut};
use crate::stage_trace::{CallSite, StageTrace};

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
    /// INVARIANT: there are no weak references to it.
    inner: Arc<Inner>,
}

/// The error and its story.
pub(crate) struct Inner {
    error: Box<dyn Error + Send + Sync>,
    raised_at: &'static Location<'static>,
    stage_trace: StageTrace,
    /// Bits of [`LOGGED`] and the like.
    notes: AtomicU8,
    backtrace: Backtrace,
}

/// Set by `log_error`: the failure is not reported as unhandled. Never cleared.
const LOGGED: u8 = 1;
/// Set on a `Cancelled` of a part whose whole was cancelled: a report of it is minor. Never
/// cleared.
const FROM_ENCLOSING_CANCEL: u8 = 2;

impl Failure {
    /// Wraps `error`, and records the caller's place as the place where it was raised.
    ///
    /// A backtrace is captured only if `RUST_BACKTRACE` or `RUST_LIB_BACKTRACE` asks for it, as
    /// in the standard library. [`Cancelled`](crate::Cancelled),
    /// [`Abandoned`](crate::Abandoned) and [`TimedOut`](crate::TimedOut) have none, also those
    /// that you make.
    #[track_caller]
    pub fn new<E: Error + Send + Sync + 'static>(error: E) -> Self {
        let error: Box<dyn Error + Send + Sync> = Box::new(error);
        match error.downcast::<FailureError>() {
            Ok(failed) => failed.into_failure(),
            Err(error) => Self::raised(error, Location::caller(), backtrace_of::<E>()),
        }
    }

    /// A failure that is only a text.
    ///
    /// # Examples
    ///
    /// ```
    /// let failure = deferred::Failure::msg("the cat ate it");
    /// assert_eq!(failure.message(), "the cat ate it");
    /// ```
    #[track_caller]
    pub fn msg(message: impl Into<String>) -> Self {
        Self::raised_at_place(Message::new(message.into()), Location::caller())
    }

    /// Wraps a boxed error. A [`FailureError`] becomes the failure that it was.
    #[track_caller]
    pub fn from_box(error: Box<dyn Error + Send + Sync>) -> Self {
        match error.downcast::<FailureError>() {
            Ok(failed) => failed.into_failure(),
            Err(error) => {
                let backtrace = capture_unless(requested::is_requested_box(&*error));
                Self::raised(error, Location::caller(), backtrace)
            }
        }
    }

    pub(crate) fn raised_at_place<E: Error + Send + Sync + 'static>(
        error: E,
        raised_at: CallSite,
    ) -> Self {
        Self::raised(Box::new(error), raised_at, backtrace_of::<E>())
    }

    fn raised(
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

    /// The first error of type `E` among the error and its sources. Those of a
    /// [`FirstError`] and of a [`FailureGroup`] are the failures in it, with their sources.
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
        // By a list, and not by calls: groups may be made of groups, as deep as lists are.
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
                // It has the sources of this one.
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

    /// The places at which the stages were added that the failure has passed.
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

    /// The failure for an interface that takes a `std::error::Error`: a
    /// [`FailureError`], which becomes a `Box<dyn Error>` by `?` or `into`.
    ///
    /// # Examples
    ///
    /// ```
    /// fn main_like() -> Result<(), Box<dyn std::error::Error>> {
    ///     let value = deferred::succeed(1).into_result().expect("fired")?;
    ///     assert_eq!(value, 1);
    ///     Ok(())
    /// }
    /// # main_like().unwrap();
    /// let error = deferred::Failure::msg("no").into_error();
    /// assert_eq!(error.to_string(), "no");
    /// ```
    pub fn into_error(self) -> FailureError {
        FailureError::new(self)
    }

    /// Notes that it was logged, so that it is not reported as unhandled.
    pub(crate) fn note_logged(&self) {
        self.note(LOGGED);
    }

    pub(crate) fn is_logged(&self) -> bool {
        self.has_note(LOGGED)
    }

    /// Notes, if it came of a cancel, that the whole was cancelled of which its Deferred was a
    /// part, or the body that awaited it, so that a report of it is minor.
    pub(crate) fn note_enclosing_cancel(&self) {
        if self.is::<Cancelled>() {
            self.note(FROM_ENCLOSING_CANCEL);
        }
    }

    pub(crate) fn is_from_enclosing_cancel(&self) -> bool {
        self.has_note(FROM_ENCLOSING_CANCEL)
    }

    fn note(&self, note: u8) {
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

/// The backtrace of a failure that an `E` becomes.
fn backtrace_of<E: Error + 'static>() -> Backtrace {
    capture_unless(requested::is_requested::<E>())
}

fn capture_unless(is_requested: bool) -> Backtrace {
    lock_held::assert_none();
    if is_requested {
        Backtrace::disabled()
    } else {
        captured()
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

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

impl From<Failure> for Box<dyn Error + Send + Sync> {
    fn from(failure: Failure) -> Self {
        Box::new(failure.into_error())
    }
}

impl From<Failure> for Box<dyn Error> {
    fn from(failure: Failure) -> Self {
        Box::new(failure.into_error())
    }
}

/// A backtrace, if the environment asks for one. std has none on WebAssembly.
fn captured() -> Backtrace {
    if cfg!(target_family = "wasm") {
        Backtrace::disabled()
    } else {
        Backtrace::capture()
    }
}
