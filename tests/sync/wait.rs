//! `wait` and `wait_timeout`: plain threads that block until a result is there.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use deferred::sync::{Deferred, fail, succeed};
use deferred::{Abandoned, Failure};

#[test]
fn a_result_that_is_there_does_not_block() {
    assert_eq!(succeed(1).wait().unwrap(), 1);
    assert_eq!(
        fail::<()>(Failure::msg("no")).wait().unwrap_err().message(),
        "no"
    );
    assert_eq!(succeed(2).wait_timeout(Duration::ZERO).unwrap().unwrap(), 2);
}

#[test]
fn the_thread_that_waits_is_woken_by_the_fire() {
    let (trigger, deferred) = Deferred::pair();
    let (begin, begun) = mpsc::channel();
    let waiting = thread::spawn(move || {
        begin.send(thread::current()).unwrap();
        deferred.add_callback(|n: i32| Ok(n + 1)).wait()
    });
    let thread = begun.recv().unwrap();
    thread.unpark(); // for nothing: it looks, and waits again
    trigger.callback(1).unwrap();
    assert_eq!(waiting.join().unwrap().unwrap(), 2);
}

#[test]
fn a_lost_trigger_ends_the_wait() {
    let (trigger, deferred) = Deferred::<()>::pair();
    let worker = thread::spawn(move || drop(trigger));
    assert!(deferred.wait().unwrap_err().is::<Abandoned>());
    worker.join().unwrap();
}

#[test]
fn a_limit_that_passes_gives_the_deferred_back_unharmed() {
    let (trigger, deferred) = Deferred::pair();
    let deferred = deferred.wait_timeout(Duration::from_millis(5)).unwrap_err();
    assert!(!trigger.is_fired(), "it is not cancelled");
    let worker = thread::spawn(move || trigger.callback("late").is_ok());
    // Longer than any clock can tell.
    assert_eq!(
        deferred.wait_timeout(Duration::MAX).unwrap().unwrap(),
        "late"
    );
    assert!(worker.join().unwrap());
}
