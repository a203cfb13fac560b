//! `DeferredList`, `gather_results`, `settled`.

use deferred::{
    Abandoned, Cancelled, Deferred, DeferredList, Failure, FailureGroup, FirstError, State,
    Trigger, fail, gather_results, settled, succeed,
};

use crate::deep_chains::on_a_small_stack;
use crate::support::{Coded, Count, Log, PanicOnDrop, Reports, code, failure, value};

fn pairs<T: 'static>(count: usize) -> (Vec<Trigger<T>>, Vec<Deferred<T>>) {
    (0..count).map(|_| Deferred::pair()).unzip()
}

fn first_error(failure: &Failure) -> (usize, i32) {
    let first = failure.downcast_ref::<FirstError>().expect("a FirstError");
    (first.index(), code(first.failure()))
}

#[test]
fn values_stand_in_the_order_of_the_input() {
    let (triggers, parts) = pairs(3);
    let all = gather_results(parts);
    for n in [2, 0] {
        triggers[n].callback(n).unwrap();
        assert_eq!(all.state(), State::Unfired);
    }
    triggers[1].callback(1).unwrap();
    assert_eq!(value(all), [0, 1, 2]);
}

#[test]
fn the_combined_callbacks_run_inside_the_last_fire() {
    let log = Log::new();
    let (triggers, parts) = pairs::<()>(2);
    let sink = log.clone();
    let all = gather_results(parts).add_callback(move |values| sink.add(values.len()));
    triggers[0].callback(()).unwrap();
    log.add("one is there");
    triggers[1].callback(()).unwrap();
    assert_eq!(log.take(), ["one is there", "2"]);
    value(all);
}

#[test]
fn nothing_is_an_empty_list_at_once() {
    assert!(value(gather_results::<i32>([])).is_empty());
    assert!(value(settled::<i32>([])).is_empty());
    let list = DeferredList::<i32>::new([]).fire_on_one_errback();
    assert!(value(list.into_deferred()).is_empty());
    let none = failure(DeferredList::<i32>::new([]).fire_on_one_callback());
    assert!(none.check::<FailureGroup>().unwrap().failures().is_empty());
}

#[test]
fn results_that_are_there_count_at_once() {
    let (trigger, pending) = Deferred::pair();
    let all = gather_results([succeed(1), pending, succeed(3)]);
    assert_eq!(all.state(), State::Unfired);
    trigger.callback(2).unwrap();
    assert_eq!(value(all), [1, 2, 3]);
    assert_eq!(value(gather_results([succeed(4), succeed(5)])), [4, 5]);
}

#[test]
fn the_first_failure_ends_it_and_leaves_the_others_alone() {
    let (triggers, parts) = pairs::<()>(3);
    let all = gather_results(parts);
    triggers[2].callback(()).unwrap();
    triggers[1].errback(Coded(7)).unwrap();
    let failed = failure(all);
    assert_eq!(first_error(&failed), (1, 7));
    assert_eq!(failed.check::<Coded>(), Some(&Coded(7)), "it is the source");
    assert_eq!(
        failed.to_string(),
        "the deferred at index 1 failed: error 7"
    );
    assert!(!triggers[0].is_fired());
}

#[test]
fn a_late_failure_is_reported_unless_errors_are_consumed() {
    let late = |list: DeferredList<()>, triggers: Vec<Trigger<()>>| {
        Reports::during(|reports| {
            let failed = failure(list.into_values());
            assert_eq!(first_error(&failed), (0, 1));
            triggers[1].errback(Coded(2)).unwrap();
            drop(failed);
            reports.messages()
        })
    };
    let list = || {
        let (triggers, parts) = pairs(2);
        triggers[0].errback(Coded(1)).unwrap();
        (DeferredList::new(parts), triggers)
    };
    let (plain, triggers) = list();
    assert_eq!(late(plain, triggers), ["error 2"]);
    let (consuming, triggers) = list();
    assert!(late(consuming.consume_errors(), triggers).is_empty());
}

#[test]
fn a_failure_in_the_result_was_handled() {
    Reports::during(|reports| {
        let (trigger, part) = Deferred::<i32>::pair();
        let all = settled([part, succeed(1), fail(Coded(2))]);
        trigger.errback(Coded(3)).unwrap();
        let results = value(all);
        assert_eq!(code(results[0].as_ref().unwrap_err()), 3);
        assert_eq!(*results[1].as_ref().unwrap(), 1);
        assert_eq!(code(results[2].as_ref().unwrap_err()), 2);
        drop(results);
        assert!(reports.messages().is_empty());
    });
}

#[test]
fn a_first_error_that_nobody_sees_is_reported() {
    Reports::during(|reports| {
        drop(gather_results([fail::<()>(Coded(1))]));
        assert_eq!(reports.messages(), ["the deferred at index 0 failed"]);
    });
}

#[test]
fn a_list_may_fail_at_one_errback() {
    let (triggers, parts) = pairs::<()>(2);
    let list = DeferredList::new(parts)
        .fire_on_one_errback()
        .into_deferred();
    triggers[1].errback(Coded(4)).unwrap();
    assert_eq!(first_error(&failure(list)), (1, 4));
}

