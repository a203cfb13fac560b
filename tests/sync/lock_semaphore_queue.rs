//! Lock, semaphore and queue between threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use deferred::Cancelled;
use deferred::sync::{Deferred, DeferredLock, DeferredQueue, DeferredSemaphore, LockGuard};

use crate::support::{Count, Numbers, result, together, value};

const THREADS: usize = 8;
const EACH: usize = 300;

#[test]
fn one_at_a_time() {
    let lock = DeferredLock::new();
    let is_inside = Arc::new(AtomicBool::new(false));
    let entered = Count::new();
    let (shared, count) = (lock.clone(), entered.clone());
    together(THREADS, move |_| {
        for _ in 0..EACH {
            let (is_inside, count) = (Arc::clone(&is_inside), count.clone());
            let inside = shared.acquire().add_callback(move |guard: LockGuard| {
                assert!(!is_inside.swap(true, Ordering::SeqCst));
                count.add();
                assert!(is_inside.swap(false, Ordering::SeqCst));
                guard.release();
            });
            inside.detach();
        }
    });
    assert_eq!(entered.get(), THREADS * EACH);
    assert!(!lock.is_locked());
}

#[test]
fn waiters_that_are_cancelled_while_it_is_handed_over() {
    let lock = DeferredLock::new();
    let (granted, cancelled) = (Count::new(), Count::new());
    let counts = (lock.clone(), granted.clone(), cancelled.clone());
    together(THREADS, move |n| {
        let (lock, granted, cancelled) = &counts;
        let mut numbers = Numbers::new(n);
        let mut waiting = Vec::new();
        for _ in 0..EACH {
            let (yes, no) = (granted.clone(), cancelled.clone());
            let mut acquired = lock.acquire();
            let handle = acquired.handle();
            waiting.push(handle);
            let counted = acquired.add_callbacks(
                move |_guard| yes.add(),
                move |failure| {
                    assert!(failure.is::<Cancelled>());
                    no.add();
                },
            );
            counted.detach();
            let one = numbers.below(waiting.len());
            waiting[one].cancel();
        }
    });
    assert_eq!(granted.get() + cancelled.get(), THREADS * EACH);
    assert!(!lock.is_locked());
}

#[test]
fn no_more_than_there_are_tokens() {
    const TOKENS: usize = 3;
    let semaphore = DeferredSemaphore::new(TOKENS).unwrap();
    let running = Arc::new(AtomicUsize::new(0));
    let ran = Count::new();
    let shared = (semaphore.clone(), ran.clone());
    together(THREADS, move |_| {
        let (semaphore, ran) = &shared;
        for n in 0..EACH {
            let (running, ran) = (Arc::clone(&running), ran.clone());
            let (trigger, outcome) = Deferred::<()>::pair();
            let run = semaphore.run(move || {
                assert!(running.fetch_add(1, Ordering::SeqCst) < TOKENS);
                outcome.add_both(move |result| {
                    running.fetch_sub(1, Ordering::SeqCst);
                    ran.add();
                    result
                })
            });
            if n % 3 == 0 {
                run.cancel();
                // Cancelled while it ran, or before it did.
                let _ = trigger.callback(());
                run.ignore();
            } else {
                trigger.callback(()).unwrap();
                run.detach();
            }
        }
    });
    assert_eq!(semaphore.tokens(), TOKENS);
    assert!(ran.get() >= THREADS * EACH / 3 * 2);
}

