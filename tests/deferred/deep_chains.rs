//! A million of everything, on a stack of 64 KiB.
//!
//! What is made a million deep here must neither run nor be dropped recursively.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use deferred::unhandled::{self, Unhandled};
use deferred::{Abandoned, Cancelled, Deferred, Failure, Trigger, succeed};

use crate::support::{Coded, Count, Reports, code, failure, value};

/// In KiB. `DEEP_STACK_KIB` sets another, for instrumented builds, whose frames
/// are many times as large.
const STACK_KIB: usize = 64;

pub(crate) const MILLION: usize = 1_000_000;

/// As many as tests make that give each Deferred a failure of its own. If the
/// environment asks for backtraces, each failure takes one: then it is fewer,
/// though still more than the stack has bytes.
pub(crate) fn million_failures() -> usize {
    if Failure::msg("to see").backtrace().is_some() {
        MILLION / 10
    } else {
        MILLION
    }
}

/// Counts the reports that are minor, and the others.
fn count_reports(body: impl FnOnce(&dyn Fn() -> (usize, usize))) {
    let minor = Rc::new(Cell::new(0));
    let major = Rc::new(Cell::new(0));
    let counts = (Rc::clone(&minor), Rc::clone(&major));
    let hook = move |unhandled: &Unhandled| {
        let count = if unhandled.is_minor() { &minor } else { &major };
        count.set(count.get() + 1);
    };
    unhandled::with_hook(hook, || body(&|| (counts.0.get(), counts.1.get())));
}

pub(crate) fn on_a_small_stack(body: impl FnOnce() + Send + 'static) {
    let kib = std::env::var("DEEP_STACK_KIB").map_or(STACK_KIB, |kib| {
        kib.parse().expect("DEEP_STACK_KIB is a number of KiB")
    });
    let thread = std::thread::Builder::new()
        .stack_size(kib << 10)
        .spawn(body);
    thread
        .expect("a thread")
        .join()
        .expect("its assertions hold");
}

#[test]
fn callbacks_on_one_chain() {
    on_a_small_stack(|| {
        let (trigger, mut deferred) = Deferred::pair();
        for _ in 0..MILLION {
            deferred = deferred.add_callback(|n: usize| Ok(n + 1));
        }
        trigger.callback(0).unwrap();
        assert_eq!(value(deferred), MILLION);
    });
}

#[test]
fn callbacks_on_one_chain_added_after_the_fire() {
    on_a_small_stack(|| {
        let (trigger, mut deferred) = Deferred::pair();
        trigger.callback(0).unwrap();
        let mut ready = succeed(0);
        for _ in 0..MILLION {
            deferred = deferred.add_callback(|n: usize| Ok(n + 1));
            ready = ready.add_callback(|n: usize| succeed(n + 1));
        }
        assert_eq!(value(deferred), MILLION);
        assert_eq!(value(ready), MILLION);
    });
}

#[test]
fn callbacks_on_one_chain_passed_by_a_failure_and_dropped_unrun() {
    on_a_small_stack(|| {
        let make = || {
            let (trigger, mut deferred) = Deferred::pair();
            for _ in 0..MILLION {
                deferred = deferred.add_callback(|n: usize| Ok(n + 1));
            }
            (trigger, deferred)
        };
        let (trigger, deferred) = make();
        trigger.errback(Coded(1)).unwrap();
        let failure = failure(deferred);
        assert_eq!(
            (code(&failure), failure.stage_trace().count()),
            (1, MILLION as u64)
        );

        let (trigger, deferred) = make();
        deferred.ignore();
        drop(trigger);
    });
}

/// Deferreds that each return the next from their only callback, but for the
/// last. Gives their triggers in that order, and the end of the first.
fn returning_one_another(number: usize) -> (Vec<Trigger<usize>>, Deferred<usize>) {
    let (last, mut deferred) = Deferred::pair();
    let mut triggers = vec![last];
    for _ in 1..number {
        let inner = deferred;
        let (trigger, outer) = Deferred::pair();
        deferred = outer.add_callback(move |_| inner);
        triggers.push(trigger);
    }
    triggers.reverse();
    (triggers, deferred)
}

fn fire_all<'a, I: Iterator<Item = &'a Trigger<usize>>>(triggers: I) {
    for (number, trigger) in triggers.enumerate() {
        trigger.callback(number).unwrap();
    }
}

#[test]
fn returned_deferreds_fired_from_the_outermost() {
    on_a_small_stack(|| {
        let (triggers, deferred) = returning_one_another(MILLION);
        fire_all(triggers.iter());
        assert_eq!(value(deferred), MILLION - 1);
    });
}

