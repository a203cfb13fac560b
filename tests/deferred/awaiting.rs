//! Awaiting a Deferred, under any executor.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use deferred::errors::ResultTaken;
use deferred::{Deferred, State, fail, succeed};

use crate::support::{Coded, Reports, code};

#[derive(Default)]
struct Woken(AtomicUsize);

impl Woken {
    fn times(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn poll<F: Future + Unpin>(future: &mut F, woken: &Arc<Woken>) -> Poll<F::Output> {
    let waker = Waker::from(Arc::clone(woken));
    Pin::new(future).poll(&mut Context::from_waker(&waker))
}

#[test]
fn it_is_pending_until_fired_and_wakes_once() {
    let woken = Arc::new(Woken::default());
    let (trigger, mut deferred) = Deferred::pair();
    assert!(poll(&mut deferred, &woken).is_pending());
    assert!(poll(&mut deferred, &woken).is_pending());
    assert_eq!(woken.times(), 0);
    trigger.callback(1).unwrap();
    assert_eq!(woken.times(), 1);
    assert!(trigger.callback(2).is_err());
    assert!(matches!(poll(&mut deferred, &woken), Poll::Ready(Ok(1))));
    drop(deferred);
    drop(trigger);
    assert_eq!(woken.times(), 1);
    assert_eq!(Arc::strong_count(&woken), 1, "no waker is left behind");
}

#[test]
fn one_that_has_its_result_is_ready_at_once() {
    let woken = Arc::new(Woken::default());
    assert!(matches!(poll(&mut succeed(1), &woken), Poll::Ready(Ok(1))));
    let Poll::Ready(Err(failure)) = poll(&mut fail::<()>(Coded(2)), &woken) else {
        panic!("it is there");
    };
    assert_eq!(code(&failure), 2);
    assert_eq!(woken.times(), 0);
}

#[test]
fn the_last_waker_is_the_one_that_is_woken() {
    let (first, second) = (Arc::new(Woken::default()), Arc::new(Woken::default()));
    let (trigger, mut deferred) = Deferred::pair();
    assert!(poll(&mut deferred, &first).is_pending());
    assert!(poll(&mut deferred, &second).is_pending());
    assert_eq!(Arc::strong_count(&first), 1, "a replaced waker is let go");
    trigger.callback(1).unwrap();
    assert_eq!((first.times(), second.times()), (0, 1));
    assert!(matches!(poll(&mut deferred, &first), Poll::Ready(Ok(1))));
}

#[test]
fn polled_after_it_was_ready_it_gives_result_taken() {
    Reports::during(|reports| {
        let woken = Arc::new(Woken::default());
        for mut deferred in [succeed(1), {
            let (trigger, deferred) = Deferred::pair();
            trigger.callback(1).unwrap();
            deferred
        }] {
            assert!(matches!(poll(&mut deferred, &woken), Poll::Ready(Ok(1))));
            for _ in 0..2 {
                let Poll::Ready(Err(failure)) = poll(&mut deferred, &woken) else {
                    panic!("ready for good");
                };
                assert!(failure.is::<ResultTaken>());
            }
        }
        assert!(reports.take().is_empty());
    });
}

#[test]
fn a_paused_one_is_pending_and_wakes_when_the_pause_ends() {
    let woken = Arc::new(Woken::default());
    let (trigger, mut deferred) = Deferred::pair();
    let pause = deferred.pause();
    trigger.callback(1).unwrap();
    assert!(poll(&mut deferred, &woken).is_pending());
    assert_eq!(woken.times(), 0);
    pause.unpause();
    assert_eq!(woken.times(), 1);
    assert!(matches!(poll(&mut deferred, &woken), Poll::Ready(Ok(1))));
}

#[test]
fn one_that_waits_for_another_wakes_when_that_is_done() {
    let woken = Arc::new(Woken::default());
    let (start, outer) = Deferred::pair();
    let (trigger, inner) = Deferred::pair();
    let mut outer = outer
        .add_callback(move |()| inner)
        .add_callback(|n: i32| Ok(n + 1));
    assert!(poll(&mut outer, &woken).is_pending());
    start.callback(()).unwrap();
    assert_eq!(woken.times(), 0);
    assert_eq!(outer.state(), State::Waiting);
    trigger.callback(1).unwrap();
    assert_eq!(woken.times(), 1);
    assert!(matches!(poll(&mut outer, &woken), Poll::Ready(Ok(2))));
}

#[test]
fn an_abandoned_one_wakes() {
    let woken = Arc::new(Woken::default());
    let (trigger, mut deferred) = Deferred::<()>::pair();
    assert!(poll(&mut deferred, &woken).is_pending());
    drop(trigger);
    assert_eq!(woken.times(), 1);
    let Poll::Ready(Err(failure)) = poll(&mut deferred, &woken) else {
        panic!("it was woken");
    };
    assert!(failure.is::<deferred::Abandoned>());
}

#[test]
fn a_callback_added_after_a_poll_does_not_wake_early() {
    let woken = Arc::new(Woken::default());
    let (trigger, mut deferred) = Deferred::pair();
    assert!(poll(&mut deferred, &woken).is_pending());
    let mut deferred = deferred.add_callback(|n: i32| Ok(n.to_string()));
    trigger.callback(1).unwrap();
    assert_eq!(woken.times(), 1);
    let Poll::Ready(Ok(text)) = poll(&mut deferred, &woken) else {
        panic!("it was woken");
    };
    assert_eq!(text, "1");
}

#[test]
fn in_an_async_body() {
    async fn sum(first: Deferred<i32>, second: Deferred<i32>) -> deferred::Result<i32> {
        Ok(first.await? + second.await?)
    }
    let woken = Arc::new(Woken::default());
    let (t1, d1) = Deferred::pair();
    let (t2, d2) = Deferred::pair();
    let mut body = Box::pin(sum(d1, d2));
    assert!(poll(&mut body, &woken).is_pending());
    t2.callback(2).unwrap();
    assert_eq!(woken.times(), 0, "the first is awaited");
    t1.callback(1).unwrap();
    assert_eq!(woken.times(), 1);
    assert!(matches!(poll(&mut body, &woken), Poll::Ready(Ok(3))));

    let mut body = Box::pin(sum(succeed(1), fail(Coded(4))));
    let Poll::Ready(Err(failure)) = poll(&mut body, &woken) else {
        panic!("both are there");
    };
    assert_eq!(code(&failure), 4);
}

#[test]
fn a_waker_is_let_go_with_a_deferred_that_is_dropped_unfired() {
    let woken = Arc::new(Woken::default());
    let (trigger, mut deferred) = Deferred::pair();
    assert!(poll(&mut deferred, &woken).is_pending());
    drop(deferred);
    trigger.callback(1).unwrap();
    drop(trigger);
    assert_eq!(woken.times(), 0, "the waiter is dropped");
    assert_eq!(Arc::strong_count(&woken), 1);
}

#[test]
fn one_whose_result_was_taken_is_inert() {
    Reports::during(|reports| {
        let woken = Arc::new(Woken::default());
        let mut deferred = succeed(1);
        assert!(poll(&mut deferred, &woken).is_ready());
        let handle = deferred.handle();
        assert!(handle.state().is_none());
        deferred.cancel();
        drop(deferred.pause());
        drop(deferred);
        assert_eq!(reports.messages(), [""; 0]);
    });
}
