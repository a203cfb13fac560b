//! Assertions for tests: take a result that must be there, and fail on unhandled failures.
//!
//! The functions panic with a message that shows the Deferred or the failures. They take
//! Deferreds of [either flavour](AnyDeferred).
//!
//! # Examples
//!
//! ```
//! use deferred::assertions::{assert_no_result, failure_result_of, success_result_of, with_no_unhandled};
//! use deferred::{Cancelled, Deferred};
//!
//! with_no_unhandled(|| {
//!     let (trigger, deferred) = Deferred::pair();
//!     let length = deferred.add_callback(|text: &str| Ok(text.len()));
//!     assert_no_result(&length);
//!     trigger.callback("four").unwrap();
//!     assert_eq!(success_result_of(length), 4);
//!
//!     let (_trigger, slow) = Deferred::<()>::pair();
//!     slow.cancel();
//!     assert_eq!(failure_result_of::<Cancelled, _>(slow), Cancelled::new());
//! });
//! ```

use std::cell::RefCell;
use std::error::Error;
use std::fmt::{self, Write};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::sealed::Sealed;
use crate::failure::{Failure, Result};
use crate::local::Deferred;
use crate::panics::drop_each_contained;
use crate::state::State;
use crate::unhandled::{Hooked, Unhandled, capture_everywhere};

/// A Deferred of either flavour: one of this thread, or one of `deferred::sync`. The trait is
/// sealed.
///
/// # Examples
///
/// ```
/// use deferred::assertions::{AnyDeferred, success_result_of};
///
/// /// An assertion of your own.
/// fn assert_even(deferred: impl AnyDeferred<Value = i32>) {
///     assert_eq!(success_result_of(deferred) % 2, 0);
/// }
///
/// assert_even(deferred::succeed(2));
/// # #[cfg(feature = "sync")]
/// assert_even(deferred::sync::succeed(4));
/// ```
pub trait AnyDeferred: Sealed {}

mod sealed {
    use super::{Result, State, fmt};

    /// The methods that the assertions need. It seals [`AnyDeferred`](super::AnyDeferred): no
    /// other crate can name it.
    #[expect(unnameable_types, reason = "it seals the trait")]
    pub trait Sealed: fmt::Debug + Sized {
        type Value;

        fn result(self) -> Result<Result<Self::Value>, Self>;
        fn seen(&self) -> State;
        fn let_go(self);
    }
}

impl<T: 'static> AnyDeferred for Deferred<T> {}

impl<T: 'static> Sealed for Deferred<T> {
    type Value = T;

    fn result(self) -> Result<Result<T>, Self> {
        self.into_result()
    }

    fn seen(&self) -> State {
        self.state()
    }

    fn let_go(self) {
        self.ignore();
    }
}

#[cfg(feature = "sync")]
impl<T: Send + 'static> AnyDeferred for crate::sync::Deferred<T> {}

#[cfg(feature = "sync")]
impl<T: Send + 'static> Sealed for crate::sync::Deferred<T> {
    type Value = T;

    fn result(self) -> Result<Result<T>, Self> {
        self.into_result()
    }

    fn seen(&self) -> State {
        self.state()
    }

    fn let_go(self) {
        self.ignore();
    }
}

/// The value of a Deferred that must have one: Twisted's `successResultOf`.
///
/// # Panics
///
/// If it has no result, or a failure; the message shows which, with its story.
///
/// # Examples
///
/// ```
/// use deferred::assertions::success_result_of;
///
/// assert_eq!(success_result_of(deferred::succeed(1)), 1);
/// ```
#[track_caller]
pub fn success_result_of<D: AnyDeferred>(deferred: D) -> D::Value {
    match deferred.result() {
        Ok(Ok(value)) => value,
        Ok(Err(failure)) => panic!("a value was expected, but it failed: {failure:?}"),
        Err(deferred) => no_result(deferred, "a value"),
    }
}

