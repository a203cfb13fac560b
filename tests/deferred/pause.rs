//! Pausing.

use std::cell::RefCell;
use std::rc::Rc;

use deferred::{Deferred, State, succeed};

use crate::support::{Coded, Log, code, failure, value};

fn logged(deferred: Deferred<i32>, log: &Log) -> Deferred<i32> {
    let sink = log.clone();
    deferred.add_callback(move |n| {
        sink.add(n);
        Ok(n + 1)
    })
}

#[test]
fn a_pause_before_the_fire_lets_it_fire_but_runs_nothing() {
    let log = Log::new();
    let (trigger, mut deferred) = Deferred::pair();
    let pause = deferred.pause();
    assert_eq!(deferred.state(), State::Unfired);
    let deferred = logged(deferred, &log);
    trigger.callback(1).unwrap();
    assert!(trigger.callback(2).is_err());
    assert_eq!(deferred.state(), State::Paused);
    assert!(log.take().is_empty());
    let deferred = logged(deferred, &log);
    pause.unpause();
    assert_eq!(log.take(), ["1", "2"]);
    assert_eq!(value(deferred), 3);
}

#[test]
fn dropping_the_token_is_unpausing() {
    let mut deferred = succeed(1);
    let pause = deferred.pause();
    assert_eq!(deferred.state(), State::Paused);
    drop(pause);
    assert_eq!(deferred.state(), State::Done);
    assert_eq!(value(deferred), 1);
}

#[test]
fn each_pause_stands_for_itself() {
    let log = Log::new();
    let mut deferred = succeed(1);
    let handle = deferred.handle();
    let first = deferred.pause();
    let second = handle.pause().expect("it is there");
    let third = handle.pause().expect("it is there");
    let deferred = logged(deferred, &log);
    second.unpause();
    assert!(log.take().is_empty());
    first.unpause();
    assert!(log.take().is_empty());
    assert_eq!(handle.state(), Some(State::Paused));
    third.unpause();
    assert_eq!(log.take(), ["1"]);
    assert_eq!(value(deferred), 2);
}

#[test]
fn a_pause_of_a_waiting_one_and_the_wait_are_apart() {
    let log = Log::new();
    let (start, mut outer) = Deferred::pair();
    let handle = outer.handle();
    let (trigger, inner) = Deferred::pair();
    let outer = logged(outer.add_callback(move |()| inner), &log);
    start.callback(()).unwrap();
    handle.pause().expect("it is there").unpause();
    assert_eq!(
        outer.state(),
        State::Waiting,
        "unpausing does not end the wait"
    );
    assert!(log.take().is_empty());
    let pause = handle.pause().expect("it is there");
    trigger.callback(1).unwrap();
    assert!(
        log.take().is_empty(),
        "the end of the wait does not end the pause"
    );
    pause.unpause();
    assert_eq!(log.take(), ["1"]);
    assert_eq!(value(outer), 2);
}

#[test]
fn a_pause_from_inside_takes_effect_when_the_callback_returns() {
    let log = Log::new();
    let (trigger, mut deferred) = Deferred::pair();
    let handle = deferred.handle();
    let place = Rc::new(RefCell::new(None));
    let (keep, sink) = (Rc::clone(&place), log.clone());
    let deferred = deferred.add_callback(move |n: i32| {
        *keep.borrow_mut() = handle.pause();
        sink.add(format_args!("{n} still runs"));
        Ok(n)
    });
    let deferred = logged(deferred, &log);
    trigger.callback(1).unwrap();
    assert_eq!(log.take(), ["1 still runs"]);
    assert_eq!(deferred.state(), State::Paused);
    drop(place.take());
    assert_eq!(log.take(), ["1"]);
    assert_eq!(value(deferred), 2);
}

#[test]
fn a_pause_and_unpause_from_inside_changes_nothing() {
    let log = Log::new();
    let (trigger, mut deferred) = Deferred::pair();
    let handle = deferred.handle();
    let deferred = deferred.add_callback(move |n: i32| {
        drop(handle.pause());
        Ok(n)
    });
    let deferred = logged(deferred, &log);
    trigger.callback(1).unwrap();
    assert_eq!(log.take(), ["1"]);
    assert_eq!(value(deferred), 2);
}

#[test]
fn a_paused_result_cannot_be_taken_and_comes_out_unchanged() {
    let mut deferred = deferred::fail::<i32>(Coded(1));
    let pause = deferred.pause();
    let deferred = deferred.into_result().unwrap_err();
    pause.unpause();
    assert_eq!(code(&failure(deferred)), 1);
}

#[test]
fn a_pause_outlives_the_deferred_and_its_end_runs_what_was_held_up() {
    let log = Log::new();
    let mut deferred = succeed(1);
    let pause = deferred.pause();
    drop(logged(deferred, &log));
    assert!(log.take().is_empty());
    pause.unpause();
    assert_eq!(log.take(), ["1"]);
}

#[test]
fn a_handle_of_a_deferred_that_is_gone_pauses_nothing() {
    let mut deferred = succeed(1);
    let handle = deferred.handle();
    assert_eq!(handle.state(), Some(State::Done));
    drop(deferred);
    assert_eq!(handle.state(), None);
    assert!(handle.pause().is_none());
    handle.cancel();
}