#[test]
fn each_item_comes_out_once() {
    let queue = DeferredQueue::with_limits(None, None);
    let seen: Arc<Vec<Count>> = Arc::new((0..THREADS / 2 * EACH).map(|_| Count::new()).collect());
    let cancelled = Count::new();
    let shared = (queue.clone(), Arc::clone(&seen), cancelled.clone());
    together(THREADS, move |thread| {
        let (queue, seen, cancelled) = &shared;
        if thread % 2 == 0 {
            for n in 0..EACH {
                queue.put(thread / 2 * EACH + n).unwrap();
            }
            return;
        }
        for n in 0..EACH {
            let seen = Arc::clone(seen);
            let got = queue.get().unwrap();
            if n % 7 == 0 {
                got.cancel();
            }
            let cancelled = cancelled.clone();
            let got = got.add_callbacks(
                move |item: usize| seen[item].add(),
                move |failure| {
                    assert!(failure.is::<Cancelled>());
                    cancelled.add();
                },
            );
            got.detach();
        }
    });
    // One is stored for each that was cancelled.
    assert_eq!((queue.len(), queue.waiting()), (cancelled.get(), 0));
    while !queue.is_empty() {
        seen[value(queue.get().unwrap())].add();
    }
    assert!(seen.iter().all(|count| count.get() == 1));
}

#[test]
fn the_limits_of_a_queue_hold() {
    const SIZE: usize = 10;
    let queue = DeferredQueue::with_limits(Some(SIZE), Some(0));
    let (put, got) = (Count::new(), Count::new());
    let shared = (queue.clone(), put.clone(), got.clone());
    together(THREADS, move |thread| {
        let (queue, put, got) = &shared;
        for n in 0..EACH {
            assert!(queue.len() <= SIZE);
            if thread % 2 == 0 {
                if queue.put(n).is_ok() {
                    put.add();
                }
            } else if let Ok(item) = queue.get() {
                assert!(result(item).is_ok(), "an item was there");
                got.add();
            }
        }
    });
    assert_eq!(put.get(), got.get() + queue.len());
}

#[test]
fn those_who_wait_are_abandoned_by_whichever_thread_is_last() {
    for _ in 0..100 {
        let queue = DeferredQueue::<()>::new();
        let waiting = queue.get().unwrap();
        let handles: Vec<_> = (0..4).map(|_| Mutex::new(Some(queue.clone()))).collect();
        drop(queue);
        together(4, move |n| drop(handles[n].lock().unwrap().take()));
        assert!(result(waiting).is_err_and(|failure| failure.is::<deferred::Abandoned>()));
    }
}

/// A `get` that finds the queue empty and begins to wait must not miss an item that is put at
/// that moment.
#[test]
fn an_item_put_while_a_get_begins_to_wait_is_not_missed() {
    const ROUNDS: usize = 20_000;
    let rounds: Arc<Vec<_>> = Arc::new((0..ROUNDS).map(|_| DeferredQueue::new()).collect());
    let (queues, arrived) = (Arc::clone(&rounds), AtomicUsize::new(0));
    together(2, move |thread| {
        for (n, queue) in queues.iter().enumerate() {
            // Asleep, they would not wake up at the same moment.
            arrived.fetch_add(1, Ordering::SeqCst);
            while arrived.load(Ordering::SeqCst) < 2 * (n + 1) {
                thread::yield_now();
            }
            match thread {
                0 => queue.put(n).unwrap(),
                _ => queue.get().unwrap().detach(),
            }
        }
    });
    for queue in rounds.iter() {
        assert_eq!((queue.len(), queue.waiting()), (0, 0));
    }
}

#[test]
fn producers_that_wait_for_room_lose_nothing_and_closing_ends_the_consumers() {
    let queue = DeferredQueue::with_limits(Some(4), None);
    let (producing, sum) = (queue.clone(), Arc::new(AtomicUsize::new(0)));
    let consuming = queue.clone();
    let total = Arc::clone(&sum);
    let consumers: Vec<_> = (0..2)
        .map(|_| {
            let (queue, total) = (consuming.clone(), Arc::clone(&total));
            thread::spawn(move || {
                while let Ok(item) = queue.get().expect("there is no limit").wait() {
                    total.fetch_add(item, Ordering::Relaxed);
                }
            })
        })
        .collect();
    together(4, move |_| {
        for item in 1..=EACH {
            producing.put_when_room(item).wait().expect("it is open");
        }
    });
    queue.close();
    for consumer in consumers {
        consumer.join().unwrap();
    }
    assert_eq!(sum.load(Ordering::Relaxed), 4 * EACH * (EACH + 1) / 2);
}