/// The failure of a Deferred that must have failed, whatever the error.
///
/// # Panics
///
/// If it has no result, or a value.
///
/// # Examples
///
/// ```
/// use deferred::assertions::failure_of;
///
/// let failure = failure_of(deferred::fail::<()>(deferred::Failure::msg("no")));
/// assert_eq!(failure.message(), "no");
/// ```
#[track_caller]
pub fn failure_of<D: AnyDeferred>(deferred: D) -> Failure {
    match deferred.result() {
        Ok(Ok(_)) => panic!("a failure was expected, but it has a value"),
        Ok(Err(failure)) => failure,
        Err(deferred) => no_result(deferred, "a failure"),
    }
}

/// The error of a Deferred that must have failed with an `E`: Twisted's
/// `failureResultOf`. The sources of the error are searched, too, as
/// [`Failure::check`] does.
///
/// # Panics
///
/// If it has no result, a value, or another failure.
///
/// # Examples
///
/// ```
/// use deferred::assertions::failure_result_of;
/// use deferred::{Cancelled, Deferred};
///
/// let (_trigger, deferred) = Deferred::<()>::pair();
/// deferred.cancel();
/// assert_eq!(failure_result_of::<Cancelled, _>(deferred), Cancelled::new());
/// ```
#[track_caller]
pub fn failure_result_of<E, D>(deferred: D) -> E
where
    E: Error + Clone + 'static,
    D: AnyDeferred,
{
    let failure = failure_of(deferred);
    match failure.check::<E>() {
        Some(error) => error.clone(),
        None => panic!(
            "a failure with a `{}` was expected, but it is another: {failure:?}",
            std::any::type_name::<E>()
        ),
    }
}

/// Asserts that a Deferred has no result yet: Twisted's `assertNoResult`.
///
/// # Panics
///
/// If it has one.
///
/// # Examples
///
/// ```
/// use deferred::assertions::{assert_no_result, success_result_of};
///
/// let (trigger, deferred) = deferred::Deferred::pair();
/// assert_no_result(&deferred);
/// trigger.callback(1).unwrap();
/// assert_eq!(success_result_of(deferred), 1);
/// ```
#[track_caller]
pub fn assert_no_result<D: AnyDeferred>(deferred: &D) {
    assert!(
        deferred.seen() != State::Done,
        "no result was expected yet, but it has one: {deferred:?}"
    );
}

/// Runs `body`, and panics after it if failures were reported as unhandled on this thread.
///
/// [Minor](Unhandled::is_minor) failures do not count. A Deferred that outlives `body` reports
/// later, to the hook that is set then. Reports of other threads, as those of Deferreds of
/// `deferred::sync`, are not seen: see [`with_no_unhandled_anywhere`].
///
/// # Panics
///
/// If there were such failures; the message has their stories. A panic of `body` goes on.
///
/// # Examples
///
/// ```should_panic
/// use deferred::assertions::with_no_unhandled;
///
/// with_no_unhandled(|| {
///     deferred::fail::<()>(deferred::Failure::msg("lost"));
/// });
/// ```
#[track_caller]
pub fn with_no_unhandled<R>(body: impl FnOnce() -> R) -> R {
    let capture = Capture::new();
    let result = body();
    assert_none(capture.end());
    result
}

/// As [`with_no_unhandled`], for the failures of all threads.
///
/// The failures that are reported while `body` runs count: those of this thread, and of every
/// other thread that has no hook of its own ([`with_hook`](crate::unhandled::with_hook)). So
/// `body` should wait for the threads that it starts. Tests that run at the same time in the same
/// process are other threads, too: put such a test into a process of its own, or give the others
/// [`with_no_unhandled`] or [`capture_unhandled`], which keep theirs to themselves.
///
/// # Panics
///
/// As [`with_no_unhandled`].
///
/// # Examples
///
/// ```should_panic
/// use deferred::assertions::with_no_unhandled_anywhere;
/// use std::thread;
///
/// with_no_unhandled_anywhere(|| {
///     let worker = thread::spawn(|| {
///         deferred::fail::<()>(deferred::Failure::msg("lost"));
///     });
///     worker.join().unwrap();
/// });
/// ```
#[track_caller]
pub fn with_no_unhandled_anywhere<R>(body: impl FnOnce() -> R) -> R {
    let (result, unhandled) = capture_unhandled_anywhere(body);
    assert_none(Captured(unhandled));
    result
}

