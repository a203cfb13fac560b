//! Under real executors: awaited there, and awaiting what is theirs.

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use deferred::{Cancelled, Deferred, inline_callbacks, succeed};
use futures::executor::LocalPool;
use futures::task::LocalSpawnExt;

/// Runs a body to its end under each executor.
fn under_each<F, Fut>(body: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = ()> + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, body());

    let executor = smol::LocalExecutor::new();
    smol::block_on(executor.run(body()));

    let mut pool = LocalPool::new();
    pool.spawner().spawn_local(body()).unwrap();
    pool.run();
}

/// Counts the bodies that came to their end: a lost wake-up would be an end that never
/// comes, or, in a pool that gives up when all wait, one too few.
struct Ended(Rc<Cell<usize>>);

impl Ended {
    fn count(body: impl Fn(Self)) -> usize {
        let ended = Rc::new(Cell::new(0));
        body(Self(Rc::clone(&ended)));
        ended.get()
    }

    fn one(&self) {
        self.0.set(self.0.get() + 1);
    }
}

impl Clone for Ended {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

#[test]
fn a_deferred_is_awaited_and_fired_by_another_task() {
    let ended = Ended::count(|ended| {
        under_each(|| {
            let ended = ended.clone();
            async move {
                let (trigger, deferred) = Deferred::pair();
                let length = deferred.add_callback(|text: &str| Ok(text.len()));
                let firing = async move { trigger.callback("four").is_ok() };
                let (length, fired) = futures::join!(length, firing);
                assert!(fired);
                assert_eq!(length.unwrap(), 4);
                ended.one();
            }
        });
    });
    assert_eq!(ended, 3);
}

#[test]
fn a_body_awaits_a_future_that_is_woken_by_another_thread() {
    let ended = Ended::count(|ended| {
        under_each(|| {
            let ended = ended.clone();
            async move {
                let mut sum = 0;
                for n in 0..100 {
                    let (sender, receiver) = futures::channel::oneshot::channel();
                    let sending = thread::spawn(move || sender.send(n));
                    let body = inline_callbacks(async move { Ok(receiver.await?) });
                    sum += body.await.unwrap();
                    sending.join().unwrap().unwrap();
                }
                assert_eq!(sum, 4950);
                ended.one();
            }
        });
    });
    assert_eq!(ended, 3);
}

#[test]
fn what_polls_is_told_through_chains_and_bodies_that_come_later() {
    let ended = Ended::count(|ended| {
        under_each(|| {
            let ended = ended.clone();
            async move {
                let (trigger, deferred) = Deferred::pair();
                // When it is polled first, there is no body yet.
                let outer = deferred.add_callback(|()| {
                    let inner = inline_callbacks(async {
                        let (sender, receiver) = futures::channel::oneshot::channel();
                        thread::spawn(move || sender.send(1));
                        Ok(receiver.await?)
                    });
                    let (middle_trigger, middle) = Deferred::pair();
                    let middle = middle.add_callback(move |()| inner);
                    middle_trigger.callback(()).unwrap();
                    inline_callbacks(async move { Ok(middle.await? + 1) })
                });
                let firing = async {
                    yield_once().await;
                    trigger.callback(()).unwrap();
                };
                let (two, ()) = futures::join!(outer, firing);
                assert_eq!(two.unwrap(), 2);
                ended.one();
            }
        });
    });
    assert_eq!(ended, 3);
}

#[test]
fn many_bodies_that_sleep_are_each_polled_by_their_own_task() {
    let ended = Ended::count(|ended| {
        let mut pool = LocalPool::new();
        let mut senders = Vec::new();
        for n in 0..100 {
            let (sender, receiver) = futures::channel::oneshot::channel();
            senders.push((n, sender));
            let ended = ended.clone();
            let task = async move {
                let body = inline_callbacks(async move { Ok(receiver.await?) });
                assert_eq!(body.await.unwrap(), n);
                ended.one();
            };
            pool.spawner().spawn_local(task).unwrap();
        }
        pool.run_until_stalled();
        let sending = thread::spawn(move || {
            for (n, sender) in senders.into_iter().rev() {
                sender.send(n).unwrap();
            }
        });
        pool.run();
        sending.join().unwrap();
    });
    assert_eq!(ended, 100);
}

#[test]
fn tokios_timers_and_tasks_are_awaited_in_a_body() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let local = tokio::task::LocalSet::new();
    let sum = local.block_on(&runtime, async {
        let body = inline_callbacks(async {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            let task = tokio::task::spawn_local(async {
                tokio::task::yield_now().await;
                20
            });
            let (sender, receiver) = tokio::sync::oneshot::channel();
            let sending = tokio::task::spawn_local(async move { sender.send(1) });
            let sum = task.await? + receiver.await?;
            sending
                .await?
                .map_err(|_| deferred::Failure::msg("the receiver is dropped"))?;
            Ok(sum)
        });
        succeed(()).add_callback(move |()| body).await
    });
    assert_eq!(sum.unwrap(), 21);
}

#[test]
fn cancelling_under_an_executor_drops_a_body_that_sleeps() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let cancelled = tokio::task::LocalSet::new().block_on(&runtime, async {
        let mut body = inline_callbacks(async {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            Ok(())
        });
        let handle = body.handle();
        let cancelling = async {
            yield_once().await;
            handle.cancel();
        };
        futures::join!(body, cancelling).0
    });
    assert!(cancelled.unwrap_err().is::<Cancelled>());
}

async fn yield_once() {
    let mut is_first = true;
    std::future::poll_fn(move |cx| {
        if std::mem::take(&mut is_first) {
            cx.waker().wake_by_ref();
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(())
    })
    .await;
}
