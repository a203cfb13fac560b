//! `Deferred::share`: one result for any number of waiters.

use std::cell::RefCell;
use std::rc::Rc;

use deferred::{Abandoned, Cancelled, Deferred, Panicked, SharedDeferred, fail, succeed};

use crate::support::{Coded, Count, Log, Reports, code, failure, value};

#[test]
fn each_waiter_gets_the_value_in_the_order_of_asking() {
    let log = Log::new();
    let (trigger, deferred) = Deferred::pair();
    let shared = deferred.share();
    for name in ["first", "second"] {
        let log = log.clone();
        let told = shared
            .get()
            .add_callback(move |n: i32| log.add(format_args!("{name} {n}")));
        told.detach();
    }
    assert!(!shared.is_settled());
    trigger.callback(7).unwrap();
    assert_eq!(log.take(), ["first 7", "second 7"]);
    assert!(shared.is_settled());
    assert_eq!(value(shared.get()), 7, "also one that asks later");
}

#[test]
fn each_waiter_gets_the_same_failure() {
    Reports::during(|reports| {
        let (trigger, deferred) = Deferred::<()>::pair();
        let shared = deferred.share();
        let (first, second) = (shared.get(), shared.get());
        trigger.errback(Coded(3)).unwrap();
        assert_eq!(code(&failure(first)), 3);
        assert_eq!(code(&failure(second)), 3);
        drop(shared);
        assert!(reports.take().is_empty(), "they have it");
    });
}

#[test]
fn a_failure_that_no_waiter_got_is_reported_when_the_last_handle_goes() {
    Reports::during(|reports| {
        let shared = fail::<()>(Coded(4)).share();
        let other = shared.clone();
        drop(shared);
        assert!(reports.take().is_empty(), "one may still ask");
        drop(other);
        assert_eq!(reports.messages(), ["error 4"]);
    });
}

#[test]
fn a_result_that_comes_when_no_handle_is_left_is_reported_too() {
    Reports::during(|reports| {
        let (trigger, deferred) = Deferred::<()>::pair();
        drop(deferred.share());
        trigger.errback(Coded(5)).unwrap();
        assert_eq!(reports.messages(), ["error 5"]);
    });
}

#[test]
fn the_last_waiter_that_is_cancelled_cancels_the_source() {
    Reports::during(|reports| {
        let cancelled = Count::new();
        let count = cancelled.clone();
        let (_trigger, deferred) = Deferred::<()>::with_canceller(move |_| count.add());
        let shared = deferred.share();
        let (first, second) = (shared.get(), shared.get());
        second.cancel();
        assert!(failure(second).is::<Cancelled>());
        assert_eq!(cancelled.get(), 0);
        first.cancel();
        assert!(failure(first).is::<Cancelled>());
        assert_eq!(cancelled.get(), 1);
        assert!(failure(shared.get()).is::<Cancelled>());
        drop(shared);
        assert!(reports.take().is_empty(), "it was asked for");
    });
}

#[test]
fn a_waiter_that_was_dropped_still_counts() {
    let (trigger, deferred) = Deferred::<()>::pair();
    let shared = deferred.share();
    drop(shared.get());
    let second = shared.get();
    second.cancel();
    assert!(!trigger.is_fired(), "a drop does not cancel");
    drop(shared.get().cancel_on_drop());
    assert!(!trigger.is_fired());
    second.ignore();
}

#[test]
fn waiters_hear_of_an_abandoned_source() {
    let (trigger, deferred) = Deferred::<()>::pair();
    let shared = deferred.share();
    let waiter = shared.get();
    drop(trigger);
    assert!(failure(waiter).is::<Abandoned>());
}

#[test]
fn a_waiter_may_ask_cancel_and_let_go_from_inside() {
    let (trigger, deferred) = Deferred::pair();
    let shared = Rc::new(RefCell::new(Some(deferred.share())));
    let handle = |shared: &Rc<RefCell<Option<SharedDeferred<i32>>>>| {
        shared.borrow().as_ref().expect("not dropped yet").clone()
    };
    let inside = Rc::clone(&shared);
    let first = handle(&shared).get();
    let mut second = handle(&shared).get();
    let cancel_second = second.handle();
    let first = first.add_callback(move |n| {
        cancel_second.cancel();
        let again = inside.borrow().as_ref().expect("it is there").get();
        drop(inside.take());
        again.add_callback(move |m| Ok(n + m))
    });
    trigger.callback(2).unwrap();
    assert_eq!(value(first), 4);
    assert!(failure(second).is::<Cancelled>());
    assert!(shared.borrow().is_none());
}

#[test]
fn a_clone_that_panics_is_a_failure_of_that_waiter() {
    #[derive(Debug)]
    struct Unclonable;

    impl Clone for Unclonable {
        fn clone(&self) -> Self {
            panic!("there is one of these");
        }
    }

    let shared = succeed(Unclonable).share();
    assert!(failure(shared.get()).is::<Panicked>());
}

#[test]
fn a_thousand_waiters_leave_one_by_one_and_keep_nothing() {
    let (trigger, deferred) = Deferred::<()>::pair();
    let shared = deferred.share();
    let last = shared.get();
    for _ in 0..1000 {
        let waiter = shared.get();
        waiter.cancel();
        waiter.ignore();
    }
    assert_eq!(format!("{shared:?}"), "SharedDeferred { waiters: 1 }");
    trigger.callback(()).unwrap();
    value(last);
    assert_eq!(format!("{shared:?}"), "SharedDeferred { is_ok: true }");
}
