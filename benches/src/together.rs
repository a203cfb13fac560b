//! `together`: several Deferreds at once. Gathering them, taking turns with a lock,
//! a semaphore or a queue, and awaiting one after the other.
//!
//! A Deferred goes on by itself when it is fired. Where others need an executor for
//! that, they get the cheapest one that does it; if no task has to be resumed, they are
//! polled by hand, which is cheaper still.

use std::cell::Cell;
use std::error::Error;
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use deferred::{
    Deferred, DeferredLock, DeferredQueue, DeferredSemaphore, Trigger, gather_results,
    inline_callbacks,
};
use futures::channel::oneshot;
use futures::executor::LocalPool;
use futures::future::join_all;
use futures::task::{LocalSpawnExt, noop_waker_ref};
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::{Mutex, Semaphore};

use crate::contest::{self, Contest, Options, Run, timed};
use crate::on_tokio::on_tokio;

/// Parts of a gathering that one clock reading is spread over.
const PARTS: usize = 10_000;
/// Bodies that await at the same time, so that a turn of an executor is shared. With
/// many more, what is measured is how the allocator gives memory back to the system.
const BODIES: usize = 16;
/// How often a body awaits.
const AWAITS: usize = 16;

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let contests = contests();
    contest::run(
        "together",
        "for a part gathered, a turn taken, an await",
        &contests,
        &options.settled(),
    )
}

fn contests() -> Vec<Contest> {
    let mut contests = Vec::new();
    for (n, aim) in [
        (10, None),
        (1000, None),
        (10_000, Some(0.7)),
        (100_000, None),
    ] {
        let name = format!("gather_results: {n}");
        contests.push(
            Contest::new(name, n, aim, prepared(n, pairs, gathered))
                .against("futures::join_all", prepared(n, channels, joined)),
        );
    }
    let whole = timed(|| gathered(pairs(black_box(PARTS))));
    let joined_whole = timed(|| joined(channels(black_box(PARTS))));
    contests.push(
        Contest::new(
            "gather_results and making them: 10000",
            PARTS,
            Some(0.7),
            whole,
        )
        .against("futures::join_all", joined_whole),
    );
    contests.extend(turns());
    let awaits = BODIES * AWAITS;
    contests.push(
        Contest::new(
            "inline_callbacks: 16 awaits",
            awaits,
            Some(1.0),
            timed(ours_awaits),
        )
        .against(
            "Tokio spawn_local",
            on_tokio(|times| async move {
                for _ in 0..times {
                    tokio_awaits().await;
                }
            }),
        )
        .against("LocalPool, oneshots of futures", timed(pool_awaits)),
    );
    contests
}

/// Times `work` alone, on things that were made before.
fn prepared<T: 'static>(n: usize, make: fn(usize) -> T, work: fn(T)) -> Run {
    let at_once = (PARTS / n).max(1) as u64;
    Box::new(move |times| {
        let mut took = Duration::ZERO;
        let mut left = times;
        while left > 0 {
            let now = left.min(at_once);
            let made: Vec<T> = (0..now).map(|_| make(black_box(n))).collect();
            let start = Instant::now();
            made.into_iter().for_each(work);
            took += start.elapsed();
            left -= now;
        }
        took
    })
}

type Pairs = (Vec<Trigger<usize>>, Vec<Deferred<usize>>);

fn pairs(n: usize) -> Pairs {
    (0..n).map(|_| Deferred::pair()).unzip()
}

fn gathered((triggers, deferreds): Pairs) {
    let all = gather_results(deferreds);
    for (value, trigger) in triggers.into_iter().enumerate() {
        let _ = trigger.callback(value);
    }
    let values = all.into_result().map(|values| values.map(|v| v.len()));
    assert!(matches!(black_box(values), Ok(Ok(_))), "all were fired");
}

type Channels = (Vec<oneshot::Sender<usize>>, Vec<oneshot::Receiver<usize>>);

fn channels(n: usize) -> Channels {
    (0..n).map(|_| oneshot::channel()).unzip()
}

fn joined((senders, receivers): Channels) {
    let mut pool = LocalPool::new();
    let done = Rc::new(Cell::new(false));
    let is_done = Rc::clone(&done);
    let task = async move {
        let values = join_all(receivers).await;
        is_done.set(black_box(values).iter().all(Result::is_ok));
    };
    pool.spawner().spawn_local(task).expect("the pool is there");
    pool.run_until_stalled();
    for (value, sender) in senders.into_iter().enumerate() {
        let _ = sender.send(value);
    }
    pool.run_until_stalled();
    assert!(done.get(), "all were sent");
}

