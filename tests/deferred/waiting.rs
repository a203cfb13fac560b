//! Waiting for a Deferred that a callback returned.

use std::cell::RefCell;
use std::rc::Rc;

use deferred::errors::WaitCycle;
use deferred::{Deferred, State, fail, succeed};

use crate::support::{Coded, Log, Reports, code, failure, result, value};

#[test]
fn outer_goes_on_inside_the_fire_of_inner() {
    let log = Log::new();
    let (trigger, inner) = Deferred::pair();
    let (a, b) = (log.clone(), log.clone());
    let inner = inner.add_callback(move |n: i32| {
        a.add(format_args!("inner {n}"));
        Ok(n + 1)
    });
    let outer = succeed(())
        .add_callback(move |()| inner)
        .add_callback(move |n| {
            b.add(format_args!("outer {n}"));
            Ok(n + 1)
        });
    assert_eq!(outer.state(), State::Waiting);
    assert!(log.take().is_empty());
    trigger.callback(1).unwrap();
    assert_eq!(log.take(), ["inner 1", "outer 2"]);
    assert_eq!(value(outer), 3);
}

#[test]
fn a_chain_that_was_fired_says_that_it_waits() {
    let (start, outer) = Deferred::pair();
    let (trigger, inner) = Deferred::pair();
    let outer = outer.add_callback(move |()| inner);
    start.callback(()).unwrap();
    assert_eq!(outer.state(), State::Waiting);
    assert!(start.callback(()).is_err());
    let outer = outer.add_callback(|n: i32| Ok(n + 1));
    assert_eq!(outer.state(), State::Waiting);
    trigger.callback(1).unwrap();
    assert_eq!(outer.state(), State::Done);
    assert_eq!(value(outer), 2);
}

#[test]
fn an_inner_failure_goes_over_and_is_reported_once() {
    Reports::during(|reports| {
        let (start, outer) = Deferred::pair();
        let (trigger, inner) = Deferred::<i32>::pair();
        let outer = outer.add_callback(move |()| inner);
        start.callback(()).unwrap();
        trigger.errback(Coded(3)).unwrap();
        assert!(reports.take().is_empty());
        drop(outer);
        drop(trigger);
        assert_eq!(reports.messages(), ["error 3"]);
    });
}

#[test]
fn an_errback_that_returns_a_deferred_has_handled_its_failure() {
    Reports::during(|reports| {
        let (trigger, inner) = Deferred::pair();
        let outer = fail::<i32>(Coded(1)).add_errback(move |_| inner);
        drop(outer);
        trigger.callback(1).unwrap();
        assert!(reports.take().is_empty());
    });
}

#[test]
fn a_waiting_outer_whose_end_was_dropped_runs_later_and_reports_then() {
    Reports::during(|reports| {
        let log = Log::new();
        let (start, outer) = Deferred::pair();
        let (trigger, inner) = Deferred::<i32>::pair();
        let sink = log.clone();
        let outer = outer.add_callback(move |()| inner).add_both(move |result| {
            sink.add("ran");
            result
        });
        start.callback(()).unwrap();
        drop(outer);
        drop(start);
        assert!(log.take().is_empty());
        trigger.errback(Coded(2)).unwrap();
        assert_eq!(log.take(), ["ran"]);
        assert_eq!(reports.messages(), ["error 2"]);
    });
}

#[test]
fn inner_in_the_middle_of_its_own_callbacks_is_waited_for() {
    let log = Log::new();
    let (inner_trigger, inner) = Deferred::pair();
    let (outer_trigger, outer) = Deferred::pair();
    let (first, last) = (log.clone(), log.clone());
    let starter = outer_trigger;
    let inner = inner
        .add_callback(move |n: i32| {
            first.add(format_args!("inner gets {n}"));
            starter.callback(()).unwrap();
            first.add("inner goes on");
            Ok(n + 100)
        })
        .add_callback(move |n| {
            last.add(format_args!("inner ends with {n}"));
            Ok(n)
        });
    let sink = log.clone();
    let outer = outer.add_callback(move |()| inner).add_callback(move |n| {
        sink.add(format_args!("outer gets {n}"));
        Ok(n)
    });
    inner_trigger.callback(5).unwrap();
    assert_eq!(
        log.take(),
        [
            "inner gets 5",
            "inner goes on",
            "inner ends with 105",
            "outer gets 105"
        ]
    );
    assert_eq!(value(outer), 105);
}

#[test]
fn a_paused_inner_holds_up_outer() {
    let (_, mut inner) = {
        let (trigger, inner) = Deferred::pair();
        trigger.callback(1).unwrap();
        (trigger, inner)
    };
    let pause = inner.pause();
    let outer = succeed(()).add_callback(move |()| inner);
    let outer = outer.into_result().unwrap_err();
    pause.unpause();
    assert_eq!(value(outer), 1);
}

#[test]
fn a_paused_outer_keeps_what_inner_gives_and_does_not_hold_inner_up() {
    let log = Log::new();
    let (start, mut outer) = Deferred::pair();
    let (trigger, inner) = Deferred::<i32>::pair();
    let handle = outer.handle();
    let sink = log.clone();
    let outer = outer
        .add_callback(move |()| inner)
        .add_callback(move |n| sink.add(n));
    start.callback(()).unwrap();
    let pause = handle.pause().expect("it is there");
    assert_eq!(outer.state(), State::Waiting);
    trigger.callback(3).unwrap();
    assert_eq!(outer.state(), State::Paused);
    assert!(log.take().is_empty());
    pause.unpause();
    assert_eq!(log.take(), ["3"]);
    value(outer);
}