#[track_caller]
fn assert_none(unhandled: Captured) {
    let mut stories = String::new();
    let counted = unhandled.0.iter().filter(|unhandled| !unhandled.is_minor());
    // The minor ones follow from a cancel that the test has asked for.
    for (index, unhandled) in counted.enumerate() {
        // Never errs: a `String` takes all that is written.
        let _ = write!(stories, "\n{}. {unhandled}", index + 1);
    }
    // The drops of the errors are user code, and run outside of the panic below.
    drop(unhandled);
    assert!(stories.is_empty(), "failures were left unhandled:{stories}");
}

/// Captured failures, whose errors are dropped one by one, each panic of a drop contained: if the
/// body panics, they are dropped while that panic unwinds, and a second one would end the process.
#[derive(Default)]
struct Captured(Vec<Unhandled>);

impl Captured {
    fn take(&mut self) -> Vec<Unhandled> {
        std::mem::take(&mut self.0)
    }
}

impl Drop for Captured {
    fn drop(&mut self) {
        drop_each_contained(self.take());
    }
}

/// Runs `body`; returns its result, and the failures that were reported as unhandled on this
/// thread: Twisted's `flushLoggedErrors`.
///
/// # Examples
///
/// ```
/// use deferred::assertions::capture_unhandled;
///
/// let ((), unhandled) = capture_unhandled(|| {
///     drop(deferred::fail::<()>(deferred::Failure::msg("lost")));
/// });
/// assert_eq!(unhandled[0].failure().message(), "lost");
/// ```
pub fn capture_unhandled<R>(body: impl FnOnce() -> R) -> (R, Vec<Unhandled>) {
    let capture = Capture::new();
    let result = body();
    (result, capture.end().take())
}

/// Captures the failures that are reported as unhandled on this thread.
struct Capture {
    captured: Rc<RefCell<Captured>>,
    hooked: Hooked,
}

// Not generic over the body, so that it is compiled once and not for each test.
impl Capture {
    fn new() -> Self {
        let captured = Rc::<RefCell<Captured>>::default();
        let sink = Rc::clone(&captured);
        let hook = move |unhandled: &Unhandled| sink.borrow_mut().0.push(unhandled.clone());
        Self {
            captured,
            hooked: Hooked::new(Rc::new(hook)),
        }
    }

    fn end(self) -> Captured {
        drop(self.hooked);
        self.captured.take()
    }
}

/// As [`capture_unhandled`], for the failures of all threads that have no hook of their
/// own; see [`with_no_unhandled_anywhere`].
///
/// # Examples
///
/// ```
/// use deferred::assertions::capture_unhandled_anywhere;
/// use std::thread;
///
/// let ((), unhandled) = capture_unhandled_anywhere(|| {
///     let worker = thread::spawn(|| drop(deferred::fail::<()>(deferred::Failure::msg("lost"))));
///     worker.join().unwrap();
/// });
/// assert_eq!(unhandled[0].failure().message(), "lost");
/// ```
pub fn capture_unhandled_anywhere<R>(body: impl FnOnce() -> R) -> (R, Vec<Unhandled>) {
    let captured = Arc::<Mutex<Captured>>::default();
    let sink = Arc::clone(&captured);
    let hook = move |unhandled: &Unhandled| lock(&sink).0.push(unhandled.clone());
    let result = capture_everywhere(hook, body);
    let captured = lock(&captured).take();
    (result, captured)
}

fn lock<X>(mutex: &Mutex<X>) -> MutexGuard<'_, X> {
    // A panic while the list was locked leaves it whole: a push does not panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[track_caller]
fn no_result<D: AnyDeferred>(deferred: D, expected: &str) -> ! {
    // Before `let_go`, which would show it as taken.
    let seen = format!("{deferred:#?}");
    // Let go without a report: its failure, if one comes, would only be noise after the panic.
    deferred.let_go();
    panic!("{expected} was expected, but there is no result yet: {seen}")
}
