//! Firing: once, with what comes back when it is refused.

use std::cell::Cell;
use std::error::Error;
use std::rc::Rc;

use deferred::{
    AlreadyCalled, Deferred, Failure, State, Trigger, Undelivered, fail, maybe_deferred, succeed,
};

use crate::support::{Coded, Log, Reports, code, failure, value};

#[test]
fn nothing_runs_before_the_fire_and_all_of_it_during_the_fire() {
    let log = Log::new();
    let (trigger, deferred) = Deferred::pair();
    let (first, second) = (log.clone(), log.clone());
    let deferred = deferred
        .add_callback(move |n: i32| {
            first.add(n);
            Ok(n + 1)
        })
        .add_callback(move |n| {
            second.add(n);
            Ok(n + 1)
        });
    assert_eq!(deferred.state(), State::Unfired);
    assert!(!trigger.is_fired());
    assert!(log.take().is_empty());
    trigger.callback(1).unwrap();
    assert_eq!(log.take(), ["1", "2"]);
    assert!(trigger.is_fired());
    assert_eq!(deferred.state(), State::Done);
    assert_eq!(value(deferred), 3);
}

#[test]
fn what_is_added_after_the_fire_runs_before_the_add_returns() {
    let log = Log::new();
    let (trigger, deferred) = Deferred::pair();
    trigger.callback(1).unwrap();
    let sink = log.clone();
    let deferred = deferred.add_callback(move |n: i32| sink.add(n));
    assert_eq!(log.take(), ["1"]);
    value(deferred);
}

/// Neither `Send` nor `Debug` nor `Clone`.
struct Odd(Rc<Cell<u8>>);

#[test]
fn a_refused_value_comes_back_whatever_it_is() {
    let (trigger, deferred) = Deferred::pair();
    let cell = Rc::new(Cell::new(7));
    trigger.callback(Odd(Rc::clone(&cell))).unwrap();

    let refused = trigger.callback(Odd(Rc::new(Cell::new(8)))).unwrap_err();
    assert_eq!(refused.into_inner().0.get(), 8);

    let refused = trigger.errback(Coded(9)).unwrap_err();
    assert_eq!(code(&refused.into_inner()), 9);

    let refused = trigger.fire(Ok(Odd(Rc::new(Cell::new(10))))).unwrap_err();
    assert_eq!(refused.into_inner().unwrap().0.get(), 10);

    let refused = trigger.fire(Err(Failure::new(Coded(11)))).unwrap_err();
    assert_eq!(refused.into_inner().err().map(|f| code(&f)), Some(11));

    assert_eq!(
        Rc::strong_count(&cell),
        2,
        "the one that was accepted is kept"
    );
    assert_eq!(value(deferred).0.get(), 7);
    assert_eq!(Rc::strong_count(&cell), 1);
}

#[test]
fn an_undelivered_value_of_any_type_becomes_an_error() {
    fn fire(trigger: &Trigger<Odd>) -> deferred::Result<()> {
        Ok(trigger.callback(Odd(Rc::default()))?)
    }
    fn fire_boxed(trigger: &Trigger<Odd>) -> Result<(), Box<dyn Error>> {
        trigger.callback(Odd(Rc::default()))?;
        Ok(())
    }
    fn fire_sent(trigger: &Trigger<Odd>) -> Result<(), Box<dyn Error + Send + Sync>> {
        trigger.callback(Odd(Rc::default()))?;
        Ok(())
    }
    let (trigger, deferred) = Deferred::pair();
    assert!(fire(&trigger).is_ok());
    let failure = fire(&trigger).unwrap_err();
    assert_eq!(failure.check(), Some(&AlreadyCalled::new()));
    assert_eq!(failure.raised_at().line(), line!() - 14, "at the `?`");
    for error in [
        fire_boxed(&trigger).unwrap_err(),
        fire_sent(&trigger).unwrap_err(),
    ] {
        assert!(error.is::<AlreadyCalled>());
    }
    assert_eq!(value(deferred).0.get(), 0);
}

