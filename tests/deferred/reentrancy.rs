//! Callbacks that act on Deferreds, their own included.

use std::cell::RefCell;
use std::rc::Rc;

use deferred::{Deferred, State, succeed};

use crate::support::{Count, Log, value};

type Place<T> = Rc<RefCell<Option<T>>>;

#[test]
fn firing_again_from_inside_is_refused() {
    let (trigger, deferred) = Deferred::pair();
    let own = trigger.downgrade();
    let deferred = deferred.add_callback(move |n: i32| {
        let own = own.upgrade().expect("`callback` holds a trigger");
        assert!(own.is_fired());
        assert_eq!(own.callback(n + 1).unwrap_err().into_inner(), n + 1);
        Ok(n)
    });
    trigger.callback(1).unwrap();
    assert_eq!(value(deferred), 1);
}

#[test]
fn a_callback_added_from_inside_runs_last_with_the_then_current_result() {
    let log = Log::new();
    let place: Place<Deferred<i32>> = Rc::default();
    let (trigger, deferred) = Deferred::pair();
    let (own, sink) = (Rc::clone(&place), log.clone());
    let deferred = deferred.add_callback(move |n: i32| {
        let deferred = own.take().expect("it was kept");
        let inner = sink.clone();
        let deferred = deferred.add_callback(move |n| {
            inner.add(format_args!("added {n}"));
            Ok(n + 1)
        });
        assert_eq!(deferred.state(), State::Running);
        *own.borrow_mut() = Some(deferred);
        sink.add(format_args!("first {n}"));
        Ok(n + 1)
    });
    let sink = log.clone();
    let deferred = deferred.add_callback(move |n| {
        sink.add(format_args!("second {n}"));
        Ok(n + 1)
    });
    *place.borrow_mut() = Some(deferred);
    trigger.callback(1).unwrap();
    assert_eq!(log.take(), ["first 1", "second 2", "added 3"]);
    assert_eq!(value(place.take().expect("it was put back")), 4);
}

#[test]
fn dropping_its_own_end_from_inside() {
    let runs = Count::new();
    let drops = Count::new();
    let place: Place<Deferred<()>> = Rc::default();
    let (trigger, deferred) = Deferred::pair();
    let (own, counter, held) = (Rc::clone(&place), runs.clone(), drops.on_drop());
    let deferred = deferred
        .add_callback(move |n: i32| {
            drop(own.take());
            Ok(n)
        })
        .add_callback(move |_| {
            let _held = held;
            counter.add();
        });
    *place.borrow_mut() = Some(deferred);
    trigger.callback(1).unwrap();
    assert_eq!((runs.get(), drops.get()), (1, 1));
}

#[test]
fn dropping_its_own_trigger_from_inside() {
    let place: Place<deferred::Trigger<i32>> = Rc::default();
    let (trigger, deferred) = Deferred::pair();
    let own = Rc::clone(&place);
    let deferred = deferred
        .add_callback(move |n: i32| {
            drop(own.take());
            Ok(n)
        })
        .add_callback(|n| Ok(n + 1));
    let weak = trigger.downgrade();
    *place.borrow_mut() = Some(trigger);
    weak.upgrade().expect("it is kept").callback(1).unwrap();
    assert!(weak.upgrade().is_none());
    assert_eq!(value(deferred), 2);
}

#[test]
fn runs_of_different_deferreds_nest() {
    let log = Log::new();
    let (a, first) = Deferred::pair();
    let (b, second) = Deferred::pair();
    let sink = log.clone();
    let second = second.add_callback(move |()| sink.add("second"));
    let sink = log.clone();
    let first = first.add_callback(move |()| {
        sink.add("first begins");
        b.callback(()).unwrap();
        sink.add("first ends");
    });
    let sink = log.clone();
    let first = first.add_callback(move |()| sink.add("first's next"));
    a.callback(()).unwrap();
    assert_eq!(
        log.take(),
        ["first begins", "second", "first ends", "first's next"]
    );
    value(first);
    value(second);
}

#[test]
fn a_run_called_back_to_through_another_does_not_nest() {
    let log = Log::new();
    let place: Place<Deferred<()>> = Rc::default();
    let (a, first) = Deferred::pair();
    let (b, second) = Deferred::pair();
    let (own, sink) = (Rc::clone(&place), log.clone());
    let second = second.add_callback(move |()| {
        let first = own.take().expect("it was kept");
        let inner = sink.clone();
        *own.borrow_mut() = Some(first.add_callback(move |()| inner.add("late")));
        sink.add("second");
    });
    let sink = log.clone();
    let first = first.add_callback(move |()| {
        b.callback(()).unwrap();
        sink.add("first");
    });
    *place.borrow_mut() = Some(first);
    a.callback(()).unwrap();
    assert_eq!(log.take(), ["second", "first", "late"]);
    value(second);
    value(place.take().expect("it was put back"));
}

#[test]
fn drops_of_what_callbacks_captured_may_fire_and_add() {
    struct FireOnDrop(deferred::Trigger<i32>);
    impl Drop for FireOnDrop {
        fn drop(&mut self) {
            self.0.callback(7).unwrap();
        }
    }
    let (other, waits) = Deferred::pair();
    let held = FireOnDrop(other);
    let deferred = deferred::fail::<()>(crate::support::Coded(1))
        .add_callback(move |()| {
            let _held = &held;
            Ok(())
        })
        .add_errback(|_| Ok(()));
    value(deferred);
    assert_eq!(value(waits), 7);
}

#[test]
fn a_callback_may_look_at_its_own_chain() {
    let (trigger, mut deferred) = Deferred::pair();
    let handle = deferred.handle();
    let told = Rc::new(RefCell::new(String::new()));
    let sink = Rc::clone(&told);
    let deferred = deferred.add_callback(move |()| {
        *sink.borrow_mut() = format!("{handle:?}");
    });
    trigger.callback(()).unwrap();
    assert!(told.borrow().contains("Running"), "{}", told.borrow());
    value(deferred);
}

#[test]
fn state_may_be_asked_at_any_time() {
    let (trigger, deferred) = Deferred::pair();
    assert_eq!(deferred.state(), State::Unfired);
    assert!(format!("{deferred:?}").contains("Unfired"), "{deferred:?}");
    trigger.callback(1).unwrap();
    assert_eq!(deferred.state(), State::Done);
    assert_eq!(succeed(1).state(), State::Done);
    assert_eq!(value(deferred), 1);
}
