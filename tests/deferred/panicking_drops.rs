//! Values of users whose drops panic, wherever they are dropped: each is dropped, and the
//! panic gets no further. Two at a time, since a second panic in one drop ends the process.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use deferred::{
    Cancelled, Cooperator, Deferred, DeferredQueue, LoopingCall, TimerQueue, VirtualClock,
    gather_results, inline_callbacks, race, succeed,
};

use crate::support::{Count, PanicOnDrop, failure, value};

/// Calls `f` with what makes bombs; all of them must have gone off afterwards.
#[track_caller]
fn all_go_off(f: impl FnOnce(&dyn Fn() -> PanicOnDrop)) {
    let (made, dropped) = (Count::new(), Count::new());
    f(&|| {
        made.add();
        PanicOnDrop(dropped.clone())
    });
    assert_eq!(dropped.get(), made.get());
    assert!(made.get() > 0);
}

#[test]
fn a_body_that_ends() {
    all_go_off(|bomb| {
        let held = (bomb(), bomb());
        let done = inline_callbacks(async move {
            let (_first, second) = held;
            drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(
                move || drop(second),
            )));
            Ok(1)
        });
        // What it holds when it returns is dropped inside of it: that is a panic of the body.
        assert!(failure(done).is::<deferred::Panicked>());
    });
    all_go_off(|bomb| {
        // What its future holds is not.
        let held = bomb();
        let done = inline_callbacks(poll_fn(move |_cx| {
            let _held = &held;
            Poll::Ready(Ok(1))
        }));
        assert_eq!(value(done), 1);
    });
    all_go_off(|bomb| {
        let held = bomb();
        let (trigger, mut deferred) = Deferred::<i32>::pair();
        let later = inline_callbacks(poll_fn(move |cx| {
            let _held = &held;
            std::pin::Pin::new(&mut deferred).poll(cx)
        }));
        let (forward, forwarded) = Deferred::pair();
        let chained = later.chain_deferred(forward);
        trigger.callback(2).unwrap();
        assert_eq!(value(forwarded), 2);
        value(chained);
    });
}

#[test]
fn a_body_that_is_dropped_on_the_way() {
    let waiting = |held: PanicOnDrop, deferred: Deferred<i32>| {
        inline_callbacks(async move {
            let _held = held;
            deferred.await
        })
    };
    all_go_off(|bomb| {
        let held = bomb();
        let mut wakers = Vec::new();
        let pending = inline_callbacks::<_, ()>(poll_fn(move |cx| {
            let _held = &held;
            // So that something may wake it.
            wakers.push(cx.waker().clone());
            Poll::Pending
        }));
        pending.cancel();
        assert!(failure(pending).is::<Cancelled>());
    });
    all_go_off(|bomb| {
        let (trigger, deferred) = Deferred::pair();
        let body = waiting(bomb(), deferred);
        drop(trigger);
        assert!(body.into_result().is_ok());
    });
    all_go_off(|bomb| {
        // The one that is waited for goes, since its trigger is in a ring with it.
        let (trigger, mut deferred) = Deferred::pair();
        let pause = deferred.pause();
        trigger.callback(1).unwrap();
        waiting(bomb(), deferred).ignore();
        drop(pause);
    });
}

#[test]
fn results_that_were_kept_for_a_combination() {
    all_go_off(|bomb| {
        let (_trigger, pending) = Deferred::pair();
        gather_results([succeed(bomb()), succeed(bomb()), pending]).ignore();
    });
    all_go_off(|bomb| {
        let (trigger, pending) = Deferred::pair();
        gather_results([succeed(bomb()), succeed(bomb()), pending]).ignore();
        drop(trigger);
    });
    all_go_off(|bomb| {
        let (first, one) = Deferred::pair();
        let (second, other) = Deferred::pair();
        let won = race([one, other]);
        won.ignore();
        first.callback(bomb()).unwrap();
        drop(second.callback(bomb()));
    });
}

#[test]
fn what_is_refused() {
    all_go_off(|bomb| {
        let (fired, deferred) = Deferred::pair();
        fired.callback(bomb()).unwrap();
        let chained = succeed(bomb()).chain_deferred(fired);
        assert!(failure(chained).is::<deferred::AlreadyCalled>());
        deferred.ignore();
    });
}

