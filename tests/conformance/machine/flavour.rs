//! The Deferred under test: the one place that says which it is.
//!
//! The rest of the machine uses these names only, and captures nothing in a
//! callback but a [`Shared`] and plain data. So another flavour of Deferred is
//! another file like this one.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use deferred::{AlreadyCalled, Cancelled, Failure, TimedOut};
use serde_json::{Value, json};

pub(super) use deferred::{
    DeferredHandle as Handle, DelayedCall, DelayedCallError, LoopingCall, LoopingCallError, Pause,
    State, VirtualClock as Clock, defer_later, fail, maybe_deferred, sleep, succeed,
    with_unhandled_hook,
};

pub(super) type Deferred = deferred::Deferred<i64>;
pub(super) type Trigger = deferred::Trigger<i64>;
pub(super) type Result = deferred::Result<i64>;

/// State that the program's callbacks share.
pub(super) struct Shared<T>(Rc<RefCell<T>>);

impl<T> Shared<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Rc::new(RefCell::new(value)))
    }

    /// Reaches the state. `f` neither calls nor drops anything of the Deferred's:
    /// what has to be dropped it gives back.
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.0.borrow_mut())
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

/// The error of a program: a number.
#[derive(Debug)]
struct Coded(i64);

impl std::fmt::Display for Coded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "error {}", self.0)
    }
}

impl std::error::Error for Coded {}

pub(super) fn failure_of(code: i64) -> Failure {
    Failure::new(Coded(code))
}

/// How a failure is written in a trace: a number where the format has one for
/// it, else what it says.
pub(super) fn code_of(failure: &Failure) -> Value {
    if let Some(Coded(code)) = failure.downcast_ref() {
        json!(code)
    } else if failure.downcast_ref::<Cancelled>().is_some() {
        json!(-1)
    } else if failure.downcast_ref::<TimedOut>().is_some() {
        json!(-2)
    } else if failure.downcast_ref::<AlreadyCalled<()>>().is_some() {
        json!(-3)
    } else {
        json!(failure.message())
    }
}

/// One tick of a program's clock.
const TICK: Duration = Duration::from_millis(125);

pub(super) fn ticks(count: u64) -> Duration {
    TICK.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
}

pub(super) fn in_ticks(time: Duration) -> u64 {
    (time.as_nanos() / TICK.as_nanos()) as u64
}