#[test]
fn the_first_value_wins() {
    Reports::during(|reports| {
        let (triggers, parts) = pairs(3);
        let first = DeferredList::new(parts).fire_on_one_callback();
        triggers[0].errback(Coded(1)).unwrap();
        assert!(reports.messages().is_empty(), "it may yet be shown");
        triggers[2].callback("c").unwrap();
        assert_eq!(value(first), (2, "c"));
        assert_eq!(reports.messages(), ["error 1"], "now it cannot");
        assert!(!triggers[1].is_fired(), "left alone");
    });
}

#[test]
fn without_a_value_there_is_a_group() {
    let (triggers, parts) = pairs::<()>(2);
    let first = DeferredList::new(parts).fire_on_one_callback();
    triggers[1].errback(Coded(2)).unwrap();
    triggers[0].errback(Coded(1)).unwrap();
    let failed = failure(first);
    let group = failed.check::<FailureGroup>().unwrap();
    let codes: Vec<_> = group.iter().map(code).collect();
    assert_eq!(codes, [1, 2], "in the order of the input");
    assert_eq!(
        failed.to_string(),
        "all of the deferreds failed: error 1; error 2"
    );
}

#[test]
fn whatever_comes_first() {
    let either = |parts| {
        let list = DeferredList::new(parts);
        list.fire_on_one_errback().fire_on_one_callback()
    };
    let (triggers, parts) = pairs::<i32>(2);
    let failed = either(parts);
    triggers[1].errback(Coded(1)).unwrap();
    assert_eq!(first_error(&failure(failed)), (1, 1));
    let (triggers, parts) = pairs::<i32>(2);
    let first = either(parts);
    triggers[1].callback(5).unwrap();
    assert_eq!(value(first), (1, 5));
}

#[test]
fn a_cancel_cancels_the_parts_in_order() {
    let log = Log::new();
    let pairs = (0..3).map(|n| {
        let log = log.clone();
        Deferred::<i32>::with_canceller(move |trigger| {
            log.add(n);
            if n == 1 {
                trigger.callback(n).unwrap();
            }
        })
    });
    let (_triggers, parts): (Vec<_>, Vec<_>) = pairs.unzip();
    let list = settled(parts);
    list.cancel();
    assert_eq!(log.take(), ["0", "1", "2"]);
    let results = value(list);
    assert!(results[0].as_ref().unwrap_err().is::<Cancelled>());
    assert_eq!(*results[1].as_ref().unwrap(), 1);
    assert!(results[2].as_ref().unwrap_err().is::<Cancelled>());
}

#[test]
fn a_cancel_reaches_all_parts_although_the_first_decides() {
    Reports::during(|reports| {
        let (triggers, parts) = pairs::<()>(3);
        let all = gather_results(parts);
        all.cancel();
        assert!(triggers.iter().all(Trigger::is_fired));
        let failed = failure(all);
        assert_eq!(failed.downcast_ref::<FirstError>().unwrap().index(), 0);
        assert!(failed.is::<Cancelled>());
        assert_eq!(reports.take().len(), 2, "those that it does not show");
    });
}

#[test]
fn a_part_that_is_held_up_keeps_a_cancelled_list_waiting() {
    let (_trigger, mut part) = Deferred::<i32>::pair();
    let pause = part.pause();
    let list = settled([part]);
    list.cancel();
    list.cancel();
    assert_eq!(list.state(), State::Unfired);
    pause.unpause();
    assert!(value(list)[0].as_ref().unwrap_err().is::<Cancelled>());
}

#[test]
fn a_list_can_be_cancelled_again_when_parts_have_survived() {
    let (_outer, first) = Deferred::<i32>::pair();
    let (_inner, second) = Deferred::<i32>::pair();
    let stubborn = first.add_errback(move |_cancelled| second);
    let list = settled([stubborn]);
    list.cancel();
    assert_eq!(list.state(), State::Unfired);
    list.cancel();
    assert!(value(list)[0].as_ref().unwrap_err().is::<Cancelled>());
}

/// As in Twisted, whose `DeferredList` has a `cancel` of its own.
#[test]
fn a_cancel_of_a_fired_list_does_not_reach_what_a_callback_returned() {
    for count in [0, 1, 2] {
        let lists = [
            settled((0..count).map(succeed)).add_callback(|_results| Ok(())),
            gather_results((0..count).map(succeed)).add_callback(|_values| Ok(())),
            DeferredList::new((0..count).map(succeed))
                .fire_on_one_callback()
                .add_both(|_first| Ok(())),
        ];
        for list in lists {
            let (trigger, inner) = Deferred::<i32>::pair();
            let waiting = list.add_callback(move |()| inner);
            waiting.cancel();
            assert_eq!(waiting.state(), State::Waiting, "of {count}");
            trigger.callback(1).unwrap();
            assert_eq!(value(waiting), 1);
        }
    }
}

