//! `map_ok`, `map_err`, `flatten`, `gather`, `start`, `cancel_on_drop`.

use std::cell::Cell;
use std::rc::Rc;

use deferred::errors::WaitCycle;
use deferred::{
    Cancelled, Deferred, FirstError, Panicked, VirtualClock, fail, gather, inline_callbacks, sleep,
    succeed,
};
use std::time::Duration;

use crate::support::{Coded, Count, Reports, code, failure, value};

#[test]
fn map_ok_maps_values_only() {
    assert_eq!(value(succeed(2).map_ok(|n| n * 21)), 42);
    let untouched = fail::<i32>(Coded(1)).map_ok(|_| unreachable!("it is a failure"));
    let untouched: Deferred<()> = untouched;
    assert_eq!(code(&failure(untouched)), 1);
    assert!(failure(succeed(()).map_ok(|()| -> i32 { panic!("no") })).is::<Panicked>());
}

#[test]
fn map_err_maps_failures_only() {
    assert_eq!(value(succeed(2).map_err(|_| Coded(9))), 2);
    assert_eq!(
        code(&failure(fail::<()>(Coded(1)).map_err(|_| Coded(2)))),
        2
    );
}

#[test]
fn a_callback_that_uses_a_question_mark_gives_a_deferred_through_flatten() {
    let fetch = |text: &'static str| {
        let (trigger, answer) = Deferred::pair();
        let chain = succeed(text)
            .add_callback(move |text| {
                let number: i32 = text.parse()?;
                Ok(answer.map_ok(move |more: i32| number + more))
            })
            .flatten();
        (trigger, chain)
    };
    let (trigger, chain) = fetch("40");
    trigger.callback(2).unwrap();
    assert_eq!(value(chain), 42);
    let (_trigger, chain) = fetch("forty");
    assert!(failure(chain).is::<std::num::ParseIntError>());
}

#[test]
fn a_flattened_deferred_that_is_cancelled_cancels_the_inner_one() {
    let (trigger, inner) = Deferred::<()>::pair();
    let outer = succeed(inner).flatten();
    outer.cancel();
    assert!(trigger.is_fired());
    assert!(failure(outer).is::<Cancelled>());
    assert!(!WaitCycle::new().to_string().is_empty());
}

#[test]
fn gather_takes_different_types_in_any_order_of_firing() {
    let (number, a) = Deferred::pair();
    let (text, b) = Deferred::pair();
    let all = gather((a, b, succeed('c')));
    text.callback("b").unwrap();
    let all = all.into_result().unwrap_err();
    number.callback(1).unwrap();
    assert_eq!(value(all), (1, "b", 'c'));
    let eight = gather((
        succeed(1),
        succeed("2"),
        succeed(3.0),
        succeed('4'),
        succeed(5_u8),
        succeed(()),
        succeed(Some(7)),
        succeed([8]),
    ));
    assert_eq!(value(eight), (1, "2", 3.0, '4', 5, (), Some(7), [8]));
}

#[test]
fn gather_fails_with_the_number_of_the_first_failure_and_leaves_the_others_alone() {
    let (trigger, slow) = Deferred::<i32>::pair();
    let failed = failure(gather((slow, fail::<()>(Coded(6)))));
    let first = failed.downcast_ref::<FirstError>().expect("a FirstError");
    assert_eq!((first.index(), code(first.failure())), (1, 6));
    assert!(!trigger.is_fired());
}

#[test]
fn a_cancel_of_gather_reaches_each_of_them() {
    Reports::during(|reports| {
        let (one, a) = Deferred::<i32>::pair();
        let (two, b) = Deferred::<&str>::pair();
        let all = gather((a, b));
        all.cancel();
        assert!(one.is_fired() && two.is_fired());
        assert!(failure(all).is::<FirstError>());
        let loud: Vec<_> = reports
            .take()
            .into_iter()
            .filter(|told| !told.is_minor())
            .collect();
        assert!(loud.len() <= 1, "{loud:?}");
    });
}

#[test]
fn start_gives_the_canceller_what_was_started() {
    let clock = VirtualClock::new();
    let rung = Count::new();
    let begin = |rung: Count| {
        let clock = clock.clone();
        move |trigger: deferred::Trigger<()>| {
            let call = deferred::Clock::call_later(&clock, Duration::from_secs(1), move || {
                rung.add();
                let _ = trigger.callback(());
            });
            move || {
                call.cancel();
            }
        }
    };
    let stopped = Deferred::start(begin(rung.clone()));
    stopped.cancel();
    assert!(failure(stopped).is::<Cancelled>());
    let finished = Deferred::start(begin(rung.clone()));
    clock.advance(Duration::from_secs(1));
    value(finished);
    assert_eq!(rung.get(), 1);
}

#[test]
fn start_may_fire_at_once_or_panic() {
    let dropped = Count::new();
    let guard = dropped.on_drop();
    let at_once = Deferred::start(move |trigger| {
        trigger.callback(5).expect("it is the first");
        move || drop(guard)
    });
    assert_eq!(
        dropped.get(),
        1,
        "a canceller that cannot be needed is dropped"
    );
    assert_eq!(value(at_once), 5);

    let panicked = Deferred::<()>::start(|_| -> fn() { panic!("cannot start") });
    assert!(failure(panicked).is::<Panicked>());
}

#[test]
fn cancel_on_drop_cancels_silently_and_can_be_undone() {
    Reports::during(|reports| {
        let stopped = Rc::new(Cell::new(false));
        let stop = Rc::clone(&stopped);
        let (_trigger, deferred) = Deferred::<()>::with_canceller(move |_| stop.set(true));
        drop(deferred.cancel_on_drop());
        assert!(stopped.get());
        assert!(reports.take().is_empty());

        let (trigger, deferred) = Deferred::pair();
        let kept = deferred.cancel_on_drop().into_inner();
        trigger.callback(1).unwrap();
        assert_eq!(value(kept), 1);
    });
}

#[test]
fn a_body_that_is_cancelled_drops_what_it_awaits() {
    let clock = VirtualClock::new();
    let nap = sleep(&clock, Duration::from_secs(1)).cancel_on_drop();
    let body = inline_callbacks(nap);
    body.cancel();
    assert!(failure(body).is::<Cancelled>());
}
