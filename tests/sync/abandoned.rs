//! Triggers, guards and pauses that are dropped while a thread panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;

use deferred::driver::run_woken;
use deferred::sync::{Deferred, DeferredLock, DeferredSemaphore, succeed};
use deferred::{Abandoned, State};

use crate::support::{Count, failure, value};

/// Drops `held` by a panic of a thread.
fn drop_by_panic<T: Send + 'static>(held: T) {
    let thread = thread::spawn(move || {
        let _held = held;
        panic!("uncaught");
    });
    thread.join().unwrap_err();
}

#[test]
fn a_trigger_of_a_thread_that_panics() {
    let (trigger, deferred) = Deferred::<u32>::pair();
    drop_by_panic(trigger);
    assert!(failure(deferred).is::<Abandoned>());
}

#[test]
fn it_runs_on_the_thread_that_panics() {
    let (trigger, deferred) = Deferred::<u32>::pair();
    let (tell, told) = mpsc::channel();
    deferred
        .add_errback(move |failure| {
            let seen = (thread::current().id(), thread::panicking());
            tell.send(seen)?;
            Err(failure)
        })
        .ignore();
    let thread = thread::spawn(move || {
        let _trigger = trigger;
        panic!("uncaught");
    });
    let id = thread.thread().id();
    assert_eq!(told.recv(), Ok((id, true)));
    thread.join().unwrap_err();
}

#[test]
fn awaiting_it_ends() {
    let (trigger, deferred) = Deferred::<u32>::pair();
    let (begin, begun) = mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        let _trigger = trigger;
        begun.recv().unwrap();
        panic!("uncaught");
    });
    let awaiting = thread::spawn(|| futures::executor::block_on(deferred));
    begin.send(()).unwrap();
    assert!(awaiting.join().unwrap().unwrap_err().is::<Abandoned>());
    thread.join().unwrap_err();
}

#[test]
fn a_lock_a_permit_and_a_pause_are_given_back() {
    let lock = DeferredLock::new();
    let guard = value(lock.acquire());
    let next = lock.acquire();
    drop_by_panic(guard);
    value(next).release();
    assert!(!lock.is_locked());

    let semaphore = DeferredSemaphore::new(1).unwrap();
    let permit = value(semaphore.acquire());
    let next = semaphore.run(|| Ok("my turn"));
    drop_by_panic(permit);
    assert_eq!(value(next), "my turn");

    let mut held_up = succeed(1);
    let pause = held_up.pause();
    let held_up = held_up.add_callback(|n| Ok(n + 1));
    drop_by_panic(pause);
    assert_eq!(value(held_up), 2);
}

#[test]
fn a_pool_thread_that_catches_it_and_waits_for_its_next_job() {
    type Job = Box<dyn FnOnce() + Send>;
    let (queue, jobs) = mpsc::channel::<Job>();
    let (tell, told) = mpsc::channel();
    let worker = thread::spawn(move || {
        for job in jobs {
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    });
    let (trigger, deferred) = Deferred::<u32>::pair();
    deferred
        .add_errback(move |failure| {
            tell.send(failure.is::<Abandoned>())?;
            Err(failure)
        })
        .ignore();
    let job = move || {
        let _trigger = trigger;
        panic!("caught by the pool");
    };
    queue.send(Box::new(job)).unwrap();
    assert_eq!(
        told.recv(),
        Ok(true),
        "the worker waits, and does nothing else"
    );
    drop(queue);
    worker.join().unwrap();
}

#[test]
fn a_tokio_task_that_panics_with_the_permit() {
    let semaphore = DeferredSemaphore::new(1).unwrap();
    let acquire = semaphore.acquire();
    let next = semaphore.acquire();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let other_thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let task = tokio::spawn(async move {
                let _permit = acquire.await.unwrap();
                tokio::task::yield_now().await;
                panic!("caught by Tokio");
            });
            assert!(task.await.unwrap_err().is_panic());
            // It goes on with something else.
            let _ = ended.await;
        });
    });
    assert!(futures::executor::block_on(next).is_ok());
    drop(end);
    other_thread.join().unwrap();
}

#[test]
fn looks_inside_of_an_abandonment() {
    let seen = Count::new();
    let (outer, deferred) = Deferred::<()>::pair();
    let counter = seen.clone();
    deferred
        .add_errback(move |_abandoned| {
            let (trigger, deferred) = Deferred::<u32>::pair();
            drop(trigger);
            assert_eq!(deferred.state(), State::Done);
            assert!(failure(deferred).is::<Abandoned>());
            counter.add();
            Ok(())
        })
        .ignore();
    drop(outer);
    assert_eq!(seen.get(), 1);

    let (outer, deferred) = Deferred::<()>::pair();
    let counter = seen.clone();
    deferred
        .add_errback(move |_abandoned| {
            let (trigger, deferred) = Deferred::<u32>::pair();
            drop(trigger);
            let result = futures::executor::block_on(deferred);
            assert!(result.unwrap_err().is::<Abandoned>());
            counter.add();
            Ok(())
        })
        .ignore();
    drop(outer);
    assert_eq!(seen.get(), 2);

    let (outer, deferred) = Deferred::<()>::pair();
    let counter = seen.clone();
    deferred
        .add_errback(move |_abandoned| {
            let (trigger, deferred) = Deferred::<u32>::pair();
            drop(trigger);
            assert_eq!(run_woken(), 1);
            assert!(failure(deferred).is::<Abandoned>());
            counter.add();
            Ok(())
        })
        .ignore();
    drop(outer);
    assert_eq!(seen.get(), 3);
}
