//! Pairs: one side runs, the other passes, the next pair sees what came of it.

use deferred::{Deferred, Failure, fail, succeed};

use crate::support::{Coded, Log, code, failure, value};

#[test]
fn a_value_passes_errbacks_and_a_failure_passes_callbacks() {
    let log = Log::new();
    let chain = |deferred: Deferred<i32>| {
        let (a, b, c) = (log.clone(), log.clone(), log.clone());
        deferred
            .add_errback(move |failure| {
                a.add(format_args!("errback {failure}"));
                Err(failure)
            })
            .add_callback(move |n| {
                b.add(format_args!("callback {n}"));
                Ok(n)
            })
            .add_both(move |result| {
                c.add(format_args!("both {}", result.is_ok()));
                result
            })
    };
    assert_eq!(value(chain(succeed(1))), 1);
    assert_eq!(log.take(), ["callback 1", "both true"]);
    assert_eq!(code(&failure(chain(fail(Coded(2))))), 2);
    assert_eq!(log.take(), ["errback error 2", "both false"]);
}

#[test]
fn an_errback_does_not_see_what_its_own_callback_raises() {
    let log = Log::new();
    for fired_first in [true, false] {
        let (trigger, deferred) = Deferred::pair();
        if fired_first {
            trigger.callback(0).unwrap();
        }
        let (same, next) = (log.clone(), log.clone());
        let deferred = deferred
            .add_callbacks(
                |n: i32| Err::<i32, _>(Failure::new(Coded(n + 1))),
                move |_| {
                    same.add("same pair");
                    Ok(0)
                },
            )
            .add_errback(move |failure| {
                next.add(format_args!("next pair {failure}"));
                Ok(5)
            });
        if !fired_first {
            trigger.callback(0).unwrap();
        }
        assert_eq!(log.take(), ["next pair error 1"]);
        assert_eq!(value(deferred), 5);
    }
}

#[test]
fn an_errback_replaces_a_failure_or_recovers() {
    let deferred = fail::<i32>(Coded(1))
        .add_errback(|failure| Err::<i32, _>(Failure::new(Coded(code(&failure) + 1))))
        .add_errback(|failure| Ok(code(&failure) * 10))
        .add_callback(|n| Ok(n + 1));
    assert_eq!(value(deferred), 21);
}

#[test]
fn callbacks_may_return_each_of_the_outcomes() {
    let nothing = |_| {};
    let deferred = succeed(1)
        .add_callback(|n: i32| Ok(n.to_string()))
        .add_callback(|text| succeed(text.len()))
        .add_callback(nothing)
        .add_both(|result| result.map(|()| 'x'));
    assert_eq!(value(deferred), 'x');
}

#[test]
fn question_mark_in_a_callback_makes_a_failure() {
    let deferred = succeed("x").add_callback(|text| Ok(text.parse::<u8>()?));
    assert!(failure(deferred).is::<std::num::ParseIntError>());
}

#[test]
fn both_sides_of_add_callbacks_may_give_different_outcomes() {
    let (trigger, slow) = Deferred::pair();
    let ready = fail::<i32>(Coded(1)).add_callbacks(Ok, move |_| slow);
    assert!(ready.into_result().is_err_and(|deferred| {
        trigger.callback(9).unwrap();
        value(deferred) == 9
    }));
}

#[test]
fn a_thousand_pairs_run_in_order() {
    let (trigger, mut deferred) = Deferred::pair();
    for i in 0..1000_u32 {
        deferred = deferred.add_callback(move |n| {
            assert_eq!(n, i);
            Ok(n + 1)
        });
    }
    trigger.callback(0).unwrap();
    assert_eq!(value(deferred), 1000);
}