fn turns() -> Vec<Contest> {
    const AIM: Option<f64> = Some(1.0);
    const HAND: &str = "Tokio's, by hand";
    const POOL: &str = "Tokio's, a task of LocalPool";

    let lock = DeferredLock::new();
    let mutex = Rc::new(Mutex::new(()));
    let free_lock = Contest::new("lock, free", 1, AIM, {
        let lock = lock.clone();
        timed(move || drop(black_box(lock.acquire().into_result())))
    })
    .against(HAND, {
        let mutex = Rc::clone(&mutex);
        timed(move || drop(black_box(by_hand(mutex.lock()))))
    });
    let held_lock = Contest::new("lock, handed over", 1, AIM, {
        timed(move || {
            let first = lock.acquire().into_result();
            let second = lock.acquire().add_callback(|guard| {
                guard.release();
                Ok(())
            });
            drop(black_box(first));
            assert!(second.into_result().is_ok(), "it was its turn");
        })
    })
    .against(HAND, {
        let mutex = Rc::clone(&mutex);
        timed(move || {
            let first = by_hand(mutex.lock());
            handed_over(mutex.lock(), || drop(black_box(first)));
        })
    })
    .against(POOL, {
        on_pool(move |pool, done| {
            let first = by_hand(mutex.lock());
            let waits = Rc::clone(&mutex);
            pool.resumed(done, async move { drop(waits.lock().await) }, || {
                drop(black_box(first));
            });
        })
    });

    let semaphore = DeferredSemaphore::new(1).expect("1 is more than none");
    let theirs = Rc::new(Semaphore::new(1));
    let free_semaphore = Contest::new("semaphore, free", 1, AIM, {
        let semaphore = semaphore.clone();
        timed(move || drop(black_box(semaphore.acquire().into_result())))
    })
    .against(HAND, {
        let theirs = Rc::clone(&theirs);
        timed(move || drop(black_box(by_hand(theirs.acquire()))))
    });
    let held_semaphore = Contest::new("semaphore, handed over", 1, AIM, {
        timed(move || {
            let first = semaphore.acquire().into_result();
            let second = semaphore.acquire().add_callback(|permit| {
                permit.release();
                Ok(())
            });
            drop(black_box(first));
            assert!(second.into_result().is_ok(), "it was its turn");
        })
    })
    .against(HAND, {
        let theirs = Rc::clone(&theirs);
        timed(move || {
            let first = by_hand(theirs.acquire());
            handed_over(theirs.acquire(), || drop(black_box(first)));
        })
    })
    .against(POOL, {
        on_pool(move |pool, done| {
            let first = by_hand(theirs.acquire());
            let waits = Rc::clone(&theirs);
            pool.resumed(done, async move { drop(waits.acquire().await) }, || {
                drop(black_box(first));
            });
        })
    });

    let queue = DeferredQueue::new();
    let full_queue = Contest::new("queue, put then get", 1, AIM, {
        let queue = queue.clone();
        timed(move || {
            let _ = queue.put(black_box(1));
            let _ = black_box(queue.get().map(Deferred::into_result));
        })
    })
    .against(HAND, {
        let (sender, receiver) = unbounded_channel();
        let receiver = Cell::new(Some(receiver));
        timed(move || {
            let mut mine = receiver.take().expect("it is given back");
            let _ = sender.send(black_box(1));
            black_box(by_hand(mine.recv()));
            receiver.set(Some(mine));
        })
    });
    let empty_queue = Contest::new("queue, get then put", 1, AIM, {
        timed(move || {
            let got = queue.get().map(|item| item.add_callback(|n| Ok(n + 1)));
            let _ = queue.put(black_box(1));
            assert!(black_box(got.map(Deferred::into_result)).is_ok());
        })
    })
    .against(HAND, {
        let (sender, receiver) = unbounded_channel();
        let receiver = Cell::new(Some(receiver));
        timed(move || {
            let mut mine = receiver.take().expect("it is given back");
            handed_over(mine.recv(), || {
                let _ = sender.send(black_box(1));
            });
            receiver.set(Some(mine));
        })
    })
    .against(POOL, {
        let (sender, receiver) = unbounded_channel();
        let receiver = Rc::new(Cell::new(Some(receiver)));
        on_pool(move |pool, done| {
            let receiver = Rc::clone(&receiver);
            let waits = async move {
                let mut mine = receiver.take().expect("it is given back");
                black_box(mine.recv().await);
                receiver.set(Some(mine));
            };
            pool.resumed(done, waits, || {
                let _ = sender.send(black_box(1));
            });
        })
    });
    vec![
        free_lock,
        held_lock,
        free_semaphore,
        held_semaphore,
        full_queue,
        empty_queue,
    ]
}

/// Polls a future that is ready, once.
fn by_hand<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(noop_waker_ref())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("it is ready"),
    }
}

/// A hand-over to a waiter on the stack, without a waker: polled once before `hand_over`, and
/// once after it.
fn handed_over<F: Future>(waiter: F, hand_over: impl FnOnce()) {
    let mut waiter = pin!(waiter);
    let mut context = Context::from_waker(noop_waker_ref());
    assert!(waiter.as_mut().poll(&mut context).is_pending());
    hand_over();
    assert!(black_box(waiter.poll(&mut context)).is_ready());
}

