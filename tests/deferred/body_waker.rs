//! `BodyWaker`: a body that is resumed directly, again and again.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use deferred::driver::{BodyWaker, run_woken};
use deferred::{Abandoned, Cancelled, Deferred, State, inline_callbacks};
use futures::stream::{FuturesUnordered, StreamExt};

use crate::deep_chains::on_a_small_stack;
use crate::support::{Count, failure, value};

/// A number that bodies wait for.
#[derive(Default)]
struct Level {
    height: Cell<usize>,
    waiting: BodyWaker,
}

impl Level {
    async fn reach(&self, height: usize) {
        poll_fn(|cx| {
            if self.height.get() >= height {
                return Poll::Ready(());
            }
            self.waiting.register(cx);
            Poll::Pending
        })
        .await;
    }

    fn raise(&self) {
        self.height.set(self.height.get() + 1);
        self.waiting.wake();
    }
}

/// A body that waits for `height`, and counts its polls.
fn reaching(level: &Rc<Level>, height: usize, polls: &Count) -> Deferred<()> {
    let (level, polls) = (Rc::clone(level), polls.clone());
    inline_callbacks(async move {
        let mut reaching = pin!(level.reach(height));
        poll_fn(|cx| {
            polls.add();
            reaching.as_mut().poll(cx)
        })
        .await;
        Ok(())
    })
}

#[test]
fn a_body_is_resumed_before_the_wake_returns() {
    let (level, polls) = (Rc::<Level>::default(), Count::default());
    let done = reaching(&level, 3, &polls);
    for polled in 1..=3 {
        assert_eq!(polls.get(), polled);
        assert!(level.waiting.is_registered());
        level.raise();
    }
    value(done);
    assert!(!level.waiting.is_registered());
    level.waiting.wake();
    assert_eq!((polls.get(), run_woken()), (4, 0));
}

#[test]
fn a_wake_during_the_poll_polls_again() {
    let waiting = Rc::new(BodyWaker::new());
    let mut polls = 0;
    let done = inline_callbacks(poll_fn(move |cx| {
        polls += 1;
        waiting.register(cx);
        waiting.wake();
        if polls < 5 {
            return Poll::Pending;
        }
        Poll::Ready(Ok(polls))
    }));
    assert_eq!(value(done), 5);
}

#[test]
fn the_last_that_registers_is_resumed() {
    let level = Rc::<Level>::default();
    let (first_polls, second_polls) = (Count::default(), Count::default());
    let first = reaching(&level, 1, &first_polls);
    let second = reaching(&level, 1, &second_polls);
    level.raise();
    assert_eq!((first_polls.get(), second_polls.get()), (1, 2));
    value(second);
    assert!(failure(first).is::<Abandoned>(), "nothing would resume it");
}

#[test]
fn a_cancel_drops_a_body_that_waits_for_nothing_else() {
    let (level, polls) = (Rc::<Level>::default(), Count::default());
    let done = reaching(&level, 1, &polls);
    done.cancel();
    assert!(failure(done).is::<Cancelled>());
    level.raise();
    assert_eq!(polls.get(), 1);
}

#[test]
fn a_future_with_a_waker_of_its_own_is_woken() {
    struct Counter(AtomicUsize);
    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let level = Level::default();
    let counter = Arc::new(Counter(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&counter));
    let mut reaching = pin!(level.reach(1));
    let cx = &mut Context::from_waker(&waker);
    assert!(reaching.as_mut().poll(cx).is_pending());
    level.raise();
    assert_eq!(counter.0.load(Ordering::Relaxed), 1);
    assert!(reaching.as_mut().poll(cx).is_ready());
}

#[test]
fn a_future_inside_of_a_combinator_goes_on_in_run_woken() {
    let level = Rc::<Level>::default();
    let shared = Rc::clone(&level);
    let done = inline_callbacks(async move {
        let mut all = FuturesUnordered::from_iter([shared.reach(1)]);
        all.next().await;
        Ok(())
    });
    level.raise();
    assert_eq!(done.state(), State::Unfired);
    assert_eq!(run_woken(), 1);
    value(done);
}

#[test]
fn bodies_that_wake_one_another_take_constant_stack() {
    on_a_small_stack(|| {
        const BODIES: usize = 100_000;
        let levels: Rc<Vec<Level>> = Rc::new((0..BODIES).map(|_| Level::default()).collect());
        let all: Vec<_> = (1..BODIES)
            .map(|index| {
                let levels = Rc::clone(&levels);
                inline_callbacks(async move {
                    levels[index - 1].reach(1).await;
                    levels[index].raise();
                    Ok(())
                })
            })
            .collect();
        levels[0].raise();
        assert_eq!(levels[8].height.get(), 1, "some wake-ups nest");
        assert_eq!(levels[100].height.get(), 0, "not all do");
        while run_woken() > 0 {}
        all.into_iter().for_each(value);
    });
}

#[test]
fn a_panic_of_the_body_is_its_failure() {
    let level = Rc::<Level>::default();
    let shared = Rc::clone(&level);
    let done: Deferred<()> = inline_callbacks(async move {
        shared.reach(1).await;
        panic!("of the test");
    });
    level.raise();
    assert!(failure(done).is::<deferred::Panicked>());
    // And the next wake-ups nest as before.
    let (level, polls) = (Rc::<Level>::default(), Count::default());
    let done = reaching(&level, 1, &polls);
    level.raise();
    value(done);
}
