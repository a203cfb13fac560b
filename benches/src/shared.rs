//! `shared`: the flavour for several threads, next to the one for one thread, and
//! next to channels and boxed futures when two threads are at it.

use std::collections::VecDeque;
use std::error::Error;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};
use std::thread;

use deferred::{Deferred, sync};
use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::BoxFuture;

use crate::contest::{self, Contest, Options, Run, sized, timed};

/// Chains of one contended round, and the callbacks that each is given.
const CHAINS: usize = 1000;
const CALLBACKS: usize = 4;

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let mut contests: Vec<Contest> = [1, 4, 16]
        .into_iter()
        .map(|n| {
            Contest::new(format!("one thread: {n}"), 1, Some(2.5), sized(n, shared))
                .against("the local flavour", sized(n, local))
        })
        .collect();
    contests.push(
        Contest::new("two threads: 4", CHAINS, Some(1.0), fired_elsewhere())
            .against("futures on a queue with a mutex", sent_elsewhere()),
    );
    let settled = options.settled();
    contest::run("shared", "for a chain", &contests, &settled)
}

/// As that of `chains`, with three words, for closures that may change threads.
#[inline(always)]
fn step(index: usize) -> impl FnOnce(i64) -> i64 + Send + 'static {
    static NUMBERS: [[i64; 3]; 4] = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]];
    let [a, b, c] = black_box(&NUMBERS)[index % NUMBERS.len()];
    move |value| (value + a) ^ (b + c)
}

fn shared(n: usize) {
    let (trigger, mut deferred) = sync::Deferred::pair();
    for index in 0..n {
        let step = step(index);
        deferred = deferred.add_callback(move |value| Ok(step(value)));
    }
    let _ = trigger.callback(black_box(1));
    let _ = black_box(deferred.into_result());
}

fn local(n: usize) {
    let (trigger, mut deferred) = Deferred::pair();
    for index in 0..n {
        let step = step(index);
        deferred = deferred.add_callback(move |value| Ok(step(value)));
    }
    let _ = trigger.callback(black_box(1));
    let _ = black_box(deferred.into_result());
}

/// A thread that does what it is sent, until nobody sends any more.
fn worker<T: Send + 'static>(work: impl Fn(T) + Send + 'static) -> Sender<T> {
    let (sender, receiver) = channel();
    thread::spawn(move || receiver.into_iter().for_each(work));
    sender
}

/// This thread adds the callbacks while the other one fires.
fn fired_elsewhere() -> Run {
    let fire = worker(|triggers: Vec<sync::Trigger<i64>>| {
        for trigger in triggers {
            let _ = trigger.callback(black_box(1));
        }
    });
    timed(move || {
        let (triggers, deferreds): (Vec<_>, Vec<_>) =
            (0..CHAINS).map(|_| sync::Deferred::pair()).unzip();
        let done = Arc::new(Done::default());
        fire.send(triggers).expect("the worker waits for more");
        for mut deferred in deferreds {
            for index in 0..CALLBACKS {
                let step = step(index);
                deferred = deferred.add_callback(move |value| Ok(step(value)));
            }
            let done = Arc::clone(&done);
            deferred
                .add_callback(move |value| {
                    black_box(value);
                    done.one_more();
                    Ok(())
                })
                .detach();
        }
        done.wait();
    })
}

/// This thread makes the tasks and runs them while the other one sends.
fn sent_elsewhere() -> Run {
    let send = worker(|senders: Vec<oneshot::Sender<i64>>| {
        for sender in senders {
            let _ = sender.send(black_box(1));
        }
    });
    timed(move || {
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..CHAINS).map(|_| oneshot::channel()).unzip();
        let queue = Arc::new(Queue::default());
        send.send(senders).expect("the worker waits for more");
        let mut left = CHAINS;
        for receiver in receivers {
            let mut future: BoxFuture<'static, Result<i64, oneshot::Canceled>> = receiver.boxed();
            for index in 0..CALLBACKS {
                let step = step(index);
                future = future.map(move |result| result.map(step)).boxed();
            }
            let task = Arc::new(Task {
                future: Mutex::new(Some(future)),
                queue: Arc::clone(&queue),
            });
            left -= usize::from(task.poll());
        }
        while left > 0 {
            left -= usize::from(queue.next().poll());
        }
    })
}

/// How many chains have come to their end; wakes who waits for all of them.
#[derive(Default)]
struct Done {
    count: AtomicUsize,
    is_all: Mutex<bool>,
    changed: Condvar,
}

impl Done {
    fn one_more(&self) {
        if self.count.fetch_add(1, Ordering::AcqRel) + 1 == CHAINS {
            *self.is_all.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.changed.notify_one();
        }
    }

    fn wait(&self) {
        let is_all = self.is_all.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_while(is_all, |is_all| !*is_all));
    }
}

/// The tasks that were woken.
#[derive(Default)]
struct Queue {
    woken: Mutex<VecDeque<Arc<Task>>>,
    changed: Condvar,
}

impl Queue {
    fn push(&self, task: Arc<Task>) {
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        woken.push_back(task);
        self.changed.notify_one();
    }

    fn next(&self) -> Arc<Task> {
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match woken.pop_front() {
                Some(task) => return task,
                None => {
                    woken = self
                        .changed
                        .wait(woken)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

struct Task {
    /// `None` once it is finished.
    future: Mutex<Option<BoxFuture<'static, Result<i64, oneshot::Canceled>>>>,
    queue: Arc<Queue>,
}

impl Task {
    /// Whether it has finished in this poll.
    fn poll(self: Arc<Self>) -> bool {
        let waker = Waker::from(Arc::clone(&self));
        let mut future = self.future.lock().unwrap_or_else(PoisonError::into_inner);
        let is_ready = future.as_mut().is_some_and(|future| {
            let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
            black_box(polled).is_ready()
        });
        if is_ready {
            *future = None;
        }
        is_ready
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let queue = Arc::clone(&self.queue);
        queue.push(self);
    }
}
