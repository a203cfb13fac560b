//! The assertions of `deferred::assertions`: each says what it saw.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use deferred::assertions::{
    assert_no_result, capture_unhandled, failure_of, failure_result_of, success_result_of,
    with_no_unhandled,
};
use deferred::{Cancelled, Deferred, Panicked, fail, succeed};

use crate::support::Coded;

/// What `body` says when it panics.
pub(crate) fn message(body: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(body)).expect_err("it panics");
    Panicked::from_payload(payload).message().to_owned()
}

#[test]
fn what_is_expected_passes() {
    assert_eq!(success_result_of(succeed(1)), 1);
    assert_eq!(failure_of(fail::<()>(Coded(2))).message(), "error 2");
    assert_eq!(
        failure_result_of::<Cancelled, _>(fail::<()>(Cancelled::new())),
        Cancelled::new()
    );
    let (trigger, deferred) = Deferred::<()>::pair();
    assert_no_result(&deferred);
    trigger.callback(()).unwrap();
    success_result_of(deferred);
}

#[test]
fn what_is_not_says_what_it_is() {
    let (_trigger, pending) = Deferred::<()>::pair();
    let said = message(|| success_result_of(pending));
    assert!(
        said.contains("no result yet") && said.contains("Unfired"),
        "{said}"
    );
    let said = message(|| success_result_of(fail(Coded(3))));
    assert!(said.contains("error 3"), "{said}");
    let said = message(|| drop(failure_of(succeed(1))));
    assert!(said.contains("has a value"), "{said}");
    let said = message(|| {
        failure_result_of::<Cancelled, _>(fail::<()>(Coded(4)));
    });
    assert!(
        said.contains("Cancelled") && said.contains("error 4"),
        "{said}"
    );
    let said = message(|| assert_no_result(&succeed(1)));
    assert!(said.contains("it has one"), "{said}");
}

#[test]
fn a_test_fails_on_what_is_left_unhandled() {
    assert_eq!(with_no_unhandled(|| 1), 1);
    let said = message(|| with_no_unhandled(|| drop(fail::<()>(Coded(5)))));
    assert!(said.contains("1. ") && said.contains("error 5"), "{said}");
    // Minor ones do not count.
    with_no_unhandled(|| {
        let (trigger, deferred) = Deferred::<()>::pair();
        drop(deferred);
        drop(trigger);
    });
    let (value, captured) = capture_unhandled(|| {
        drop(fail::<()>(Coded(6)));
        2
    });
    assert_eq!((value, captured.len()), (2, 1));
}

/// An error that panics when it is dropped, and counts that.
#[derive(Debug)]
pub(crate) struct Bomb(pub(crate) Arc<AtomicUsize>);

impl std::fmt::Display for Bomb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a bomb")
    }
}

impl std::error::Error for Bomb {}

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        panic!("in a drop");
    }
}

/// The panic of the body passes on, and the captured failures are dropped meanwhile.
#[test]
fn a_body_that_panics_drops_what_was_captured() {
    let drops = Arc::new(AtomicUsize::new(0));
    let lose_two = || {
        for _ in 0..2 {
            drop(fail::<()>(Bomb(Arc::clone(&drops))));
        }
    };
    let panics = || {
        lose_two();
        panic!("in the body");
    };
    let ((), outer) = capture_unhandled(|| {
        assert_eq!(message(|| drop(capture_unhandled(panics))), "in the body");
        assert_eq!(message(|| with_no_unhandled(panics)), "in the body");
        let said = message(|| with_no_unhandled(lose_two));
        assert!(said.contains("2. "), "{said}");
        drop(fail::<()>(Coded(1)));
    });
    assert_eq!(drops.load(Ordering::Relaxed), 6);
    assert_eq!(outer.len(), 1, "the hooks of the bodies are gone");
}
