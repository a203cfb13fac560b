//! Which executor is woken for a body that sleeps, when bodies are joined, parted and moved.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use deferred::{Deferred, inline_callbacks, succeed};
use futures::channel::oneshot;
use futures::executor::LocalPool;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use futures::task::LocalSpawnExt;
use futures::{FutureExt, StreamExt};

/// Runs `body` in a thread of its own; fails if it is not over in time.
fn in_time(body: impl FnOnce() + Send + 'static) {
    let (over, is_over) = mpsc::channel();
    let thread = thread::spawn(move || {
        body();
        let _ = over.send(());
    });
    let in_time = is_over.recv_timeout(Duration::from_secs(60));
    assert_ne!(
        in_time,
        Err(mpsc::RecvTimeoutError::Timeout),
        "a wake-up was lost"
    );
    thread.join().expect("its assertions hold");
}

/// Sends from another thread, soon.
fn later(sender: oneshot::Sender<u32>, value: u32) {
    thread::spawn(move || sender.send(value));
}

#[test]
fn a_body_that_moves_to_another_task_wakes_that_one() {
    in_time(|| {
        for _ in 0..100 {
            let mut pool = LocalPool::new();
            let (sender, receiver) = oneshot::channel();
            let mut inner = Some(inline_callbacks(async move { Ok(receiver.await?) }));
            let (hand_on, handed_on) = Deferred::pair();
            // It polls the inner one, and has it no more.
            let first = inline_callbacks::<_, ()>(async move {
                poll_fn(|cx| {
                    assert!(inner.as_mut().unwrap().poll_unpin(cx).is_pending());
                    Poll::Ready(())
                })
                .await;
                hand_on.callback(inner.take().unwrap()).unwrap();
                let (_kept, never) = oneshot::channel::<()>();
                Ok(never.await?)
            });
            pool.spawner()
                .spawn_local(async move { assert!(first.await.is_err()) })
                .unwrap();
            pool.run_until_stalled();
            let second = inline_callbacks(async move { handed_on.await?.await });
            // It sleeps by itself, too, so that it has a poller before.
            let (wake, woken) = oneshot::channel();
            let outer = inline_callbacks(async move { Ok(woken.await? + second.await?) });
            later(wake, 1);
            later(sender, 2);
            assert_eq!(pool.run_until(outer).unwrap(), 3);
        }
    });
}

#[test]
fn what_was_woken_before_it_was_waited_for_is_heard_of() {
    in_time(|| {
        let mut pool = LocalPool::new();
        let (sender, receiver) = oneshot::channel();
        let (trigger, started) = Deferred::pair();
        let inner = inline_callbacks(async move { Ok(receiver.await?) });
        let outer = started.add_callback(move |()| inner);
        let done = Rc::new(Cell::new(0));
        let told = Rc::clone(&done);
        let task = async move { told.set(outer.await.unwrap()) };
        pool.spawner().spawn_local(task).unwrap();
        pool.run_until_stalled();
        // The outer chain still waits for `trigger`, so this wakes no executor yet.
        sender.send(5).unwrap();
        trigger.callback(()).unwrap();
        pool.run_until_stalled();
        assert_eq!(done.get(), 5);
    });
}

/// Random enough (xorshift); the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

type Senders = Arc<Mutex<Vec<oneshot::Sender<u32>>>>;

/// Waits for something that another thread sends.
async fn sent(senders: Senders) -> deferred::Result<u32> {
    let (sender, receiver) = oneshot::channel();
    senders.lock().unwrap().push(sender);
    Ok(receiver.await?)
}

/// A body of bodies, in which as many wait for the other thread as it gives.
fn tree(random: &Rc<Cell<u64>>, senders: &Senders, depth: u32) -> Deferred<u32> {
    let mut choice = Random(random.get());
    let (kind, sleeps, number) = (choice.below(5), choice.below(3), 1 + choice.below(3));
    random.set(choice.0);
    let (random, senders) = (Rc::clone(random), Arc::clone(senders));
    inline_callbacks(async move {
        let mut sum = 0;
        if sleeps > 0 {
            sum += sent(Arc::clone(&senders)).await?;
        }
        if depth == 0 {
            return Ok(sum + sent(senders).await?);
        }
        let child = || tree(&random, &senders, depth - 1);
        match kind {
            0 => {
                for _ in 0..number {
                    sum += child().await?;
                }
            }
            1 => {
                let children: Vec<_> = (0..number).map(|_| child()).collect();
                for child in children {
                    sum += child.await?;
                }
            }
            2 => {
                for one in join_all((0..number).map(|_| child())).await {
                    sum += one?;
                }
            }
            3 => {
                let mut set: FuturesUnordered<_> = (0..number).map(|_| child()).collect();
                while let Some(one) = set.next().await {
                    sum += one?;
                }
            }
            _ => {
                let child = child();
                sum += succeed(()).add_callback(move |()| child).await?;
            }
        }
        if sleeps > 1 {
            sum += sent(senders).await?;
        }
        Ok(sum)
    })
}

#[test]
fn no_wake_up_is_lost_in_trees_of_bodies() {
    in_time(|| {
        for seed in 1..=60 {
            let senders = Senders::default();
            let random = Rc::new(Cell::new(seed * 0x9e37_79b9));
            let sending = Arc::clone(&senders);
            let (stop, stopped) = mpsc::channel::<()>();
            let thread = thread::spawn(move || {
                let mut random = Random(seed);
                while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                    let mut senders = sending.lock().unwrap();
                    if senders.is_empty() {
                        drop(senders);
                        thread::yield_now();
                        continue;
                    }
                    let one = random.below(senders.len() as u64) as usize;
                    let sender = senders.swap_remove(one);
                    drop(senders);
                    let _ = sender.send(1);
                }
            });
            let mut pool = LocalPool::new();
            let ended = Rc::new(Cell::new(0));
            for _ in 0..4 {
                let tree = tree(&random, &senders, 4);
                let ended = Rc::clone(&ended);
                let task = async move {
                    tree.await.unwrap();
                    ended.set(ended.get() + 1);
                };
                pool.spawner().spawn_local(task).unwrap();
            }
            pool.run();
            assert_eq!(ended.get(), 4);
            stop.send(()).unwrap();
            thread.join().unwrap();
        }
    });
}
