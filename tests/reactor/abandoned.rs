//! Triggers that handlers and jobs drop by panics, and loops inside of abandonments.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use deferred::{Abandoned, Deferred, Trigger, sync};
use reactor::Reactor;

use crate::support::{reactor, result_of};

fn drop_by_panic<T>(held: T) {
    let body = move || {
        let _held = held;
        panic!("caught by the handler");
    };
    catch_unwind(AssertUnwindSafe(body)).unwrap_err();
}

#[test]
fn a_handler_that_catches_the_panic_itself() {
    let reactor = reactor();
    let (trigger, deferred) = Deferred::<()>::pair();
    let has_run = Rc::new(Cell::new(false));
    let flag = Rc::clone(&has_run);
    let deferred = deferred.add_errback(move |failure| {
        flag.set(true);
        Err(failure)
    });
    let seen = Rc::clone(&has_run);
    reactor.call_later(Duration::ZERO, move || {
        drop_by_panic(trigger);
        assert!(seen.get(), "at once");
    });
    let failure = reactor.block_on(deferred).unwrap_err();
    assert!(failure.is::<Abandoned>());
}

#[test]
fn a_job_in_a_thread_that_catches_the_panic_itself() {
    let reactor = reactor();
    let (trigger, deferred) = sync::Deferred::<()>::pair();
    let (release, held_up) = mpsc::channel::<()>();
    let job = reactor.defer_to_thread(move || {
        drop_by_panic(trigger);
        // The thread is busy for as long as the test is not done.
        let _ = held_up.recv();
        Ok(())
    });
    let failure = result_of(&reactor, deferred.into_local()).unwrap_err();
    assert!(failure.is::<Abandoned>());
    drop(release);
    result_of(&reactor, job).unwrap();

    let (trigger, deferred) = sync::Deferred::<()>::pair();
    let job = move || {
        let _trigger = trigger;
        panic!("caught by the pool");
    };
    reactor.call_in_thread(job).unwrap();
    let failure = result_of(&reactor, deferred.into_local()).unwrap_err();
    assert!(failure.is::<Abandoned>());
}

/// Calls `f` in an errback that runs because a trigger was dropped.
fn in_an_abandonment(f: impl FnOnce() + 'static) {
    let has_run = Rc::new(Cell::new(false));
    let flag = Rc::clone(&has_run);
    let (trigger, deferred) = Deferred::<()>::pair();
    deferred
        .add_errback(move |_abandoned| {
            f();
            flag.set(true);
            Ok(())
        })
        .ignore();
    drop(trigger);
    assert!(has_run.get());
}

/// One that is abandoned, and the loop that waits for it.
fn waits_for(reactor: &Reactor, drop_it: impl FnOnce(&Reactor, Trigger<()>)) {
    let (trigger, deferred) = Deferred::<()>::pair();
    drop_it(reactor, trigger);
    let failure = reactor.block_on(deferred).unwrap_err();
    assert!(failure.is::<Abandoned>());
}

#[test]
fn a_loop_inside_of_an_abandonment_waits_for_another() {
    in_an_abandonment(|| {
        let reactor = reactor();
        waits_for(&reactor, |_reactor, trigger| drop(trigger));
    });
    in_an_abandonment(|| {
        let reactor = reactor();
        waits_for(&reactor, |reactor, trigger| {
            reactor.call_later(Duration::from_millis(1), move || drop(trigger));
        });
        // One after the other.
        waits_for(&reactor, |reactor, trigger| {
            reactor.call_when_running(move || drop(trigger));
        });
        waits_for(&reactor, |reactor, trigger| {
            let (last, deferred) = Deferred::<()>::pair();
            deferred
                .add_errback(move |_abandoned| {
                    drop(trigger);
                    Ok(())
                })
                .ignore();
            reactor.call_later(Duration::from_millis(1), move || drop(last));
        });
    });
}

#[test]
fn an_abandonment_that_makes_work_for_the_loop_inside_of_it() {
    in_an_abandonment(|| {
        let reactor = reactor();
        let (trigger, deferred) = Deferred::<()>::pair();
        let is_called = Rc::new(Cell::new(false));
        let (flag, handle) = (Rc::clone(&is_called), reactor.handle());
        deferred
            .add_errback(move |_abandoned| {
                handle.call_later(Duration::from_millis(1), move || flag.set(true));
                Ok(())
            })
            .ignore();
        drop(trigger);
        // The first turn would wait for long, if it did not hear of the call.
        let long = Duration::from_secs(60);
        reactor.turn(Some(long)).unwrap();
        reactor.turn(Some(Duration::ZERO)).unwrap();
        assert!(is_called.get());
        assert!(reactor.now() < long);
    });
}