#[test]
fn an_outer_that_had_its_result_says_that_it_waits() {
    let (trigger, inner) = Deferred::pair();
    let outer = succeed(()).add_callback(move |()| inner);
    assert_eq!(outer.state(), State::Waiting);
    trigger.callback(1).unwrap();
    assert_eq!(value(outer), 1);
}

#[test]
fn a_paused_outer_that_had_its_result_does_not_hold_inner_up() {
    let log = Log::new();
    let (trigger, inner) = Deferred::pair();
    let sink = log.clone();
    let inner = inner.add_callback(move |n: i32| {
        sink.add(format_args!("inner {n}"));
        Ok(n)
    });
    let mut outer = succeed(()).add_callback(move |()| inner);
    let pause = outer.pause();
    trigger.callback(1).unwrap();
    assert_eq!(log.take(), ["inner 1"]);
    pause.unpause();
    assert_eq!(value(outer), 1);
}

#[test]
fn waiting_is_transitive_in_any_order_of_firing() {
    let orders = [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ];
    for order in orders {
        let (t0, d0) = Deferred::pair();
        let (t1, d1) = Deferred::pair();
        let (t2, d2) = Deferred::pair();
        let d1 = d1.add_callback(move |n: i32| d2.add_callback(move |m: i32| Ok(n + m)));
        let d0 = d0.add_callback(move |n: i32| d1.add_callback(move |m| Ok(n + m)));
        for (fired, which) in order.into_iter().enumerate() {
            assert_eq!(d0.state() == State::Done, fired == 3);
            [&t0, &t1, &t2][which].callback(1 << which).unwrap();
        }
        assert_eq!(value(d0), 7, "{order:?}");
    }
}

/// Makes `n` Deferreds, each to return the next when fired, and the last the first.
fn circle(
    n: usize,
) -> (
    Vec<deferred::Trigger<()>>,
    Rc<RefCell<Vec<Option<Deferred<()>>>>>,
) {
    let places: Rc<RefCell<Vec<Option<Deferred<()>>>>> =
        Rc::new(RefCell::new((0..n).map(|_| None).collect()));
    let mut triggers = Vec::new();
    for i in 0..n {
        let (trigger, deferred) = Deferred::pair();
        let all = Rc::clone(&places);
        let deferred = deferred.add_callback(move |()| {
            let next = all.borrow_mut()[(i + 1) % n].take();
            next.expect("each is returned once")
        });
        triggers.push(trigger);
        places.borrow_mut()[i] = Some(deferred);
    }
    (triggers, places)
}

#[test]
fn two_that_return_one_another_are_a_wait_cycle() {
    Reports::during(|reports| {
        let (triggers, places) = circle(2);
        // The end of each is in the other; what comes of it is reported.
        triggers[0].callback(()).unwrap();
        assert!(reports.take().is_empty());
        triggers[1].callback(()).unwrap();
        assert!(places.borrow().iter().all(Option::is_none));
        let reports = reports.take();
        let cycles = reports.iter().filter(|r| r.failure().is::<WaitCycle>());
        assert_eq!(cycles.count(), reports.len());
        assert_eq!(reports.len(), 1, "{reports:?}");
    });
}

#[test]
fn a_wait_cycle_can_be_handled_by_who_closes_it() {
    let log = Log::new();
    for n in [1, 2, 3, 10] {
        for start in 0..n {
            let (triggers, places) = circle(n);
            let closing = (start + n - 1) % n;
            let last = places.borrow_mut()[closing].take().unwrap();
            let sink = log.clone();
            let last = last.add_errback(move |failure| {
                sink.add(failure.is::<WaitCycle>());
                Ok(())
            });
            places.borrow_mut()[closing] = Some(last);
            for i in 0..n {
                assert!(log.take().is_empty());
                triggers[(start + i) % n].callback(()).unwrap();
            }
            assert_eq!(log.take(), ["true"], "{n} from {start}");
        }
    }
}

#[test]
fn a_long_line_of_waiters_is_no_cycle() {
    let (trigger, mut deferred) = Deferred::pair();
    for _ in 0..100 {
        let (start, outer) = Deferred::pair();
        let inner = deferred;
        deferred = outer.add_callback(move |()| inner);
        start.callback(()).unwrap();
    }
    trigger.callback(5).unwrap();
    assert_eq!(result(deferred).unwrap(), 5);
}

#[test]
fn a_returned_deferred_that_failed_gives_its_failure_to_the_next_errback() {
    let deferred = succeed(())
        .add_callback(|()| fail::<i32>(Coded(8)))
        .add_errback(|failure| Ok(code(&failure)));
    assert_eq!(value(deferred), 8);
    let deferred = succeed(()).add_callback(|()| fail::<i32>(Coded(9)));
    assert_eq!(code(&failure(deferred)), 9);
}

#[test]
fn a_handle_of_the_inner_is_not_one_of_the_outer() {
    let log = Log::new();
    let (trigger, mut inner) = Deferred::pair();
    let (second_trigger, second) = Deferred::pair();
    let handle = inner.handle();
    let sink = log.clone();
    let outer = succeed(())
        .add_callback(move |()| inner)
        .add_callback(move |()| second)
        .add_callback(move |n: i32| {
            sink.add(n);
            Ok(n)
        });
    assert_eq!(outer.state(), State::Waiting);
    trigger.callback(()).unwrap();
    // Inner has given its result away: there is nothing left to act on.
    handle.cancel();
    assert!(!second_trigger.is_fired());
    let pause = handle.pause();
    second_trigger.callback(4).unwrap();
    assert_eq!(log.take(), ["4"]);
    drop(pause);
    assert_eq!(value(outer), 4);
}
