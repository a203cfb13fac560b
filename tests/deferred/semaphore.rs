//! `DeferredSemaphore`.

use deferred::errors::ZeroTokens;
use deferred::{Cancelled, Deferred, DeferredSemaphore, State};

use crate::support::{Count, failure, value};

fn semaphore(tokens: usize) -> DeferredSemaphore {
    DeferredSemaphore::new(tokens).expect("at least one token")
}

#[test]
fn it_needs_a_token() {
    assert_eq!(DeferredSemaphore::new(0).unwrap_err(), ZeroTokens::new());
}

#[test]
fn it_hands_out_its_tokens() {
    let semaphore = semaphore(2);
    assert_eq!((semaphore.tokens(), semaphore.limit()), (2, 2));
    let first = value(semaphore.acquire());
    let second = value(semaphore.acquire());
    assert_eq!((semaphore.tokens(), semaphore.limit()), (0, 2));
    let third = semaphore.acquire();
    let fourth = semaphore.acquire();
    assert_eq!(third.state(), State::Unfired);
    drop(second);
    assert_eq!(semaphore.tokens(), 0, "handed over");
    assert_eq!(fourth.state(), State::Unfired);
    let third = value(third);
    first.release();
    value(fourth).release();
    assert_eq!(semaphore.tokens(), 1);
    third.release();
    assert_eq!(semaphore.tokens(), 2);
}

#[test]
fn one_who_is_cancelled_leaves_the_line() {
    let semaphore = semaphore(1);
    let permit = value(semaphore.acquire());
    let (first, second) = (semaphore.acquire(), semaphore.acquire());
    first.cancel();
    assert!(failure(first).is::<Cancelled>());
    permit.release();
    value(second).release();
    assert_eq!(semaphore.tokens(), 1);
}

#[test]
fn as_many_run_as_there_are_tokens() {
    let semaphore = semaphore(2);
    let running = Count::new();
    let (triggers, outcomes): (Vec<_>, Vec<_>) = (0..4).map(|_| Deferred::pair()).unzip();
    let runs: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| {
            let running = running.clone();
            semaphore.run(move || {
                running.add();
                outcome
            })
        })
        .collect();
    for (n, trigger) in triggers.iter().enumerate() {
        assert_eq!(running.get(), (n + 2).min(4));
        trigger.callback(n).unwrap();
    }
    let values: Vec<_> = runs.into_iter().map(value).collect();
    assert_eq!(values, [0, 1, 2, 3]);
    assert_eq!(semaphore.tokens(), 2);
}
