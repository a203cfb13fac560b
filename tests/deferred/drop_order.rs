//! Each closure and value is dropped once, and as early as can be.

use deferred::{Deferred, fail, succeed};

use crate::support::{Coded, Count, failure, value};

#[test]
fn a_closure_is_dropped_when_it_has_run_or_was_passed_by() {
    let (ran, passed) = (Count::new(), Count::new());
    let (trigger, mut deferred) = Deferred::pair();
    let handle = deferred.handle();
    let (a, b) = (ran.on_drop(), passed.on_drop());
    let (ran_so_far, passed_so_far) = (ran.clone(), passed.clone());
    let deferred = deferred
        .add_callbacks(
            move |n: i32| {
                let _a = a;
                Ok(n)
            },
            move |failure| {
                let _b = b;
                Err(failure)
            },
        )
        .add_callback(move |n| {
            assert_eq!((ran_so_far.get(), passed_so_far.get()), (1, 1));
            Ok(n)
        });
    assert_eq!((ran.get(), passed.get()), (0, 0));
    trigger.callback(1).unwrap();
    assert_eq!((ran.get(), passed.get()), (1, 1));
    drop(handle);
    assert_eq!(value(deferred), 1);
}

#[test]
fn a_closure_added_to_a_ready_one_is_dropped_at_once() {
    let drops = Count::new();
    let (a, b) = (drops.on_drop(), drops.on_drop());
    let deferred = succeed(1)
        .add_callback(move |n| {
            let _a = a;
            Ok(n)
        })
        .add_errback(move |failure| {
            let _b = b;
            Err::<i32, _>(failure)
        });
    assert_eq!(drops.get(), 2);
    assert_eq!(value(deferred), 1);
}

#[test]
fn a_value_lives_until_it_is_taken_or_let_go() {
    let drops = Count::new();
    let (trigger, deferred) = Deferred::pair();
    trigger.callback(drops.on_drop()).unwrap();
    assert_eq!(drops.get(), 0);
    drop(deferred);
    assert_eq!(drops.get(), 1, "not with the trigger, which is still there");
    drop(trigger);
    assert_eq!(drops.get(), 1);
}

#[test]
fn an_inner_gives_its_value_away() {
    let drops = Count::new();
    let (trigger, inner) = Deferred::pair();
    let (start, outer) = Deferred::pair();
    let outer = outer.add_callback(move |()| inner);
    start.callback(()).unwrap();
    trigger.callback(drops.on_drop()).unwrap();
    assert_eq!(drops.get(), 0);
    drop(outer);
    assert_eq!(drops.get(), 1, "though inner's trigger is still there");
    drop(trigger);
    assert_eq!(drops.get(), 1);
}

#[test]
fn a_chain_let_go_by_both_ends_drops_its_stages() {
    let drops = Count::new();
    let (trigger, deferred) = Deferred::<i32>::pair();
    let held = drops.on_drop();
    let deferred = deferred.add_callback(move |n| {
        let _held = held;
        Ok(n)
    });
    drop(deferred);
    assert_eq!(drops.get(), 0, "it may still be fired");
    drop(trigger);
    assert_eq!(drops.get(), 1);
}

#[test]
fn a_waiting_outer_goes_with_its_inner() {
    let drops = Count::new();
    let (trigger, inner) = Deferred::<i32>::pair();
    let (start, outer) = Deferred::pair();
    let held = drops.on_drop();
    let outer = outer.add_callback(move |()| inner).add_callback(move |n| {
        let _held = held;
        Ok(n)
    });
    start.callback(()).unwrap();
    drop(start);
    outer.ignore();
    assert_eq!(drops.get(), 0);
    drop(trigger);
    assert_eq!(drops.get(), 1);
}

#[test]
fn a_handle_keeps_nothing_alive() {
    let drops = Count::new();
    let (trigger, mut deferred) = Deferred::pair();
    let handle = deferred.handle();
    let weak = trigger.downgrade();
    trigger.callback(drops.on_drop()).unwrap();
    drop((trigger, deferred));
    assert_eq!(drops.get(), 1);
    assert!(handle.state().is_none());
    assert!(weak.upgrade().is_none());
}

#[test]
fn the_errors_of_failures_are_dropped() {
    #[derive(Debug)]
    struct Held(std::sync::Arc<()>);
    impl std::fmt::Display for Held {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "held {}", std::sync::Arc::strong_count(&self.0))
        }
    }
    impl std::error::Error for Held {}

    let owners = std::sync::Arc::new(());
    let error = || Held(std::sync::Arc::clone(&owners));
    drop(failure(fail::<()>(error())));
    fail::<()>(error()).ignore();
    value(fail::<()>(error()).add_errback(|_| Ok(())));
    value(fail::<()>(error()).add_both(|_| Ok(())));
    let (trigger, deferred) = Deferred::<()>::pair();
    trigger.errback(error()).unwrap();
    drop(trigger.errback(error()).unwrap_err());
    deferred.ignore();
    assert_eq!(std::sync::Arc::strong_count(&owners), 1);
    fail::<()>(Coded(1)).ignore();
}
