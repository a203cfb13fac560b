//! Combinators whose parts are fired by several threads.

use std::sync::Mutex;

use deferred::sync::{Deferred, DeferredList, Trigger, gather_results, race, settled, succeed};
use deferred::{Cancelled, FailureGroup, FirstError};

use crate::support::{Coded, Count, failure, result, together, value};

const THREADS: usize = 4;
const PARTS: usize = 100;
const ROUNDS: usize = 50;

fn pairs<T: Send>(count: usize) -> (Vec<Trigger<T>>, Vec<Deferred<T>>) {
    (0..count).map(|_| Deferred::pair()).unzip()
}

#[test]
fn values_stand_in_the_order_of_the_input() {
    for _ in 0..ROUNDS {
        let (triggers, parts) = pairs(PARTS);
        let all = gather_results(parts);
        together(THREADS, move |thread| {
            for (n, trigger) in triggers.iter().enumerate() {
                if n % THREADS == thread {
                    trigger.callback(n).unwrap();
                }
            }
        });
        assert!(value(all).into_iter().eq(0..PARTS));
    }
}

#[test]
fn one_failure_is_the_first() {
    for _ in 0..ROUNDS {
        let (triggers, parts) = pairs::<()>(THREADS);
        let all = DeferredList::new(parts).consume_errors().into_values();
        together(THREADS, move |n| {
            triggers[n].errback(Coded(n as i32)).unwrap();
        });
        let failed = failure(all);
        let first = failed.downcast_ref::<FirstError>().unwrap();
        let code = first.failure().downcast_ref::<Coded>().unwrap();
        assert_eq!(code.0 as usize, first.index());
    }
}

#[test]
fn one_racer_wins_and_each_value_is_dropped_once() {
    let drops = Count::new();
    for _ in 0..ROUNDS {
        let (triggers, parts) = pairs(THREADS);
        let won = race(parts);
        let count = drops.clone();
        together(THREADS, move |n| {
            // Or it was cancelled, and this is swallowed.
            triggers[n].callback((n, count.on_drop())).unwrap();
        });
        let (index, (n, _)) = value(won);
        assert_eq!(index, n);
    }
    assert_eq!(drops.get(), ROUNDS * THREADS);
}

#[test]
fn a_cancel_while_the_parts_fire() {
    for _ in 0..ROUNDS {
        let (triggers, parts) = pairs(PARTS);
        let mut all = settled(parts);
        let handle = all.handle();
        together(2, move |thread| match thread {
            0 => handle.cancel(),
            _ => triggers.iter().for_each(|t| t.callback(()).unwrap()),
        });
        assert_eq!(value(all).len(), PARTS);

        let (triggers, parts) = pairs(2);
        let mut raced = race(parts);
        let handle = raced.handle();
        together(3, move |thread| match thread {
            2 => handle.cancel(),
            n => triggers[n].callback(n).unwrap(),
        });
        match result(raced) {
            Ok((index, n)) => assert_eq!(index, n),
            // All were cancelled; or one had won, and its value was not there yet.
            Err(failure) => assert!(failure.is::<FailureGroup>() || failure.is::<Cancelled>()),
        }
    }
}

#[test]
fn it_is_made_while_the_parts_fire() {
    for _ in 0..ROUNDS {
        let (triggers, parts) = pairs(PARTS);
        let parts = Mutex::new(Some(parts));
        let (told, outcome) = Deferred::pair();
        together(2, move |thread| match thread {
            0 => {
                let parts = parts.lock().unwrap().take().unwrap();
                let parts = parts.into_iter().chain([succeed(PARTS)]);
                gather_results(parts).chain_deferred(told.clone()).detach();
            }
            _ => {
                for (n, trigger) in triggers.iter().enumerate() {
                    trigger.callback(n).unwrap();
                }
            }
        });
        assert!(value(outcome).into_iter().eq(0..=PARTS));
    }
}
