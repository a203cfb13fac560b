//! Bodies that await Deferreds, with no runtime.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use deferred::driver::{reset_wake_hook, run_woken, set_wake_hook};
use deferred::errors::WaitCycle;
use deferred::{Abandoned, Cancelled, Deferred, Panicked, State, fail, inline_callbacks, succeed};
use futures::FutureExt;
use futures::future::{join_all, select};
use futures::stream::{FuturesUnordered, StreamExt};

use crate::deep_chains::on_a_small_stack;
use crate::support::{Coded, Count, Log, Reports, code, failure, value};

#[test]
fn it_runs_at_once_until_it_waits() {
    let log = Log::new();
    let (trigger, first) = Deferred::pair();
    let body = log.clone();
    let sum = inline_callbacks(async move {
        body.add("begun");
        let a: i32 = first.await?;
        body.add("resumed");
        let b: i32 = succeed(10).await?;
        Ok(a + b)
    });
    assert_eq!(log.take(), ["begun"]);
    assert_eq!(sum.state(), State::Unfired);
    let after = log.clone();
    let sum = sum.add_callback(move |sum| {
        after.add("used");
        Ok(sum)
    });
    trigger.callback(1).unwrap();
    assert_eq!(log.take(), ["resumed", "used"], "inside the fire");
    assert_eq!(value(sum), 11);
}

#[test]
fn one_that_never_waits_has_its_result_at_once() {
    assert_eq!(value(inline_callbacks(async { Ok(1) })), 1);
    let failed = failure(inline_callbacks(async { fail::<()>(Coded(2)).await }));
    assert_eq!(code(&failed), 2);
}

#[test]
fn a_failure_comes_out_of_the_await_and_can_be_handled_there() {
    let (trigger, deferred) = Deferred::<i32>::pair();
    let recovered = inline_callbacks(async move {
        match deferred.await {
            Ok(n) => Ok(n),
            Err(failure) => {
                failure.trap::<Coded>()?;
                Ok(7)
            }
        }
    });
    trigger.errback(Coded(1)).unwrap();
    assert_eq!(value(recovered), 7);
}

#[test]
fn a_panic_in_the_body_is_a_failure_before_and_after_a_wait() {
    let at_once = inline_callbacks::<_, ()>(async { panic!("at once") });
    assert_eq!(
        failure(at_once).check::<Panicked>().unwrap().message(),
        "at once"
    );
    let dropped = Count::new();
    let token = dropped.on_drop();
    let (trigger, deferred) = Deferred::pair();
    let later = inline_callbacks::<_, ()>(async move {
        let _token = token;
        deferred.await?;
        panic!("later")
    });
    trigger.callback(()).unwrap();
    assert!(failure(later).is::<Panicked>());
    assert_eq!(dropped.get(), 1);
}

#[test]
fn it_waits_for_the_stages_of_what_it_awaits() {
    let (trigger, deferred) = Deferred::pair();
    let (inner_trigger, inner) = Deferred::pair();
    let chain = deferred
        .add_callback(move |()| inner)
        .add_callback(|n: i32| Ok(n + 1));
    let body = inline_callbacks(chain);
    trigger.callback(()).unwrap();
    assert_eq!(body.state(), State::Unfired);
    inner_trigger.callback(1).unwrap();
    assert_eq!(value(body), 2);
}

#[test]
fn bodies_nest_and_are_resumed_on_a_constant_stack() {
    on_a_small_stack(|| {
        let (trigger, deferred) = Deferred::pair();
        let mut body = inline_callbacks(deferred);
        for _ in 0..100_000 {
            body = inline_callbacks(async move { Ok(body.await? + 1) });
        }
        trigger.callback(0).unwrap();
        assert_eq!(value(body), 100_000);
    });
}

#[test]
fn a_body_that_is_woken_a_million_times_uses_constant_stack() {
    on_a_small_stack(|| {
        let next = Rc::new(RefCell::new(None));
        let slot = Rc::clone(&next);
        let body = inline_callbacks(async move {
            let mut count = 0;
            while count < 1_000_000 {
                let (trigger, deferred) = Deferred::pair();
                *slot.borrow_mut() = Some(trigger);
                count += deferred.await?;
            }
            Ok(count)
        });
        while let Some(trigger) = next.take() {
            trigger.callback(1).unwrap();
        }
        assert_eq!(value(body), 1_000_000);
    });
}

