//! Triggers, guards and pauses that a panic drops which the user's code catches.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use deferred::{
    Abandoned, Deferred, DeferredLock, DeferredSemaphore, LockGuard, Panicked, Permit, State,
    succeed,
};

use crate::support::{Count, Log, PanicOnDrop, failure, value};

/// Drops `held` by a panic, which is caught here.
fn drop_by_panic<T>(held: T) {
    let body = move || {
        let _held = held;
        panic!("caught by the user");
    };
    catch_unwind(AssertUnwindSafe(body)).unwrap_err();
}

#[test]
fn an_errback_runs_while_the_panic_unwinds() {
    let log = Log::new();
    let (trigger, deferred) = Deferred::<()>::pair();
    let sink = log.clone();
    let deferred = deferred.add_errback(move |failure| {
        sink.add(failure.is::<Abandoned>());
        // As in any other drop that unwinds.
        assert!(thread::panicking());
        Ok(())
    });
    drop_by_panic(trigger);
    assert_eq!(log.take(), ["true"], "before `value` looks");
    value(deferred);
}

#[test]
fn a_callback_that_catches_the_panic_itself() {
    let log = Log::new();
    let (trigger, deferred) = Deferred::<()>::pair();
    let sink = log.clone();
    let deferred = deferred.add_errback(move |_abandoned| {
        sink.add("errback");
        Ok(())
    });
    let (start, started) = Deferred::pair();
    let sink = log.clone();
    let started = started.add_callback(move |()| {
        drop_by_panic(trigger);
        sink.add("callback");
    });
    start.callback(()).unwrap();
    assert_eq!(log.take(), ["errback", "callback"]);
    value(deferred);
    value(started);
}

#[test]
fn an_errback_that_panics_meanwhile_is_contained() {
    let drops = Count::new();
    let (trigger, deferred) = Deferred::<()>::pair();
    let held = PanicOnDrop(drops.clone());
    let deferred = deferred
        .add_errback(|failure| -> deferred::Result<()> { panic!("while {failure}") })
        .add_callback(move |()| {
            let _held = &held;
            Ok(())
        })
        .add_errback(|failure| {
            assert!(failure.is::<Panicked>());
            Ok(())
        });
    drop_by_panic(trigger);
    assert_eq!(drops.get(), 1, "its drop has panicked, too");
    value(deferred);
}

#[test]
fn what_the_chain_holds_is_dropped_meanwhile() {
    let drops = Count::new();
    let (trigger, mut deferred) = Deferred::<()>::pair();
    let handle = deferred.handle();
    let held = (drops.on_drop(), PanicOnDrop(drops.clone()));
    deferred
        .add_callback(move |()| {
            let _held = &held;
            Ok(())
        })
        .ignore();
    drop_by_panic(trigger);
    assert_eq!(drops.get(), 2);
    assert_eq!(handle.state(), None);
}

#[test]
fn a_pause_is_lifted() {
    let runs = Count::new();
    let mut deferred = succeed(1);
    let pause = deferred.pause();
    let counter = runs.clone();
    let deferred = deferred.add_callback(move |n| {
        counter.add();
        Ok(n)
    });
    assert_eq!(deferred.state(), State::Paused);
    drop_by_panic(pause);
    assert_eq!(runs.get(), 1);
    assert_eq!(value(deferred), 1);
}

#[test]
fn a_lock_and_a_permit_go_to_the_next() {
    let turns = Count::new();
    let lock = DeferredLock::new();
    let guard: LockGuard = value(lock.acquire());
    let counter = turns.clone();
    let next = lock.run(move || counter.add());
    drop_by_panic(guard);
    assert_eq!(turns.get(), 1);
    value(next);

    let semaphore = DeferredSemaphore::new(1).unwrap();
    let permit: Permit = value(semaphore.acquire());
    let counter = turns.clone();
    let next = semaphore.run(move || counter.add());
    drop_by_panic(permit);
    assert_eq!(turns.get(), 2);
    value(next);
}

#[test]
fn one_by_the_other_in_order() {
    let log = Log::new();
    let (mut trigger, last) = Deferred::<()>::pair();
    last.ignore();
    for n in 0..3 {
        let held = trigger;
        let (next, deferred) = Deferred::<()>::pair();
        let sink = log.clone();
        deferred
            .add_errback(move |_abandoned| {
                drop_by_panic(held);
                sink.add(n);
                Ok(())
            })
            .ignore();
        trigger = next;
    }
    drop_by_panic(trigger);
    assert_eq!(log.take(), ["2", "1", "0"]);
}

#[test]
fn a_panic_in_a_callback_abandons_what_it_holds() {
    let (trigger, deferred) = Deferred::<()>::pair();
    let (start, started) = Deferred::<()>::pair();
    let started = started.add_callback(move |()| -> deferred::Result<()> {
        let _trigger = trigger;
        panic!("in a callback")
    });
    start.callback(()).unwrap();
    assert!(failure(deferred).is::<Abandoned>());
    assert!(failure(started).is::<Panicked>());
}