#[test]
fn returned_deferreds_fired_from_the_innermost() {
    on_a_small_stack(|| {
        let (triggers, deferred) = returning_one_another(MILLION);
        fire_all(triggers.iter().rev());
        assert_eq!(value(deferred), 0);
    });
}

#[test]
fn returned_deferreds_fired_from_the_middle() {
    on_a_small_stack(|| {
        let (triggers, deferred) = returning_one_another(MILLION);
        let (outer, inner) = triggers.split_at(MILLION / 2);
        fire_all(inner.iter().chain(outer.iter().rev()));
        assert_eq!(value(deferred), MILLION / 2 - 1);
    });
}

#[test]
fn returned_deferreds_that_wait_dropped_by_their_innermost_trigger() {
    on_a_small_stack(|| {
        Reports::during(|reports| {
            let (mut triggers, deferred) = returning_one_another(MILLION);
            let last = triggers.pop();
            fire_all(triggers.iter());
            drop(triggers);
            drop(deferred);
            assert!(reports.take().is_empty());
            drop(last);
            let told = reports.take();
            assert_eq!(told.len(), 1);
            assert!(told[0].failure().is::<Abandoned>() && told[0].is_minor());
        });
    });
}

#[test]
fn returned_deferreds_dropped_unfired_from_the_outermost() {
    on_a_small_stack(|| {
        let number = million_failures();
        let (triggers, deferred) = returning_one_another(number);
        deferred.ignore();
        count_reports(|counts| {
            drop(triggers);
            // Each has lost its end with the stage that would have returned it.
            assert_eq!(counts(), (number - 1, 0));
        });
    });
}

#[test]
fn returned_deferreds_dropped_unfired_from_the_innermost() {
    on_a_small_stack(|| {
        let number = million_failures();
        let (mut triggers, deferred) = returning_one_another(number);
        deferred.ignore();
        count_reports(|counts| {
            while let Some(trigger) = triggers.pop() {
                drop(trigger);
            }
            // Each is held by a stage that the failure of the one before passes by.
            assert_eq!(counts(), (number - 1, 0));
        });
    });
}

#[test]
fn returned_deferreds_that_are_fired_from_one_loop() {
    on_a_small_stack(|| {
        let runs = Rc::new(Cell::new(0));
        fn count_down(left: usize, runs: Rc<Cell<usize>>) -> Deferred<usize> {
            succeed(left).add_callback(Ok).add_callback(move |left| {
                runs.set(runs.get() + 1);
                Ok(left)
            })
        }
        let mut deferred = succeed(0);
        for _ in 0..MILLION {
            let runs = Rc::clone(&runs);
            deferred = deferred.add_callback(move |n| count_down(n, runs));
        }
        assert_eq!(runs.get(), MILLION);
        assert_eq!(value(deferred), 0);
    });
}

/// Deferreds that each fire the next with `chain_deferred`. Gives the first
/// trigger, the ends of all but the last, and the end of the last.
fn chained() -> (Trigger<usize>, Vec<Deferred<()>>, Deferred<usize>) {
    let (first, mut deferred) = Deferred::pair();
    let mut ends = Vec::new();
    for _ in 1..MILLION {
        let (trigger, next) = Deferred::pair();
        ends.push(deferred.chain_deferred(trigger));
        deferred = next;
    }
    (first, ends, deferred)
}

#[test]
fn chain_deferred() {
    on_a_small_stack(|| {
        let (first, ends, last) = chained();
        first.callback(5).unwrap();
        assert_eq!(value(last), 5);
        for end in ends {
            value(end);
        }
    });
}

#[test]
fn chain_deferred_with_the_ends_dropped_before() {
    on_a_small_stack(|| {
        let (first, ends, last) = chained();
        drop(ends);
        first.errback(Coded(2)).unwrap();
        assert_eq!(code(&failure(last)), 2);
    });
}

#[test]
fn chain_deferred_dropped_unfired() {
    on_a_small_stack(|| {
        let (first, ends, last) = chained();
        drop(ends);
        drop(first);
        assert!(failure(last).is::<Abandoned>());
    });
}

#[test]
fn chain_deferred_cancelled_at_the_first() {
    on_a_small_stack(|| {
        let (_first, ends, last) = chained();
        ends[0].cancel();
        assert!(failure(last).is::<Cancelled>());
    });
}

#[test]
fn a_cancel_that_is_passed_on() {
    on_a_small_stack(|| {
        let (triggers, deferred) = returning_one_another(MILLION);
        fire_all(triggers[..MILLION - 1].iter());
        deferred.cancel();
        let last = &triggers[MILLION - 1];
        assert!(last.callback(1).is_ok(), "it has the credit");
        assert!(last.callback(1).is_err());
        assert!(failure(deferred).is::<Cancelled>());
    });
}

