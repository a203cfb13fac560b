//! `DeferredLock`.

use std::cell::RefCell;
use std::rc::Rc;

use deferred::{Cancelled, Deferred, DeferredLock, LockGuard, Panicked, State, fail};

use crate::deep_chains::{million_failures, on_a_small_stack};
use crate::support::{Coded, Count, Log, code, failure, value};

/// Acquires, logs, and gives back at once.
fn visit(lock: &DeferredLock, log: &Log, name: &'static str) -> Deferred<()> {
    let log = log.clone();
    lock.acquire().add_callback(move |guard| {
        log.add(name);
        guard.release();
    })
}

#[test]
fn a_free_lock_is_there_at_once() {
    let lock = DeferredLock::new();
    assert!(!lock.is_locked());
    let guard = value(lock.acquire());
    assert!(lock.is_locked());
    drop(guard);
    assert!(!lock.is_locked());
}

#[test]
fn who_comes_first_is_served_first() {
    let log = Log::new();
    let lock = DeferredLock::default();
    let guard = value(lock.acquire());
    let first = visit(&lock, &log, "first");
    let second = visit(&lock, &log, "second");
    assert!(log.take().is_empty());
    guard.release();
    assert_eq!(log.take(), ["first", "second"]);
    assert!(!lock.is_locked());
    value(first);
    value(second);
}

#[test]
fn it_is_handed_over_without_being_free_between() {
    let lock = DeferredLock::new();
    let guard = value(lock.acquire());
    let waiting = lock.acquire();
    guard.release();
    assert!(lock.is_locked());
    let late = lock.acquire();
    assert_eq!(late.state(), State::Unfired);
    value(waiting).release();
    value(late).release();
}

#[test]
fn the_callbacks_of_the_next_run_inside_the_release() {
    let log = Log::new();
    let lock = DeferredLock::new();
    let guard = value(lock.acquire());
    let next = visit(&lock, &log, "next");
    log.add("before");
    guard.release();
    log.add("after");
    assert_eq!(log.take(), ["before", "next", "after"]);
    value(next);
}

#[test]
fn one_who_is_cancelled_leaves_the_line() {
    let log = Log::new();
    let lock = DeferredLock::new();
    let guard = value(lock.acquire());
    let first = lock.acquire();
    let second = visit(&lock, &log, "second");
    first.cancel();
    first.cancel();
    assert!(failure(first).is::<Cancelled>());
    guard.release();
    assert_eq!(log.take(), ["second"]);
    value(second);
}

#[test]
fn a_cancel_after_the_grant_does_nothing() {
    let lock = DeferredLock::new();
    let guard = value(lock.acquire());
    let mut granted = lock.acquire();
    let pause = granted.pause();
    guard.release();
    granted.cancel();
    assert!(lock.is_locked());
    pause.unpause();
    value(granted).release();
    assert!(!lock.is_locked());
}

#[test]
fn one_that_nobody_has_seen_comes_back() {
    let lock = DeferredLock::new();
    drop(lock.acquire());
    assert!(!lock.is_locked());
    let guard = value(lock.acquire());
    let dropped = lock.acquire();
    let waiting = lock.acquire();
    drop(dropped);
    guard.release();
    value(waiting).release();
}

#[test]
fn those_who_wait_get_it_although_the_lock_is_gone() {
    let lock = DeferredLock::new();
    let guard = value(lock.acquire());
    let waiting = lock.acquire();
    drop(lock);
    guard.release();
    value(waiting).release();
}

#[test]
fn run_holds_it_until_the_outcome_is_known() {
    let lock = DeferredLock::new();
    let (trigger, outcome) = Deferred::pair();
    let ran = lock.run(move || outcome);
    assert!(lock.is_locked());
    trigger.callback(5).unwrap();
    assert!(!lock.is_locked());
    assert_eq!(value(ran), 5);
    assert_eq!(code(&failure(lock.run(|| fail::<()>(Coded(1))))), 1);
    value(lock.run(|| {}));
    assert!(!lock.is_locked());
}

#[test]
fn run_releases_before_its_own_callbacks() {
    let log = Log::new();
    let lock = DeferredLock::new();
    let (trigger, outcome) = Deferred::<()>::pair();
    let sink = log.clone();
    let first = lock
        .run(move || outcome)
        .add_both(move |_result| sink.add("callback of the first"));
    let sink = log.clone();
    let second = lock.run(move || sink.add("second"));
    trigger.errback(Coded(1)).unwrap();
    assert_eq!(log.take(), ["second", "callback of the first"]);
    value(first);
    value(second);
}