#[test]
fn a_body_that_awaits_a_million_that_are_fired_uses_constant_stack() {
    on_a_small_stack(|| {
        let body = inline_callbacks(async {
            let mut count = 0;
            for _ in 0..1_000_000 {
                count += succeed(1).await?;
            }
            Ok(count)
        });
        assert_eq!(value(body), 1_000_000);
    });
}

#[test]
fn what_it_fires_itself_while_it_waits_for_it_resumes_it() {
    let (trigger, deferred) = Deferred::pair();
    let body = inline_callbacks(async move {
        let firing = async { trigger.callback(1).is_ok() };
        let (value, fired) = futures::join!(deferred, firing);
        assert!(fired);
        value
    });
    assert_eq!(value(body), 1);
}

#[test]
fn cancelling_cancels_what_it_awaits_and_the_body_may_catch_it() {
    let log = Log::new();
    let inner_log = log.clone();
    let (_trigger, first) = Deferred::<()>::with_canceller(move |_| inner_log.add("canceller"));
    let (second_trigger, second) = Deferred::pair();
    let body = inline_callbacks(async move {
        let caught = first.await.unwrap_err();
        assert!(caught.is::<Cancelled>());
        second.await
    });
    body.cancel();
    assert_eq!(log.take(), ["canceller"]);
    assert_eq!(body.state(), State::Unfired, "the body went on");
    second_trigger.callback("done all the same").unwrap();
    assert_eq!(value(body), "done all the same");
}

#[test]
fn it_can_be_cancelled_again() {
    let (_first_trigger, first) = Deferred::<()>::pair();
    let (_second_trigger, second) = Deferred::<()>::pair();
    let body = inline_callbacks(async move {
        let _ = first.await;
        second.await
    });
    body.cancel();
    assert_eq!(body.state(), State::Unfired);
    body.cancel();
    assert!(failure(body).is::<Cancelled>());
}

#[test]
fn a_cancel_reaches_through_nested_bodies_and_chains() {
    let (trigger, deferred) = Deferred::<()>::pair();
    let inner = inline_callbacks(deferred);
    let chain = succeed(()).add_callback(move |()| inner);
    let outer = inline_callbacks(chain);
    outer.cancel();
    assert!(failure(outer).is::<Cancelled>());
    assert!(
        trigger.callback(()).is_ok(),
        "the one fire that is swallowed"
    );
}

#[test]
fn a_cancel_goes_to_all_that_it_polled() {
    let pairs: Vec<_> = (0..3).map(|_| Deferred::<()>::pair()).collect();
    let (triggers, deferreds): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let body = inline_callbacks(async move {
        let results = join_all(deferreds).await;
        Ok(results.iter().filter(|result| result.is_err()).count())
    });
    body.cancel();
    assert!(triggers.iter().all(|trigger| trigger.is_fired()));
    assert_eq!(value(body), 3);
}

