//! How failures are written, whichever Deferred they came from.

use deferred::{AlreadyCalled, Cancelled, Failure, FailureGroup, FirstError, TimedOut};
use serde_json::{Value, json};

/// The error of a program: a number.
#[derive(Debug)]
struct Coded(i64);

impl std::fmt::Display for Coded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "error {}", self.0)
    }
}

impl std::error::Error for Coded {}

pub(crate) fn failure_of(code: i64) -> Failure {
    Failure::new(Coded(code))
}

/// How a failure is written in a trace: a number where the format has one for
/// it, else what it says.
pub(crate) fn code_of(failure: &Failure) -> Value {
    if let Some(Coded(code)) = failure.downcast_ref() {
        json!(code)
    } else if failure.downcast_ref::<Cancelled>().is_some() {
        json!(-1)
    } else if failure.downcast_ref::<TimedOut>().is_some() {
        json!(-2)
    } else if failure.downcast_ref::<AlreadyCalled>().is_some() {
        json!(-3)
    } else if let Some(first) = failure.downcast_ref::<FirstError>() {
        json!(["first_error", first.index(), code_of(first.failure())])
    } else if let Some(group) = failure.downcast_ref::<FailureGroup>() {
        json!(["group", codes_of(group)])
    } else {
        json!(failure.message())
    }
}

pub(crate) fn codes_of(group: &FailureGroup) -> Vec<Value> {
    group.iter().map(code_of).collect()
}

/// The codes of the failures that a combined one holds.
pub(crate) fn codes_within(failure: &Failure) -> Vec<Value> {
    if let Some(first) = failure.downcast_ref::<FirstError>() {
        vec![code_of(first.failure())]
    } else if let Some(group) = failure.downcast_ref::<FailureGroup>() {
        codes_of(group)
    } else {
        Vec::new()
    }
}

/// Whether it is the failure of a race without parts.
pub(crate) fn is_of_nothing(failure: &Failure) -> bool {
    let group = failure.downcast_ref::<FailureGroup>();
    group.is_some_and(|group| group.failures().is_empty())
}