#[test]
fn a_refused_value_comes_back() {
    let (trigger, deferred) = Deferred::pair();
    trigger.callback(Odd(Rc::default())).unwrap();
    let refused: Undelivered<Odd> = trigger.callback(Odd(Rc::new(Cell::new(8)))).unwrap_err();
    assert_eq!(
        format!("{refused} / {refused:?}"),
        "the deferred was already called: it takes one result only / Undelivered { .. }"
    );
    assert_eq!(refused.into_inner().0.get(), 8);
    drop(deferred);
}

#[test]
fn clones_of_a_trigger_fire_the_same_deferred() {
    let (trigger, deferred) = Deferred::pair();
    let other = trigger.clone();
    other.callback(1).unwrap();
    assert!(trigger.is_fired());
    assert_eq!(trigger.callback(2).unwrap_err().into_inner(), 2);
    assert_eq!(value(deferred), 1);
}

#[test]
fn triggers_are_the_same_if_they_fire_the_same_deferred() {
    let (trigger, deferred) = Deferred::<u8>::pair();
    let (other, another) = Deferred::<u8>::pair();
    let upgraded = trigger.downgrade().upgrade().expect("it is there");
    assert!(trigger.same_as(&trigger.clone()) && trigger.same_as(&upgraded));
    assert!(!trigger.same_as(&other));
    trigger.callback(1).expect("first");
    assert!(upgraded.same_as(&trigger), "also when it is fired");
    drop((deferred, other));
    another.ignore();
}

#[test]
fn a_fire_after_the_deferred_was_dropped_still_runs_it() {
    let log = Log::new();
    let (trigger, deferred) = Deferred::pair();
    let sink = log.clone();
    drop(deferred.add_callback(move |n: i32| sink.add(n)));
    assert!(log.take().is_empty());
    trigger.callback(4).unwrap();
    assert_eq!(log.take(), ["4"]);
    assert!(trigger.callback(5).is_err());
}

#[test]
fn made_with_a_result() {
    Reports::during(|reports| {
        assert_eq!(value(succeed("text")), "text");
        assert_eq!(code(&failure(fail::<()>(Coded(3)))), 3);
        assert_eq!(value(Deferred::from(Ok(5))), 5);
        assert_eq!(value(maybe_deferred(|| Ok(6))), 6);
        assert_eq!(value(maybe_deferred(|| succeed(7))), 7);
        value(maybe_deferred(|| ()));
        let failed = maybe_deferred(|| Err::<(), _>(Failure::new(Coded(8))));
        assert_eq!(code(&failure(failed)), 8);
        assert!(reports.take().is_empty());
    });
}

#[test]
fn maybe_deferred_of_a_deferred_that_waits_is_that_deferred() {
    let (trigger, inner) = Deferred::pair();
    let outer = maybe_deferred(move || inner);
    assert_eq!(outer.state(), State::Unfired);
    trigger.callback(1).unwrap();
    assert_eq!(value(outer), 1);
}

#[test]
fn into_result_of_an_unfinished_one_gives_it_back_unharmed() {
    let log = Log::new();
    let (trigger, deferred) = Deferred::pair();
    let sink = log.clone();
    let deferred = deferred.add_callback(move |n: i32| sink.add(n));
    let deferred = deferred.into_result().unwrap_err();
    let deferred = deferred.into_result().unwrap_err();
    trigger.callback(2).unwrap();
    assert_eq!(log.take(), ["2"]);
    value(deferred);
}

#[test]
fn a_weak_trigger_fires_while_there_is_a_strong_one() {
    let (trigger, deferred) = Deferred::pair();
    let weak = trigger.downgrade();
    weak.upgrade().expect("there is one").callback(1).unwrap();
    assert!(trigger.is_fired());
    drop(trigger);
    assert!(weak.upgrade().is_none());
    assert!(weak.upgrade().is_none(), "asking changes nothing");
    assert_eq!(value(deferred), 1);
}
