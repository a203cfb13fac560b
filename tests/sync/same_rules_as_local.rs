//! The rules of the other flavour hold here, too: a few of each kind. The conformance
//! programs have the rest.

use deferred::errors::WaitCycle;
use deferred::sync::{Deferred, DeferredHandle, Trigger, fail, maybe_deferred, succeed};
use deferred::{Abandoned, Cancelled, Panicked, State};

use crate::support::{Coded, Count, failure, value};

#[test]
fn all_of_it_is_send() {
    fn is_send<T: Send>() {}
    fn is_sync<T: Sync>() {}
    is_send::<Deferred<i32>>();
    is_send::<Deferred<std::cell::Cell<i32>>>();
    is_send::<Trigger<i32>>();
    is_sync::<Trigger<i32>>();
    is_sync::<DeferredHandle>();
    is_send::<deferred::sync::Pause>();
    is_send::<deferred::sync::LockGuard>();
    is_sync::<deferred::sync::DeferredLock>();
    is_sync::<deferred::sync::DeferredSemaphore>();
    is_sync::<deferred::sync::DeferredQueue<std::cell::Cell<i32>>>();
}

#[test]
fn it_is_fired_once_and_runs_in_order() {
    let (trigger, deferred) = Deferred::pair();
    let sum = deferred
        .add_callback(|n: i32| Ok(n + 1))
        .add_callback(|n| Ok(n * 10));
    trigger.callback(1).unwrap();
    assert_eq!(trigger.callback(5).unwrap_err().into_inner(), 5);
    assert_eq!(value(sum), 20);
}

#[test]
fn failures_go_by_the_errbacks() {
    let (trigger, deferred) = Deferred::<i32>::pair();
    let recovered = deferred
        .add_callback(|n| Ok(n + 1))
        .add_errback(|failure| Ok(failure.check::<Coded>().map_or(0, |error| error.0)));
    trigger.errback(Coded(4)).unwrap();
    assert_eq!(value(recovered), 4);
    let panicked = succeed(1).add_callback(|_| -> deferred::Result<()> { panic!("as it may") });
    assert!(failure(panicked).is::<Panicked>());
    assert!(failure(maybe_deferred(|| fail::<()>(Coded(1)))).is::<Coded>());
}

#[test]
fn a_returned_one_is_waited_for_and_cancelled() {
    let (inner_trigger, inner) = Deferred::<i32>::pair();
    let (trigger, outer) = Deferred::pair();
    let outer = outer.add_callback(move |()| inner);
    trigger.callback(()).unwrap();
    assert_eq!(outer.state(), State::Waiting);
    outer.cancel();
    assert!(inner_trigger.is_fired());
    assert!(failure(outer).is::<Cancelled>());
}

#[test]
fn a_pause_holds_it_up() {
    let calls = Count::new();
    let (trigger, mut deferred) = Deferred::pair();
    let pause = deferred.pause();
    let count = calls.clone();
    let deferred = deferred.add_callback(move |()| count.add());
    trigger.callback(()).unwrap();
    assert_eq!(calls.get(), 0);
    pause.unpause();
    assert_eq!(calls.get(), 1);
    value(deferred);
}

#[test]
fn an_abandoned_one_fails() {
    let (trigger, deferred) = Deferred::<i32>::pair();
    drop(trigger);
    assert!(failure(deferred).is::<Abandoned>());
}

#[test]
fn one_that_would_wait_for_itself_fails() {
    let slot = std::sync::Arc::new(std::sync::Mutex::new(None));
    let own = std::sync::Arc::clone(&slot);
    let (trigger, deferred) = Deferred::<()>::pair();
    let (told, outcome) = Deferred::pair();
    let deferred = deferred
        .add_callback(move |()| own.lock().unwrap().take().expect("it is there"))
        .add_both(move |result: deferred::Result<()>| drop(told.fire(result)));
    *slot.lock().unwrap() = Some(deferred);
    trigger.callback(()).unwrap();
    assert!(failure(outcome).is::<WaitCycle>());
}
