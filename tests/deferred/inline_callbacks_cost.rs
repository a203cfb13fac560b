//! An await costs the same whatever hangs above or below it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use deferred::{Deferred, VirtualClock, inline_callbacks, sleep, succeed};
use futures::channel::oneshot;
use futures::executor::block_on;
use futures::future::{Either, select};
use rustix::time::{ClockId, clock_gettime};

use crate::deep_chains::on_a_small_stack;
use crate::support::value;

const FEW: usize = 2_000;

/// Fails if one of 16 times as many parts takes more than 5 times as long as one of few: it
/// would take 16 times as long if the cost of one grew with their number.
fn takes_the_same_for_each(case: impl Fn(usize)) {
    // Processor time of this thread, since other tests run at the same time.
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let time = |number: usize| {
        let start = now();
        case(number);
        now() - start
    };
    let few = (0..8).map(|_| time(FEW)).min().unwrap();
    let many = (0..3).map(|_| time(16 * FEW)).min().unwrap();
    let growth = many.as_secs_f64() / 16.0 / few.as_secs_f64();
    assert!(growth < 5.0, "{few:?} and {many:?}");
}

/// A body that sleeps on a foreign channel, so that a cancel or wake would concern executors.
fn asleep() -> (oneshot::Sender<()>, Deferred<()>) {
    let (sender, receiver) = oneshot::channel();
    (sender, inline_callbacks(async move { Ok(receiver.await?) }))
}

fn rounds(clock: &VirtualClock, left: usize) -> Deferred<usize> {
    let clock = clock.clone();
    inline_callbacks(async move {
        sleep(&clock, Duration::from_millis(1)).await?;
        match left {
            0 => Ok(0),
            _ => Ok(rounds(&clock, left - 1).await? + 1),
        }
    })
}

#[test]
fn an_await_under_many_bodies() {
    on_a_small_stack(|| {
        let (_sender, asleep) = asleep();
        takes_the_same_for_each(|number| {
            let clock = VirtualClock::new();
            let done = rounds(&clock, number);
            clock.advance(Duration::from_millis(number as u64 + 1));
            assert_eq!(value(done), number);
        });
        asleep.ignore();
    });
}

#[test]
fn a_body_around_many_bodies() {
    on_a_small_stack(|| {
        let (_sender, asleep) = asleep();
        takes_the_same_for_each(|number| {
            let (trigger, mut body) = Deferred::pair();
            for _ in 0..number {
                let inner = body;
                body = inline_callbacks(async move { Ok(inner.await? + 1) });
            }
            trigger.callback(0).unwrap();
            assert_eq!(value(body), number);
        });
        asleep.ignore();
    });
}

#[test]
fn bodies_around_a_body_that_sleeps_and_chains_between_them() {
    on_a_small_stack(|| {
        takes_the_same_for_each(|number| {
            let (sender, receiver) = oneshot::channel();
            let mut body = inline_callbacks(async move { Ok(receiver.await?) });
            for n in 0..number {
                let inner = body;
                body = if n % 2 == 0 {
                    inline_callbacks(async move { Ok(inner.await? + 1) })
                } else {
                    succeed(()).add_callback(move |()| inner.add_callback(|n| Ok(n + 1)))
                };
            }
            sender.send(0).unwrap();
            assert_eq!(deferred::driver::run_woken(), 1);
            assert_eq!(value(body), number);
        });
    });
}

type Slot = Rc<RefCell<Option<oneshot::Sender<()>>>>;

/// Each awaits something that is no Deferred, and then the next.
fn sleeping(slot: &Slot, left: usize) -> Deferred<usize> {
    let slot = Rc::clone(slot);
    inline_callbacks(async move {
        let (sender, receiver) = oneshot::channel();
        *slot.borrow_mut() = Some(sender);
        receiver.await?;
        match left {
            0 => Ok(0),
            _ => Ok(sleeping(&slot, left - 1).await? + 1),
        }
    })
}

#[test]
fn sleeping_under_many_bodies_that_an_executor_polls() {
    on_a_small_stack(|| {
        takes_the_same_for_each(|number| {
            let slot = Slot::default();
            let body = sleeping(&slot, number);
            let waking = poll_fn(|cx| {
                if let Some(sender) = slot.take() {
                    sender.send(()).unwrap();
                }
                cx.waker().wake_by_ref();
                Poll::<()>::Pending
            });
            let Either::Left((done, _)) = block_on(select(body, waking)) else {
                panic!("the other one never ends");
            };
            assert_eq!(done.unwrap(), number);
        });
    });
}

#[test]
fn a_loop_over_one_of_many_that_are_awaited_in_a_set() {
    use futures::StreamExt;
    use futures::stream::FuturesUnordered;
    on_a_small_stack(|| {
        takes_the_same_for_each(|number| {
            let (triggers, deferreds): (Vec<_>, Vec<_>) =
                (0..number).map(|_| Deferred::<()>::pair()).unzip();
            let mut set = FuturesUnordered::from_iter(deferreds);
            let body = inline_callbacks(async move {
                let mut count = 0;
                while let Some(result) = set.next().await {
                    result?;
                    count += 1;
                }
                Ok(count)
            });
            for trigger in triggers {
                trigger.callback(()).unwrap();
                deferred::driver::run_woken();
            }
            assert_eq!(value(body), number);
        });
    });
}
