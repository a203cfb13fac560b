//! One result for many waiters, tuples of Deferreds, and work that can be stopped, by several
//! threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

use deferred::sync::{Deferred, gather, succeed};
use deferred::{Cancelled, Failure, FirstError, Panicked, State};

#[test]
fn each_waiter_gets_the_shared_result_on_its_own_thread() {
    let (trigger, config) = Deferred::pair();
    let config = config.share();
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let config = config.clone();
            thread::spawn(move || config.get().wait().unwrap())
        })
        .collect();
    trigger.callback("verbose".to_owned()).unwrap();
    for worker in workers {
        assert_eq!(worker.join().unwrap(), "verbose");
    }
    assert!(config.is_settled());
    assert_eq!(config.get().into_result().unwrap().unwrap(), "verbose");
}

#[test]
fn no_waiter_is_lost_that_asks_while_the_result_comes() {
    for _ in 0..300 {
        let (trigger, shared) = Deferred::pair();
        let shared = shared.share();
        let start = Arc::new(Barrier::new(3));
        let waiters: Vec<_> = (0..2)
            .map(|_| {
                let (shared, start) = (shared.clone(), Arc::clone(&start));
                thread::spawn(move || {
                    start.wait();
                    shared.get().wait().unwrap()
                })
            })
            .collect();
        start.wait();
        trigger.callback(7).unwrap();
        assert!(
            waiters
                .into_iter()
                .all(|waiter| waiter.join().unwrap() == 7)
        );
    }
}

#[test]
fn the_last_waiter_that_is_cancelled_cancels_the_shared_deferred() {
    let (trigger, page) = Deferred::<u32>::pair();
    let page = page.share();
    let (first, second) = (page.get(), page.get());
    thread::scope(|scope| scope.spawn(|| first.cancel()).join().unwrap());
    assert!(!trigger.is_fired(), "the second one still waits");
    thread::scope(|scope| scope.spawn(|| second.cancel()).join().unwrap());
    assert!(trigger.is_fired());
    for waiter in [first, second, page.get()] {
        assert!(waiter.into_result().unwrap().unwrap_err().is::<Cancelled>());
    }
}

#[test]
fn waiters_that_leave_together_cancel_once() {
    for _ in 0..200 {
        let cancels = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&cancels);
        let (_trigger, page) = Deferred::<u32>::with_canceller(move |_trigger| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let page = page.share();
        let waiters: Vec<_> = (0..3).map(|_| page.get()).collect();
        thread::scope(|scope| {
            for waiter in &waiters {
                scope.spawn(|| waiter.cancel());
            }
        });
        assert_eq!(cancels.load(Ordering::Relaxed), 1);
        for waiter in waiters {
            assert!(waiter.into_result().unwrap().unwrap_err().is::<Cancelled>());
        }
    }
}

#[test]
fn a_panic_of_a_clone_fails_that_waiter_only() {
    #[derive(Debug)]
    struct Fragile(Arc<AtomicUsize>);
    impl Clone for Fragile {
        fn clone(&self) -> Self {
            assert!(
                self.0.fetch_add(1, Ordering::Relaxed) > 0,
                "the first clone breaks"
            );
            Self(Arc::clone(&self.0))
        }
    }
    let (trigger, vase) = Deferred::pair();
    let vase = vase.share();
    let (first, second) = (vase.get(), vase.get());
    thread::spawn(move || trigger.callback(Fragile(Arc::default())).unwrap())
        .join()
        .unwrap();
    assert!(first.into_result().unwrap().unwrap_err().is::<Panicked>());
    assert!(second.into_result().unwrap().is_ok());
}

#[test]
fn a_shared_failure_that_no_waiter_got_is_reported_with_the_last_handle() {
    let ((), unhandled) = deferred::assertions::capture_unhandled(|| {
        let (trigger, page) = Deferred::<u32>::pair();
        let page = page.share();
        trigger.errback(Failure::msg("lost")).unwrap();
        drop(page.clone());
        drop(page);
    });
    assert_eq!(unhandled.len(), 1);
    assert_eq!(unhandled[0].failure().message(), "lost");
}

#[test]
fn a_tuple_is_gathered_from_several_threads() {
    let (one, first) = Deferred::pair();
    let (two, second) = Deferred::pair();
    let (three, third) = Deferred::pair();
    let all = gather((first, second, third));
    thread::scope(|scope| {
        scope.spawn(move || three.callback([3.0]).unwrap());
        scope.spawn(move || one.callback(1).unwrap());
        scope.spawn(move || two.callback("two").unwrap());
    });
    assert_eq!(all.into_result().unwrap().unwrap(), (1, "two", [3.0]));
}

#[test]
fn a_tuple_fails_with_the_index_of_the_first_failure() {
    let (_one, first) = Deferred::<u8>::pair();
    let (two, second) = Deferred::<u16>::pair();
    let both = gather((first, second));
    thread::spawn(move || two.errback(Failure::msg("no")).unwrap())
        .join()
        .unwrap();
    let failure = both.into_result().unwrap().unwrap_err();
    assert_eq!(failure.check::<FirstError>().unwrap().index(), 1);
}

#[test]
fn started_work_is_stopped_on_the_thread_that_cancels() {
    let (stopped, stops) = mpsc::channel();
    let work = Deferred::<u32>::start(|trigger| {
        let worker = thread::spawn(move || {
            while !trigger.is_fired() {
                thread::yield_now();
            }
        });
        move || {
            stopped.send(thread::current().id()).unwrap();
            worker
        }
    });
    let work = thread::spawn(move || {
        work.cancel();
        (work, thread::current().id())
    });
    let (work, canceller) = work.join().unwrap();
    assert_eq!(stops.recv(), Ok(canceller));
    assert!(work.into_result().unwrap().unwrap_err().is::<Cancelled>());
}

#[test]
fn a_guard_that_is_dropped_on_another_thread_cancels() {
    let (trigger, answer) = Deferred::<u32>::pair();
    let answer = answer.cancel_on_drop();
    thread::spawn(move || drop(answer)).join().unwrap();
    assert!(trigger.is_fired());

    let (trigger, mut kept) = Deferred::<u32>::pair();
    let handle = kept.handle();
    let kept = thread::spawn(move || kept.cancel_on_drop().into_inner());
    let kept = kept.join().unwrap();
    assert_eq!(handle.state(), Some(State::Unfired));
    trigger.callback(1).unwrap();
    assert_eq!(kept.into_result().unwrap().unwrap(), 1);
}

#[test]
fn triggers_of_one_deferred_are_the_same_on_any_thread() {
    let (trigger, _deferred) = Deferred::<u8>::pair();
    let (other, _another) = Deferred::<u8>::pair();
    let clone = trigger.clone();
    let there = thread::spawn(move || (clone.same_as(&trigger), clone.same_as(&other)));
    assert_eq!(there.join().expect("no panic"), (true, false));
}

#[test]
fn short_forms_are_those_of_one_thread() {
    let chain = succeed("7")
        .add_callback(|text: &str| Ok(succeed(text.parse::<u32>()?)))
        .flatten()
        .map_ok(|number| number + 1);
    assert_eq!(chain.wait().unwrap(), 8);
}
