//! Cancelling.

use std::cell::RefCell;
use std::rc::Rc;

use deferred::{Abandoned, Cancelled, Deferred, State, succeed};

use crate::support::{Coded, Count, Log, Reports, code, failure, value};

#[test]
fn without_a_canceller_one_late_fire_is_swallowed() {
    let (trigger, deferred) = Deferred::pair();
    let drops = Count::new();
    deferred.cancel();
    deferred.cancel();
    assert!(trigger.is_fired());
    assert!(trigger.callback(drops.on_drop()).is_ok());
    assert_eq!(drops.get(), 1, "what is swallowed is dropped");
    let refused = trigger.callback(drops.on_drop()).unwrap_err();
    assert_eq!(drops.get(), 1, "what is refused comes back");
    drop(refused);
    assert!(trigger.errback(Coded(1)).is_err());
    assert!(failure(deferred).is::<Cancelled>());
}

#[test]
fn a_late_errback_is_swallowed_as_well() {
    Reports::during(|reports| {
        let (trigger, deferred) = Deferred::<()>::pair();
        deferred.cancel();
        assert!(trigger.errback(Coded(1)).is_ok());
        assert!(trigger.errback(Coded(2)).is_err());
        assert!(failure(deferred).is::<Cancelled>());
        assert!(reports.take().is_empty());
    });
}

#[test]
fn a_canceller_that_does_not_fire() {
    let log = Log::new();
    let sink = log.clone();
    let (trigger, deferred) = Deferred::<i32>::with_canceller(move |_| sink.add("canceller"));
    deferred.cancel();
    assert_eq!(log.take(), ["canceller"]);
    assert!(trigger.callback(1).is_err(), "nothing is swallowed");
    deferred.cancel();
    assert!(log.take().is_empty(), "it is called once");
    assert!(failure(deferred).is::<Cancelled>());
}

#[test]
fn a_canceller_that_fires() {
    let (trigger, deferred) = Deferred::with_canceller(|trigger| trigger.callback(7).unwrap());
    deferred.cancel();
    assert!(trigger.callback(1).is_err());
    assert_eq!(value(deferred), 7);

    let (_trigger, deferred) = Deferred::<i32>::with_canceller(|trigger| {
        trigger.errback(Coded(3)).unwrap();
        assert!(trigger.errback(Coded(4)).is_err());
    });
    deferred.cancel();
    assert_eq!(code(&failure(deferred)), 3);
}

#[test]
fn a_canceller_that_panics() {
    let (trigger, deferred) = Deferred::<i32>::with_canceller(|_| panic!("cancelled badly"));
    deferred.cancel();
    assert!(trigger.callback(1).is_err());
    assert!(failure(deferred).is::<Cancelled>());
}

#[test]
fn a_canceller_that_panics_with_the_last_trigger_of_another() {
    let (other, abandoned) = Deferred::<()>::pair();
    let (_trigger, deferred) = Deferred::<()>::with_canceller(move |_trigger| {
        let _other = other;
        panic!("in the canceller");
    });
    deferred.cancel();
    assert_eq!(abandoned.state(), State::Done);
    assert!(failure(abandoned).is::<Abandoned>());
    assert!(failure(deferred).is::<Cancelled>());
}

#[test]
fn a_canceller_that_fires_and_then_panics() {
    let (_trigger, deferred) = Deferred::with_canceller(|trigger| {
        trigger.callback(1).unwrap();
        panic!("cancelled badly");
    });
    deferred.cancel();
    assert_eq!(value(deferred), 1);
}

#[test]
fn a_canceller_that_cancels_again() {
    let log = Log::new();
    let place: Rc<RefCell<Option<deferred::DeferredHandle>>> = Rc::default();
    let (own, sink) = (Rc::clone(&place), log.clone());
    let (_trigger, mut deferred) = Deferred::<i32>::with_canceller(move |_| {
        sink.add("before");
        own.borrow().as_ref().expect("it was kept").cancel();
        sink.add("after");
    });
    *place.borrow_mut() = Some(deferred.handle());
    deferred.cancel();
    assert_eq!(log.take(), ["before", "after"]);
    assert!(failure(deferred).is::<Cancelled>());
}

#[test]
fn a_canceller_that_cancels_again_may_still_fire() {
    let log = Log::new();
    let place: Rc<RefCell<Option<deferred::DeferredHandle>>> = Rc::default();
    let own = Rc::clone(&place);
    let (_trigger, mut deferred) = Deferred::with_canceller(move |trigger| {
        own.take().expect("it was kept").cancel();
        assert!(!trigger.is_fired());
        trigger.callback(6).unwrap();
        assert!(trigger.callback(7).is_err());
    });
    *place.borrow_mut() = Some(deferred.handle());
    let sink = log.clone();
    let deferred = deferred.add_both(move |result| {
        sink.add(result.is_ok());
        result
    });
    deferred.cancel();
    assert_eq!(log.take(), ["true"]);
    assert_eq!(value(deferred), 6);
}

#[test]
fn a_canceller_that_keeps_its_trigger_for_later() {
    let place = Rc::new(RefCell::new(None));
    let kept = Rc::clone(&place);
    let (_trigger, deferred) = Deferred::with_canceller(move |trigger| {
        *kept.borrow_mut() = Some(trigger);
    });
    deferred.cancel();
    let late = place.take().expect("it was called");
    assert_eq!(late.callback(1).unwrap_err().into_inner(), 1);
    assert!(failure(deferred).is::<Cancelled>());
}

