//! `shared`: the flavour for several threads, next to the one for one thread, and
//! next to channels and boxed futures when two threads are at it.

use std::collections::VecDeque;
use std::error::Error;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use deferred::{Deferred, sync};
use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::BoxFuture;

use crate::contest::{self, Contest, Options, Run, sized};

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
    for (name, begin) in [
        ("two threads, fired while added to: 4", Begin::AtOnce),
        ("two threads, added to, then fired: 4", Begin::Afterwards),
    ] {
        contests.push(
            Contest::new(name, CHAINS, Some(1.0), fired_elsewhere(begin))
                .against("futures on a queue with a mutex", sent_elsewhere(begin)),
        );
    }
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

/// A thread that runs `work` on each value sent, once its gate opens, until all senders are
/// dropped. It is awake when the closure returns the gate.
fn worker<T: Send + 'static>(work: impl Fn(T) + Send + 'static) -> impl Fn(T) -> Arc<Gate> {
    let (sender, receiver) = channel::<(T, Arc<Gate>)>();
    thread::spawn(move || {
        for (task, gate) in receiver {
            gate.is_awake.store(true, Ordering::Release);
            until(|| gate.is_open.load(Ordering::Acquire).then_some(()));
            work(task);
        }
    });
    move |task| {
        let gate = Arc::new(Gate::default());
        let sent = sender.send((task, Arc::clone(&gate)));
        assert!(sent.is_ok(), "the worker waits for more");
        until(|| gate.is_awake.load(Ordering::Acquire).then_some(()));
        gate
    }
}

#[derive(Default)]
struct Gate {
    is_awake: AtomicBool,
    is_open: AtomicBool,
}

impl Gate {
    fn open(&self) {
        self.is_open.store(true, Ordering::Release);
    }
}

/// When the other thread begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begin {
    /// When this one does.
    AtOnce,
    /// When this one has added all.
    Afterwards,
}

/// Waits without sleeping, which would be most of what is measured.
fn until<T>(mut ready: impl FnMut() -> Option<T>) -> T {
    loop {
        match ready() {
            Some(value) => return value,
            None => thread::yield_now(),
        }
    }
}

/// `make`, and `work` together with the worker; waking that up is not timed.
fn both_at_it<A: 'static, B: 'static>(
    make: fn() -> (A, B),
    hand_over: impl Fn(A) -> Arc<Gate> + 'static,
    begin: Begin,
    work: fn(B, &dyn Fn()),
) -> Run {
    Box::new(move |times| {
        let mut took = Duration::ZERO;
        for _ in 0..times {
            let start = Instant::now();
            let (to_fire, mine) = make();
            took += start.elapsed();
            let gate = hand_over(to_fire);
            let start = Instant::now();
            if begin == Begin::AtOnce {
                gate.open();
            }
            work(mine, &|| gate.open());
            took += start.elapsed();
        }
        took
    })
}

/// This thread adds the callbacks, the other one fires.
fn fired_elsewhere(begin: Begin) -> Run {
    let fire = worker(|triggers: Vec<sync::Trigger<i64>>| {
        for trigger in triggers {
            let _ = trigger.callback(black_box(1));
        }
    });
    let make = || (0..CHAINS).map(|_| sync::Deferred::pair()).unzip();
    both_at_it(
        make,
        fire,
        begin,
        |deferreds: Vec<sync::Deferred<i64>>, all_added| {
            let done = Arc::new(AtomicUsize::new(0));
            for mut deferred in deferreds {
                for index in 0..CALLBACKS {
                    let step = step(index);
                    deferred = deferred.add_callback(move |value| Ok(step(value)));
                }
                let done = Arc::clone(&done);
                deferred
                    .add_callback(move |value| {
                        black_box(value);
                        done.fetch_add(1, Ordering::AcqRel);
                        Ok(())
                    })
                    .detach();
            }
            all_added();
            until(|| (done.load(Ordering::Acquire) == CHAINS).then_some(()));
        },
    )
}

/// This thread makes the tasks and runs them, the other one sends.
fn sent_elsewhere(begin: Begin) -> Run {
    let send = worker(|senders: Vec<oneshot::Sender<i64>>| {
        for sender in senders {
            let _ = sender.send(black_box(1));
        }
    });
    let make = || (0..CHAINS).map(|_| oneshot::channel()).unzip();
    both_at_it(
        make,
        send,
        begin,
        |receivers: Vec<oneshot::Receiver<i64>>, all_added| {
            let queue = Arc::new(Queue::default());
            let mut left = CHAINS;
            for receiver in receivers {
                let mut future: BoxFuture<'static, Result<i64, oneshot::Canceled>> =
                    receiver.boxed();
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
            all_added();
            while left > 0 {
                left -= usize::from(until(|| queue.take()).poll());
            }
        },
    )
}

/// The tasks that were woken.
#[derive(Default)]
struct Queue(Mutex<VecDeque<Arc<Task>>>);

impl Queue {
    fn push(&self, task: Arc<Task>) {
        let mut woken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        woken.push_back(task);
    }

    fn take(&self) -> Option<Arc<Task>> {
        let mut woken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        woken.pop_front()
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