#[test]
fn items_of_a_queue() {
    all_go_off(|bomb| {
        let queue = DeferredQueue::new();
        queue.put(bomb()).unwrap();
        queue.put(bomb()).unwrap();
        drop(queue);
    });
}

#[test]
fn calls_of_a_clock() {
    all_go_off(|bomb| {
        let clock = VirtualClock::new();
        for _ in 0..2 {
            let held = bomb();
            clock.call_later(Duration::from_secs(1), move || drop(held));
        }
        drop(clock);
    });
    all_go_off(|bomb| {
        let timers = TimerQueue::new(|| Duration::ZERO);
        for _ in 0..2 {
            let held = bomb();
            timers.call_later(Duration::from_secs(1), move || drop(held));
        }
        timers.clear();
    });
    all_go_off(|bomb| {
        let clock = VirtualClock::new();
        let held = bomb();
        let call = clock.call_later(Duration::from_secs(1), move || drop(held));
        assert!(call.cancel());
    });
}

#[test]
fn what_a_loop_or_a_task_calls() {
    all_go_off(|bomb| {
        let clock = VirtualClock::new();
        let held = bomb();
        let looping = LoopingCall::new(move || {
            let _held = &held;
        });
        let looped = looping.start(&clock, Duration::from_secs(1)).unwrap();
        assert!(looping.stop());
        value(looped);
        deferred_drop(looping);
    });
    all_go_off(|bomb| {
        let clock = VirtualClock::new();
        let held = bomb();
        let done = Cooperator::new(&clock).coiterate(std::iter::repeat_with(move || {
            let _held = &held;
        }));
        done.cancel();
        assert!(failure(done).is::<Cancelled>());
    });
}

/// What the test itself drops, and not the crate: a panic of that is the test's.
fn deferred_drop<T>(value: T) {
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(value)));
}

#[test]
fn hooks_that_are_replaced() {
    all_go_off(|bomb| {
        let held = bomb();
        let hook = move |_: &deferred::unhandled::Unhandled| {
            let _held = &held;
        };
        deferred::unhandled::with_hook(hook, || ());
    });
}

#[test]
fn a_body_that_is_made_when_its_thread_ends() {
    struct AtTheEnd(Option<Arc<()>>);

    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            let Some(held) = self.0.take() else { return };
            // One that is woken by itself, one that gives its waker away, one that awaits.
            let (mut first, held_by_other) = (true, Arc::clone(&held));
            inline_callbacks(poll_fn(move |cx| {
                let _held = &held;
                cx.waker().wake_by_ref();
                if std::mem::take(&mut first) {
                    return Poll::Pending;
                }
                Poll::Ready(Ok(()))
            }))
            .ignore();
            let kept = Rc::new(RefCell::new(None::<Waker>));
            let held = Arc::clone(&held_by_other);
            let inside = Rc::clone(&kept);
            inline_callbacks::<_, ()>(poll_fn(move |cx| {
                let _held = &held;
                *inside.borrow_mut() = Some(cx.waker().clone());
                Poll::Pending
            }))
            .ignore();
            if let Some(waker) = kept.take() {
                waker.wake();
            }
            let (trigger, deferred) = Deferred::<()>::pair();
            inline_callbacks(async move {
                let _held = held_by_other;
                deferred.await
            })
            .ignore();
            drop(trigger);
        }
    }

    thread_local! {
        static KEPT: RefCell<AtTheEnd> = const { RefCell::new(AtTheEnd(None)) };
    }

    for uses_bodies_before in [true, false] {
        for keeps_before in [true, false] {
            let held = Arc::new(());
            let inside = Arc::clone(&held);
            let keep = move || KEPT.with(|kept| kept.borrow_mut().0 = Some(inside));
            let use_bodies = move || {
                if uses_bodies_before {
                    let mut wakers = Vec::new();
                    let body = inline_callbacks::<_, ()>(poll_fn(move |cx| {
                        wakers.push(cx.waker().clone());
                        Poll::Pending
                    }));
                    body.ignore();
                }
            };
            let thread = thread::spawn(move || {
                if keeps_before {
                    keep();
                    use_bodies();
                } else {
                    use_bodies();
                    keep();
                }
            });
            thread.join().unwrap();
            assert_eq!(
                Arc::strong_count(&held),
                1,
                "bodies before: {uses_bodies_before}, kept before: {keeps_before}"
            );
        }
    }
}
