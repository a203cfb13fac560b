//! `chain_deferred`: one result fires another Deferred.

use deferred::{AlreadyCalled, Deferred, State, fail, succeed};

use crate::support::{Coded, Log, Reports, code, failure, value};

#[test]
fn a_value_goes_over_and_leaves_nothing() {
    let log = Log::new();
    let (source, from) = Deferred::pair();
    let (target, to) = Deferred::pair();
    let sink = log.clone();
    let to = to.add_callback(move |n: i32| {
        sink.add(n);
        Ok(n)
    });
    let sink = log.clone();
    let from = from
        .chain_deferred(target)
        .add_callback(move |()| sink.add("after"));
    source.callback(3).unwrap();
    assert_eq!(log.take(), ["3", "after"]);
    value(from);
    assert_eq!(value(to), 3);
}

#[test]
fn a_failure_goes_over_and_is_reported_once() {
    Reports::during(|reports| {
        let (target, to) = Deferred::<i32>::pair();
        let from = fail::<i32>(Coded(4)).chain_deferred(target);
        drop(from);
        assert!(reports.take().is_empty(), "the giver is clean");
        drop(to);
        assert_eq!(reports.messages(), ["error 4"]);
    });
}

#[test]
fn one_that_was_fired_refuses() {
    Reports::during(|reports| {
        let (target, to) = Deferred::pair();
        target.callback(1).unwrap();
        let from = succeed(2).chain_deferred(target.clone());
        assert!(failure(from).downcast_ref::<AlreadyCalled>().is_some());
        let from = fail::<i32>(Coded(5)).chain_deferred(target);
        assert!(failure(from).downcast_ref::<AlreadyCalled>().is_some());
        assert_eq!(value(to), 1);
        assert!(reports.take().is_empty());
    });
}

#[test]
fn a_paused_one_does_not_hold_up_the_giver() {
    let (target, mut to) = Deferred::pair();
    let pause = to.pause();
    let from = succeed(1).chain_deferred(target);
    value(from);
    assert_eq!(to.state(), State::Paused);
    pause.unpause();
    assert_eq!(value(to), 1);
}

#[test]
fn cancelling_the_receiver_does_not_touch_the_giver_whose_fire_is_swallowed() {
    let (source, from) = Deferred::pair();
    let (target, to) = Deferred::<i32>::pair();
    let from = from.chain_deferred(target);
    to.cancel();
    assert_eq!(from.state(), State::Unfired);
    source.callback(1).unwrap();
    value(from);
    assert!(failure(to).is::<deferred::Cancelled>());
}

#[test]
fn a_cancelled_giver_takes_the_receiver_along() {
    let (_source, from) = Deferred::<i32>::pair();
    let (target, to) = Deferred::pair();
    let from = from.chain_deferred(target);
    from.cancel();
    value(from);
    assert!(failure(to).is::<deferred::Cancelled>());
}

#[test]
fn a_giver_dropped_unfired_takes_the_receiver_along() {
    let (source, from) = Deferred::<i32>::pair();
    let (target, to) = Deferred::pair();
    from.chain_deferred(target).detach();
    assert_eq!(to.state(), State::Unfired);
    drop(source);
    assert!(failure(to).is::<deferred::Abandoned>());
}

#[test]
fn the_receiver_runs_inside_the_givers_run() {
    let log = Log::new();
    let (target, to) = Deferred::pair();
    let (again, to_again) = Deferred::pair();
    let to = to.chain_deferred(again);
    let sink = log.clone();
    let to_again = to_again.add_both(move |result: deferred::Result<i32>| {
        sink.add(code(&result.unwrap_err()));
    });
    let sink = log.clone();
    let from = fail::<i32>(Coded(6))
        .chain_deferred(target)
        .add_callback(move |()| sink.add("after"));
    assert_eq!(log.take(), ["6", "after"]);
    value(from);
    value(to);
    value(to_again);
}