#[test]
fn a_run_that_is_cancelled_while_it_waits_never_runs() {
    let calls = Count::new();
    let lock = DeferredLock::new();
    let guard = value(lock.acquire());
    let count = calls.clone();
    let waiting = lock.run(move || count.add());
    waiting.cancel();
    guard.release();
    assert!(failure(waiting).is::<Cancelled>());
    assert_eq!(calls.get(), 0);
    assert!(!lock.is_locked());
}

#[test]
fn a_run_that_is_cancelled_while_it_runs_forwards_it() {
    let lock = DeferredLock::new();
    let (trigger, outcome) = Deferred::<()>::pair();
    let running = lock.run(move || outcome);
    running.cancel();
    assert!(trigger.is_fired());
    assert!(failure(running).is::<Cancelled>());
    assert!(!lock.is_locked());
}

#[test]
fn a_panic_in_a_run_gives_it_back() {
    let log = Log::new();
    let lock = DeferredLock::new();
    let guard = value(lock.acquire());
    let panicking = lock.run(|| -> deferred::Result<()> { panic!("as it may") });
    let next = visit(&lock, &log, "next");
    guard.release();
    assert!(failure(panicking).is::<Panicked>());
    assert_eq!(log.take(), ["next"]);
    value(next);
    let at_once = lock.run(|| -> deferred::Result<()> { panic!("as it may") });
    assert!(failure(at_once).is::<Panicked>());
    assert!(!lock.is_locked());
}

#[test]
fn a_guard_in_a_panicking_callback_comes_back() {
    let log = Log::new();
    let lock = DeferredLock::new();
    let guard = value(lock.acquire());
    let panicking = lock
        .acquire()
        .add_callback(|_guard| -> deferred::Result<()> { panic!() });
    let next = visit(&lock, &log, "next");
    guard.release();
    assert!(failure(panicking).is::<Panicked>());
    assert_eq!(log.take(), ["next"]);
    value(next);
}

#[test]
fn acquiring_inside_a_hand_over_goes_to_the_end_of_the_line() {
    let log = Log::new();
    let lock = DeferredLock::new();
    let guard = value(lock.acquire());
    let again = Rc::new(RefCell::new(None));
    let (inner, sink, slot) = (lock.clone(), log.clone(), Rc::clone(&again));
    let first = lock.acquire().add_callback(move |guard| {
        *slot.borrow_mut() = Some(visit(&inner, &sink, "again"));
        sink.add("first");
        guard.release();
    });
    let second = visit(&lock, &log, "second");
    guard.release();
    assert_eq!(log.take(), ["first", "second", "again"]);
    value(first);
    value(second);
    value(again.take().unwrap());
}

#[test]
fn hand_overs_nest_to_a_depth_of_eight() {
    let log = Log::new();
    let lock = DeferredLock::new();
    let guard = value(lock.acquire());
    let waiting: Vec<_> = (1..=10)
        .map(|n| {
            let log = log.clone();
            lock.acquire().add_callback(move |guard: LockGuard| {
                guard.release();
                log.add(n);
            })
        })
        .collect();
    guard.release();
    let order = ["8", "7", "6", "5", "4", "3", "2", "1", "10", "9"];
    assert_eq!(log.take(), order, "the ninth waits for the outermost");
    waiting.into_iter().for_each(value);
}

#[test]
fn a_hundred_thousand_who_release_in_their_callback() {
    on_a_small_stack(|| {
        let seen = Count::new();
        let lock = DeferredLock::new();
        let guard = value(lock.acquire());
        for _ in 0..100_000 {
            let count = seen.clone();
            let counted = lock.acquire().add_callback(move |_guard| count.add());
            counted.detach();
        }
        guard.release();
        assert_eq!(seen.get(), 100_000);
        assert!(!lock.is_locked());
    });
}

#[test]
fn a_hundred_thousand_runs() {
    on_a_small_stack(|| {
        let seen = Count::new();
        let lock = DeferredLock::new();
        let (trigger, outcome) = Deferred::<()>::pair();
        let first = lock.run(move || outcome);
        for _ in 0..100_000 {
            let count = seen.clone();
            lock.run(move || count.add()).detach();
        }
        trigger.callback(()).unwrap();
        assert_eq!(seen.get(), 100_000);
        value(first);
    });
}

#[test]
fn a_million_cancelled_waiters() {
    let lock = DeferredLock::new();
    let guard = value(lock.acquire());
    let mut waiting: Vec<_> = (0..million_failures()).map(|_| lock.acquire()).collect();
    let last = waiting.pop().unwrap();
    // Neither from the front nor from the back.
    let (front, back) = waiting.split_at(waiting.len() / 2);
    for waiter in back.iter().chain(front) {
        waiter.cancel();
    }
    guard.release();
    value(last).release();
    assert!(
        waiting
            .into_iter()
            .all(|waiter| failure(waiter).is::<Cancelled>())
    );
    assert!(!lock.is_locked());
}