/// A pool that lives on between turns.
struct Pool(LocalPool);

impl Pool {
    /// A task that waits, and is resumed by what `hand_over` does.
    fn resumed(
        &mut self,
        done: &Rc<Cell<u64>>,
        waiter: impl Future<Output = ()> + 'static,
        hand_over: impl FnOnce(),
    ) {
        let before = done.get();
        let counts = Rc::clone(done);
        let task = async move {
            waiter.await;
            counts.set(counts.get() + 1);
        };
        let spawner = self.0.spawner();
        spawner.spawn_local(task).expect("the pool is there");
        self.0.run_until_stalled();
        hand_over();
        self.0.run_until_stalled();
        assert_eq!(done.get(), before + 1, "it was its turn");
    }
}

fn on_pool(work: impl Fn(&mut Pool, &Rc<Cell<u64>>) + 'static) -> Run {
    Box::new(move |times| {
        let mut pool = Pool(LocalPool::new());
        let done = Rc::new(Cell::new(0));
        let start = Instant::now();
        for _ in 0..times {
            work(&mut pool, &done);
        }
        start.elapsed()
    })
}

/// Each of the bodies awaits the first of its Deferreds, these are fired, and so on.
fn ours_awaits() {
    let mut triggers: Vec<Vec<Trigger<i64>>> = Vec::with_capacity(BODIES);
    let mut sums = Vec::with_capacity(BODIES);
    for _ in 0..BODIES {
        let (mine, deferreds): (Vec<_>, [_; AWAITS]) = pairs_for_a_body();
        triggers.push(mine);
        sums.push(inline_callbacks(async move {
            let mut sum = 0;
            for deferred in deferreds {
                sum += deferred.await?;
            }
            Ok(sum)
        }));
    }
    for turn in 0..AWAITS {
        for of_body in &triggers {
            let _ = of_body[turn].callback(black_box(1));
        }
    }
    for sum in sums {
        assert!(matches!(sum.into_result(), Ok(Ok(16))), "all were fired");
    }
}

fn pairs_for_a_body() -> (Vec<Trigger<i64>>, [Deferred<i64>; AWAITS]) {
    let mut triggers = Vec::with_capacity(AWAITS);
    let deferreds = std::array::from_fn(|_| {
        let (trigger, deferred) = Deferred::pair();
        triggers.push(trigger);
        deferred
    });
    (triggers, deferreds)
}

/// The same, with tasks and one-shot channels; the loop has a turn before each send.
async fn tokio_awaits() {
    let mut senders = Vec::with_capacity(BODIES);
    let mut sums = Vec::with_capacity(BODIES);
    for _ in 0..BODIES {
        let mut mine = Vec::with_capacity(AWAITS);
        let receivers: [_; AWAITS] = std::array::from_fn(|_| {
            let (sender, receiver) = tokio::sync::oneshot::channel::<i64>();
            mine.push(Some(sender));
            receiver
        });
        senders.push(mine);
        sums.push(tokio::task::spawn_local(async move {
            let mut sum = 0;
            for receiver in receivers {
                sum += receiver.await.unwrap_or_default();
            }
            sum
        }));
    }
    for turn in 0..AWAITS {
        tokio::task::yield_now().await;
        for of_body in &mut senders {
            if let Some(sender) = of_body[turn].take() {
                let _ = sender.send(black_box(1));
            }
        }
    }
    for sum in sums {
        assert!(matches!(sum.await, Ok(16)), "all were sent");
    }
}

/// The same, under an executor that does nothing else.
fn pool_awaits() {
    let mut pool = LocalPool::new();
    let spawner = pool.spawner();
    let total = Rc::new(Cell::new(0));
    let mut senders = Vec::with_capacity(BODIES);
    for _ in 0..BODIES {
        let mut mine = Vec::with_capacity(AWAITS);
        let receivers: [_; AWAITS] = std::array::from_fn(|_| {
            let (sender, receiver) = oneshot::channel::<i64>();
            mine.push(Some(sender));
            receiver
        });
        senders.push(mine);
        let total = Rc::clone(&total);
        let body = async move {
            let mut sum = 0;
            for receiver in receivers {
                sum += receiver.await.unwrap_or_default();
            }
            total.set(total.get() + sum);
        };
        spawner.spawn_local(body).expect("the pool is there");
    }
    for turn in 0..AWAITS {
        pool.run_until_stalled();
        for of_body in &mut senders {
            if let Some(sender) = of_body[turn].take() {
                let _ = sender.send(black_box(1));
            }
        }
    }
    pool.run_until_stalled();
    assert_eq!(total.get(), (BODIES * AWAITS) as i64, "all were sent");
}