#[test]
fn a_canceller_is_dropped_when_the_deferred_is_fired() {
    let drops = Count::new();
    let held = drops.on_drop();
    let (trigger, deferred) = Deferred::with_canceller(move |_| drop(held));
    assert_eq!(drops.get(), 0);
    trigger.callback(1).unwrap();
    assert_eq!(drops.get(), 1);
    deferred.cancel();
    assert_eq!(value(deferred), 1);
}

#[test]
fn a_canceller_is_dropped_with_what_is_abandoned_uncalled() {
    let drops = Count::new();
    let log = Log::new();
    let (held, sink) = (drops.on_drop(), log.clone());
    let (trigger, deferred) = Deferred::<()>::with_canceller(move |_| {
        let _held = held;
        sink.add("called");
    });
    drop(trigger);
    assert_eq!(drops.get(), 1);
    assert!(log.take().is_empty());
    assert!(failure(deferred).is::<Abandoned>());
}

#[test]
fn an_outer_that_waits_passes_the_cancel_to_its_inner() {
    let log = Log::new();
    let sink = log.clone();
    let (start, outer) = Deferred::with_canceller(move |_| sink.add("outer's canceller"));
    let sink = log.clone();
    let (trigger, inner) = Deferred::with_canceller(move |trigger| {
        sink.add("inner's canceller");
        trigger.callback(5).unwrap();
    });
    let outer = outer.add_callback(move |()| inner);
    start.callback(()).unwrap();
    outer.cancel();
    assert_eq!(log.take(), ["inner's canceller"]);
    assert!(trigger.callback(6).is_err());
    assert_eq!(value(outer), 5);
}

#[test]
fn only_the_inner_gets_the_credit_for_a_late_fire() {
    let (start, outer) = Deferred::pair();
    let (trigger, inner) = Deferred::<i32>::pair();
    let outer = outer
        .add_callback(move |()| {
            inner.add_errback(|failure| {
                failure.trap::<Cancelled>()?;
                Ok(9)
            })
        })
        .add_callback(|n| Ok(n + 1));
    start.callback(()).unwrap();
    outer.cancel();
    assert!(start.callback(()).is_err());
    assert!(trigger.callback(1).is_ok());
    assert!(trigger.callback(1).is_err());
    assert_eq!(value(outer), 10, "inner's errback recovered");
}

#[test]
fn cancel_of_one_that_is_done_or_paused_or_running_does_nothing() {
    let deferred = succeed(1);
    deferred.cancel();
    assert_eq!(value(deferred), 1);

    let (trigger, mut deferred) = Deferred::pair();
    trigger.callback(2).unwrap();
    let pause = deferred.pause();
    deferred.cancel();
    pause.unpause();
    assert_eq!(value(deferred), 2);

    let (trigger, mut deferred) = Deferred::pair();
    let handle = deferred.handle();
    let deferred = deferred.add_callback(move |n: i32| {
        assert_eq!(handle.state(), Some(State::Running));
        handle.cancel();
        Ok(n)
    });
    trigger.callback(3).unwrap();
    assert!(trigger.callback(4).is_err());
    assert_eq!(value(deferred), 3);
}

#[test]
fn an_unfired_paused_one_fails_now_and_runs_later() {
    let log = Log::new();
    let (trigger, mut deferred) = Deferred::<()>::pair();
    let pause = deferred.pause();
    let sink = log.clone();
    let deferred = deferred.add_errback(move |failure| {
        sink.add(failure);
        Ok(())
    });
    deferred.cancel();
    assert_eq!(deferred.state(), State::Paused);
    assert!(log.take().is_empty());
    assert!(trigger.callback(()).is_ok());
    assert!(trigger.callback(()).is_err());
    pause.unpause();
    assert_eq!(log.take(), ["the deferred was cancelled"]);
    value(deferred);
}

#[test]
fn an_outer_waiting_on_a_fired_but_paused_inner_is_left_alone() {
    let (inner_trigger, mut inner) = Deferred::pair();
    inner_trigger.callback(1).unwrap();
    let pause = inner.pause();
    let (start, outer) = Deferred::pair();
    let outer = outer.add_callback(move |()| inner);
    start.callback(()).unwrap();
    outer.cancel();
    assert_eq!(outer.state(), State::Waiting);
    pause.unpause();
    assert_eq!(value(outer), 1);
}

#[test]
fn a_second_cancel_goes_to_what_the_errback_answered_with() {
    let (_trigger, deferred) = Deferred::<i32>::pair();
    let (second_trigger, second) = Deferred::pair();
    let deferred = deferred.add_errback(move |_| second);
    deferred.cancel();
    assert_eq!(deferred.state(), State::Waiting);
    deferred.cancel();
    assert!(failure(deferred).is::<Cancelled>());
    assert!(second_trigger.is_fired());
}

#[test]
fn dropping_is_not_cancelling() {
    let log = Log::new();
    let sink = log.clone();
    let (trigger, deferred) = Deferred::with_canceller(move |_| sink.add("canceller"));
    let sink = log.clone();
    drop(deferred.add_callback(move |n: i32| sink.add(n)));
    trigger.callback(1).unwrap();
    assert_eq!(log.take(), ["1"]);
}

#[test]
fn a_cancelled_one_says_where_the_cancel_was() {
    let (_trigger, deferred) = Deferred::<()>::pair();
    let line = line!() + 1;
    deferred.cancel();
    let place = failure(deferred).raised_at();
    assert_eq!((place.file(), place.line()), (file!(), line));
}