#[test]
fn captured_in_the_next_ones_stage_with_the_triggers_elsewhere() {
    on_a_small_stack(|| {
        let number = million_failures();
        let drops = Count::new();
        let (first, mut deferred) = Deferred::<usize>::pair();
        let mut triggers = vec![first];
        for _ in 1..number {
            let captured = (deferred, drops.on_drop());
            let (trigger, next) = Deferred::pair();
            triggers.push(trigger);
            deferred = next.add_callback(move |n| {
                let _captured = &captured;
                Ok(n)
            });
        }
        deferred.ignore();
        count_reports(|counts| {
            // From the outermost, so that each takes along what it has captured.
            while let Some(trigger) = triggers.pop() {
                assert_eq!(drops.get(), number - triggers.len() - 1);
                drop(trigger);
            }
            assert_eq!(counts(), (number - 1, 0));
        });
        assert_eq!(drops.get(), number - 1);
    });
}

#[test]
fn captured_in_the_next_ones_stage_with_their_triggers() {
    on_a_small_stack(|| {
        let number = million_failures();
        let drops = Count::new();
        let (mut trigger, mut deferred) = Deferred::<usize>::pair();
        for _ in 1..number {
            let captured = (trigger, deferred, drops.on_drop());
            let (next_trigger, next) = Deferred::pair();
            trigger = next_trigger;
            deferred = next.add_callback(move |n| {
                let _captured = &captured;
                Ok(n)
            });
        }
        count_reports(|counts| {
            deferred.ignore();
            assert_eq!(drops.get(), 0);
            drop(trigger);
            assert_eq!(drops.get(), number - 1);
            let (minor, major) = counts();
            assert_eq!(minor + major, number - 1, "each once");
        });
    });
}

#[test]
fn fired_and_paused_and_captured_in_the_next_ones_stage() {
    on_a_small_stack(|| {
        let drops = Count::new();
        let mut pauses = Vec::new();
        let mut deferred = succeed(0);
        for _ in 1..MILLION {
            let captured = (deferred, drops.on_drop());
            let (trigger, mut next) = Deferred::pair();
            pauses.push(next.pause());
            trigger.callback(0).unwrap();
            deferred = next.add_callback(move |n| {
                let _captured = &captured;
                Ok(n)
            });
        }
        drop(deferred);
        assert_eq!(drops.get(), 0);
        drop(pauses);
        assert_eq!(drops.get(), MILLION - 1);
    });
}

/// Drops `held` while the thread panics, without a word of it.
fn drop_by_panic<T>(held: T) {
    let body = move || {
        let _held = held;
        resume_unwind(Box::new(()));
    };
    catch_unwind(AssertUnwindSafe(body)).unwrap_err();
}

#[test]
fn captured_in_the_next_ones_stage_and_dropped_by_a_panic() {
    on_a_small_stack(|| {
        let number = million_failures();
        let drops = Count::new();
        let (mut trigger, mut deferred) = Deferred::<usize>::pair();
        for _ in 1..number {
            let captured = (trigger, deferred, drops.on_drop());
            let (next_trigger, next) = Deferred::pair();
            trigger = next_trigger;
            deferred = next.add_callback(move |n| {
                let _captured = &captured;
                Ok(n)
            });
        }
        deferred.ignore();
        count_reports(|_counts| drop_by_panic(trigger));
        assert_eq!(drops.get(), number - 1);
    });
}

/// Makes chains that abandon one another, `number` of them, and gives up each trigger with
/// `give_up`: each errback has to run.
fn abandon_one_by_the_other(number: usize, give_up: fn(Trigger<usize>)) {
    on_a_small_stack(move || {
        let runs = Count::new();
        let (mut trigger, deferred) = Deferred::<usize>::pair();
        deferred.ignore();
        for _ in 1..number {
            let (held, counter) = (trigger, runs.clone());
            let (next, deferred) = Deferred::<usize>::pair();
            deferred
                .add_errback(move |failure| {
                    counter.add();
                    give_up(held);
                    Err::<usize, _>(failure)
                })
                .ignore();
            trigger = next;
        }
        give_up(trigger);
        assert_eq!(runs.get(), number - 1);
    });
}

#[test]
fn a_million_abandoned_one_by_the_other() {
    abandon_one_by_the_other(million_failures(), drop);
}

#[test]
fn a_million_abandoned_by_panics_one_by_the_other() {
    abandon_one_by_the_other(million_failures() / 10, drop_by_panic);
}