#[test]
fn a_cancel_from_a_parts_canceller_does_nothing_more() {
    let handle = std::rc::Rc::new(std::cell::RefCell::new(None::<deferred::DeferredHandle>));
    let list = std::rc::Rc::clone(&handle);
    let (_trigger, part) = Deferred::<i32>::with_canceller(move |_trigger| {
        list.borrow().as_ref().unwrap().cancel();
    });
    let mut all = settled([part]);
    *handle.borrow_mut() = Some(all.handle());
    all.cancel();
    assert!(value(all)[0].as_ref().unwrap_err().is::<Cancelled>());
}

#[test]
fn the_rest_is_cancelled_if_asked_for() {
    Reports::during(|reports| {
        let log = Log::new();
        let (trigger, part) = Deferred::<()>::pair();
        let sink = log.clone();
        let (_slow, other) = Deferred::with_canceller(move |_trigger| sink.add("cancelled"));
        let all = DeferredList::new([other, part]).cancel_rest().into_values();
        let sink = log.clone();
        let all = all.add_errback(move |failure| {
            sink.add("failed");
            Err(failure)
        });
        trigger.errback(Coded(1)).unwrap();
        assert_eq!(log.take(), ["cancelled", "failed"]);
        assert_eq!(first_error(&failure(all)), (1, 1));
        assert!(reports.messages().is_empty(), "that was asked for");
    });
}

#[test]
fn an_abandoned_part_fails() {
    let (triggers, parts) = pairs::<()>(2);
    let all = gather_results(parts);
    drop(triggers);
    assert!(failure(all).is::<Abandoned>());
}

#[test]
fn a_part_waits_for_what_its_callbacks_return() {
    let (inner_trigger, inner) = Deferred::pair();
    let (trigger, part) = Deferred::<()>::pair();
    let all = gather_results([part.add_callback(move |()| inner)]);
    trigger.callback(()).unwrap();
    assert_eq!(all.state(), State::Unfired);
    inner_trigger.callback(3).unwrap();
    assert_eq!(value(all), [3]);
}

#[test]
fn the_combined_deferred_may_be_let_go() {
    let seen = Count::new();
    let (triggers, parts) = pairs::<i32>(2);
    let count = seen.clone();
    gather_results(parts)
        .add_callback(move |_values| count.add())
        .detach();
    for trigger in &triggers {
        trigger.callback(1).unwrap();
    }
    assert_eq!(seen.get(), 1);
}

#[test]
fn each_value_is_dropped_once() {
    let drops = Count::new();
    let (triggers, parts) = pairs(3);
    let all = gather_results(parts);
    triggers[0].callback(drops.on_drop()).unwrap();
    assert_eq!(drops.get(), 0);
    triggers[1].errback(Coded(1)).unwrap();
    assert_eq!(drops.get(), 1, "it cannot be shown any more");
    triggers[2].callback(drops.on_drop()).unwrap();
    assert_eq!(drops.get(), 2);
    failure(all);
}

#[test]
fn a_value_whose_drop_panics_changes_nothing() {
    let drops = Count::new();
    let (triggers, parts) = pairs(3);
    let all = gather_results(parts);
    triggers[0].callback(PanicOnDrop(drops.clone())).unwrap();
    triggers[1].callback(PanicOnDrop(drops.clone())).unwrap();
    triggers[2].errback(Coded(1)).unwrap();
    assert_eq!(drops.get(), 2);
    assert_eq!(first_error(&failure(all)), (2, 1));
}

#[test]
fn a_hundred_thousand_parts() {
    on_a_small_stack(|| {
        let (triggers, parts) = pairs(100_000);
        let all = gather_results(parts);
        for (n, trigger) in triggers.into_iter().enumerate() {
            trigger.callback(n).unwrap();
        }
        assert!(value(all).into_iter().eq(0..100_000));

        let (triggers, parts) = pairs::<()>(100_000);
        drop(settled(parts));
        drop(triggers);

        let (_triggers, parts) = pairs::<()>(100_000);
        let all = settled(parts);
        all.cancel();
        assert_eq!(value(all).len(), 100_000);
    });
}

#[test]
fn a_list_in_a_list_a_hundred_thousand_deep() {
    on_a_small_stack(|| {
        let (trigger, mut deferred) = Deferred::pair();
        for _ in 0..100_000 {
            deferred = gather_results([deferred]).add_callback(|values| Ok(values[0] + 1));
        }
        trigger.callback(0).unwrap();
        assert_eq!(value(deferred), 100_000);

        let (trigger, mut deferred) = Deferred::<i32>::pair();
        for _ in 0..100_000 {
            // Unwrapped: errors inside errors are dropped as Rust drops them.
            deferred = gather_results([deferred]).add_callbacks(
                |values| Ok(values[0]),
                |failure| Err(failure.check::<FirstError>().unwrap().failure().clone()),
            );
        }
        drop(deferred);
        Reports::during(|reports| {
            drop(trigger);
            assert_eq!(reports.take().len(), 1);
        });
    });
}