#[test]
fn a_body_that_awaits_no_deferred_is_dropped_when_it_is_cancelled() {
    let dropped = Count::new();
    let token = dropped.on_drop();
    let body = inline_callbacks::<_, ()>(async move {
        let _token = token;
        pending().await
    });
    // No waker of it is left, so it is dropped at once.
    assert_eq!(dropped.get(), 1);
    assert!(failure(body).is::<Abandoned>());

    let token = dropped.on_drop();
    let kept = Rc::new(RefCell::new(None));
    let keep = Rc::clone(&kept);
    let body = inline_callbacks::<_, ()>(async move {
        let _token = token;
        poll_fn::<(), _>(|cx| {
            *keep.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
        Ok(())
    });
    assert_eq!(dropped.get(), 1);
    body.cancel();
    assert_eq!(dropped.get(), 2);
    assert!(failure(body).is::<Cancelled>());
    if let Some(waker) = kept.take() {
        Waker::wake(waker);
    }
    run_woken();
}

#[test]
fn a_cancel_from_inside_takes_effect_when_it_waits() {
    let (_trigger, deferred) = Deferred::<()>::pair();
    let handle = Rc::new(RefCell::new(None));
    let own = Rc::clone(&handle);
    let (start, started) = Deferred::pair();
    let mut body = inline_callbacks(async move {
        started.await?;
        let own: Option<deferred::DeferredHandle> = own.take();
        own.unwrap().cancel();
        deferred.await
    });
    *handle.borrow_mut() = Some(body.handle());
    start.callback(()).unwrap();
    assert!(failure(body).is::<Cancelled>());
}

#[test]
fn a_body_that_awaits_its_own_result_gets_a_wait_cycle() {
    let own = Rc::new(RefCell::new(None));
    let slot = Rc::clone(&own);
    let (start, started) = Deferred::pair();
    let body = inline_callbacks(async move {
        started.await?;
        let own: Option<Deferred<()>> = slot.take();
        own.unwrap().await
    });
    let mut chained = succeed(()).add_callback(move |()| body);
    let handle = chained.handle();
    *own.borrow_mut() = Some(chained);
    Reports::during(|reports| {
        start.callback(()).unwrap();
        assert_eq!(handle.state(), None, "nothing hangs, nothing is left");
        let reports = reports.take();
        assert_eq!(reports.len(), 1);
        assert!(reports[0].failure().is::<WaitCycle>());
    });
}

#[test]
fn a_chain_that_would_wait_for_itself_through_a_body_gets_a_wait_cycle() {
    let (trigger, deferred) = Deferred::<()>::pair();
    let end = Rc::new(RefCell::new(None));
    let slot = Rc::clone(&end);
    // The chain goes on with a body that awaits the chain.
    let chain = deferred.add_callback(move |()| {
        inline_callbacks(async move {
            let end: Option<Deferred<()>> = slot.take();
            match end {
                Some(end) => end.await,
                None => Ok(()),
            }
        })
    });
    *end.borrow_mut() = Some(chain);
    Reports::during(|reports| {
        trigger.callback(()).unwrap();
        let reports = reports.take();
        assert!(
            reports
                .iter()
                .any(|report| report.failure().is::<WaitCycle>())
        );
    });
}

#[test]
fn other_wakers_never_poll_and_run_woken_does() {
    let log = Log::new();
    let waker = Rc::new(RefCell::new(None));
    let (keep, body_log) = (Rc::clone(&waker), log.clone());
    let mut is_ready = false;
    let body = inline_callbacks(async move {
        poll_fn(|cx| {
            body_log.add("polled");
            *keep.borrow_mut() = Some(cx.waker().clone());
            match std::mem::replace(&mut is_ready, true) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
        Ok(1)
    });
    assert_eq!(log.take(), ["polled"]);
    let first: Option<Waker> = waker.take();
    first.unwrap().wake();
    assert!(log.take().is_empty(), "waking is not polling");
    assert_eq!(run_woken(), 1);
    assert_eq!(log.take(), ["polled"]);
    assert_eq!(value(body), 1);
    assert_eq!(run_woken(), 0);
}

#[test]
fn a_deferred_inside_of_a_combinator_with_wakers_of_its_own_wakes_it() {
    let pairs: Vec<_> = (0..3).map(|_| Deferred::pair()).collect();
    let (triggers, deferreds): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let body = inline_callbacks(async move {
        let mut all: FuturesUnordered<_> = deferreds.into_iter().collect();
        let mut sum = 0;
        while let Some(value) = all.next().await {
            sum += value?;
        }
        Ok(sum)
    });
    for (n, trigger) in triggers.iter().enumerate() {
        trigger.callback(n).unwrap();
    }
    let body = body
        .into_result()
        .expect_err("the combinator's wakers are not ours");
    while run_woken() > 0 {}
    assert_eq!(value(body), 3);
}

#[test]
fn the_one_that_loses_a_select_may_be_dropped() {
    let (trigger, fast) = Deferred::pair();
    let (slow_trigger, slow) = Deferred::<i32>::pair();
    let body = inline_callbacks(async move { select(fast, slow).await.factor_first().0 });
    trigger.callback(1).unwrap();
    assert_eq!(value(body), 1);
    slow_trigger.callback(2).unwrap();
}

#[test]
fn a_wake_from_another_thread_calls_the_hook() {
    let (told, tells) = mpsc::channel();
    set_wake_hook(move || told.send(()).unwrap());
    let mut body = inline_callbacks(async {
        let (sender, receiver) = futures::channel::oneshot::channel();
        thread::spawn(move || sender.send(5));
        Ok(receiver.await?)
    });
    // If the other thread was faster, the body has ended at its first poll.
    while let Err(waiting) = body
        .into_result()
        .map(|result| assert_eq!(result.unwrap(), 5))
    {
        let told = tells.recv_timeout(Duration::from_secs(60));
        told.expect("the hook is called");
        run_woken();
        body = waiting;
    }
    reset_wake_hook();
}

#[test]
fn the_hook_is_called_once_until_the_woken_are_run() {
    let told = Arc::new(AtomicUsize::new(0));
    let tell = Arc::clone(&told);
    set_wake_hook(move || {
        tell.fetch_add(1, Ordering::Relaxed);
    });
    let wakers = Rc::new(RefCell::new(Vec::new()));
    let keep = Rc::clone(&wakers);
    let body = inline_callbacks::<_, ()>(async move {
        poll_fn(|cx| {
            keep.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await
    });
    let waker: Waker = wakers.borrow_mut().pop().unwrap();
    waker.wake_by_ref();
    waker.wake_by_ref();
    assert_eq!(told.load(Ordering::Relaxed), 1);
    assert_eq!(run_woken(), 1);
    wakers.borrow()[0].wake_by_ref();
    assert_eq!(told.load(Ordering::Relaxed), 2);
    reset_wake_hook();
    body.ignore();
}

#[test]
fn a_body_is_dropped_on_its_thread_when_the_last_waker_is_dropped_elsewhere() {
    struct HomeDrop(thread::ThreadId, Count);
    impl Drop for HomeDrop {
        fn drop(&mut self) {
            assert_eq!(self.0, thread::current().id());
            self.1.add();
        }
    }
    let dropped = Count::new();
    let token = HomeDrop(thread::current().id(), dropped.clone());
    let (wakers, kept) = mpsc::channel();
    let body = inline_callbacks::<_, ()>(async move {
        let _token = token;
        poll_fn::<(), _>(|cx| {
            wakers.send(cx.waker().clone()).unwrap();
            Poll::Pending
        })
        .await;
        Ok(())
    });
    let waker = kept.recv().unwrap();
    thread::spawn(move || drop(waker)).join().unwrap();
    assert_eq!(dropped.get(), 0);
    run_woken();
    assert_eq!(dropped.get(), 1);
    assert!(failure(body).is::<Abandoned>());
}

#[test]
fn dropping_its_deferred_does_not_stop_it() {
    let log = Log::new();
    let (trigger, deferred) = Deferred::pair();
    let body = log.clone();
    drop(inline_callbacks(async move {
        deferred.await?;
        body.add("went on");
        Ok(())
    }));
    trigger.callback(()).unwrap();
    assert_eq!(log.take(), ["went on"]);
}

#[test]
fn a_failure_of_a_body_that_nobody_holds_is_reported() {
    Reports::during(|reports| {
        let (trigger, deferred) = Deferred::<()>::pair();
        drop(inline_callbacks(deferred));
        assert!(reports.messages().is_empty());
        trigger.errback(Coded(3)).unwrap();
        assert_eq!(reports.messages(), ["error 3"]);
    });
}

#[test]
fn a_dropped_trigger_comes_out_of_the_await() {
    let (trigger, deferred) = Deferred::<()>::pair();
    let body = inline_callbacks(deferred.map(|result| Ok(result.is_err())));
    drop(trigger);
    assert!(value(body));
}

#[test]
fn debug_says_what_a_body_waits_for() {
    let (_trigger, deferred) = Deferred::<()>::pair();
    let body = inline_callbacks(deferred);
    let text = format!("{body:?}");
    assert!(text.contains("waits_for: [Deferred"), "{text}");
    let asleep = inline_callbacks::<_, ()>(async {
        let (sender, receiver) = futures::channel::oneshot::channel();
        let _kept = sender;
        receiver.await.map_err(Into::into)
    });
    let text = format!("{asleep:?}");
    assert!(text.contains("to be woken from elsewhere"), "{text}");
}
