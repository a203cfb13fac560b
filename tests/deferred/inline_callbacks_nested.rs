//! Bodies of `inline_callbacks` in one another: how deep, in what rings, and what a cancel
//! reaches.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Poll;

use deferred::driver::run_woken;
use deferred::errors::WaitCycle;
use deferred::{
    Cancelled, Deferred, DeferredHandle, Failure, State, Trigger, gather_results, inline_callbacks,
    succeed,
};
use futures::future::{Either, join_all, select};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};

use crate::deep_chains::on_a_small_stack;
use crate::support::{Count, failure, value};

const DEEP: usize = 100_000;

/// A Deferred that counts when it is cancelled.
fn counted(cancelled: &Count) -> (Trigger<()>, Deferred<()>) {
    let cancelled = cancelled.clone();
    Deferred::with_canceller(move |_| cancelled.add())
}

/// Some of those, and their triggers.
fn several(number: usize, cancelled: &Count) -> (Vec<Trigger<()>>, Vec<Deferred<()>>) {
    (0..number).map(|_| counted(cancelled)).unzip()
}

fn nested(mut body: Deferred<()>) -> Deferred<()> {
    for _ in 0..DEEP {
        let inner = body;
        body = inline_callbacks(async move {
            inner.await?;
            Ok(())
        });
    }
    body
}

#[test]
fn a_cancel_goes_down_nested_bodies_on_a_small_stack() {
    on_a_small_stack(|| {
        let cancelled = Count::new();
        let (_trigger, deferred) = counted(&cancelled);
        let body = nested(deferred);
        body.cancel();
        assert_eq!(cancelled.get(), 1);
        assert!(failure(body).is::<Cancelled>());
    });
}

#[test]
fn a_cancel_goes_down_nested_bodies_that_each_go_on_on_a_small_stack() {
    on_a_small_stack(|| {
        let (_trigger, mut body) = Deferred::<()>::pair();
        for _ in 0..DEEP {
            let inner = body;
            body = inline_callbacks(async move {
                let caught = inner.await.unwrap_err();
                assert!(caught.is::<Cancelled>());
                Err(Failure::new(Cancelled::new()))
            });
        }
        body.cancel();
        assert!(failure(body).is::<Cancelled>());
    });
}

#[test]
fn a_cancel_goes_down_bodies_mixed_with_lists_and_chains_on_a_small_stack() {
    on_a_small_stack(|| {
        let cancelled = Count::new();
        let (_trigger, mut body) = counted(&cancelled);
        for n in 0..DEEP {
            let inner = body;
            body = match n % 4 {
                0 => inline_callbacks(inner),
                1 => gather_results(vec![inner]).add_callback(|_| ()),
                2 => succeed(()).add_callback(move |()| inner),
                _ => {
                    let both = join_all([inner]).map(|mut results| results.remove(0));
                    inline_callbacks(both)
                }
            };
        }
        body.cancel();
        assert_eq!(cancelled.get(), 1);
        assert_eq!(body.state(), State::Done);
        body.ignore();
    });
}

#[test]
fn a_cancel_goes_up_bodies_that_are_chained_to_one_another_on_a_small_stack() {
    on_a_small_stack(|| {
        let (_trigger, mut body) = Deferred::<()>::pair();
        let first = body.handle();
        for _ in 0..DEEP {
            let inner = inline_callbacks(body);
            let (trigger, next) = Deferred::pair();
            inner.chain_deferred(trigger).detach();
            body = next;
        }
        first.cancel();
        assert!(failure(body).is::<Cancelled>());
    });
}

#[test]
fn a_cancel_goes_down_bodies_that_await_inside_of_other_futures_on_a_small_stack() {
    on_a_small_stack(|| {
        let cancelled = Count::new();
        let (_trigger, mut body) = counted(&cancelled);
        for _ in 0..DEEP {
            let mut set = FuturesUnordered::from_iter([body]);
            body = inline_callbacks(async move { set.next().await.unwrap() });
        }
        body.cancel();
        assert_eq!(cancelled.get(), 1);
        while run_woken() > 0 {}
        assert!(failure(body).is::<Cancelled>());
    });
}

#[test]
fn a_cancel_reaches_all_of_a_set_whatever_woke_the_body_last() {
    for fired in 0..3 {
        let cancelled = Count::new();
        let (triggers, deferreds) = several(3, &cancelled);
        let mut set: FuturesUnordered<_> = deferreds.into_iter().collect();
        let body = inline_callbacks(async move {
            let mut ok = 0;
            while let Some(result) = set.next().await {
                ok += usize::from(result.is_ok());
            }
            Ok(ok)
        });
        triggers[fired].callback(()).unwrap();
        run_woken();
        body.cancel();
        assert_eq!(cancelled.get(), 2, "the two that are left");
        while run_woken() > 0 {}
        assert_eq!(value(body), 1, "it went on, to its end");
    }
}

#[test]
fn a_cancel_reaches_all_forty_that_are_joined() {
    let cancelled = Count::new();
    let (triggers, deferreds) = several(40, &cancelled);
    let body = inline_callbacks(async move { Ok(join_all(deferreds).await) });
    for trigger in &triggers[..15] {
        trigger.callback(()).unwrap();
        run_woken();
    }
    body.cancel();
    assert_eq!(cancelled.get(), 25);
    while run_woken() > 0 {}
    let results = value(body);
    assert!(results[..15].iter().all(Result::is_ok));
    assert!(results[15..].iter().all(|result| {
        let failure = result.as_ref().unwrap_err();
        failure.is::<Cancelled>()
    }));
}

#[test]
fn a_cancel_reaches_what_a_select_waits_for_still() {
    let cancelled = Count::new();
    let (first_trigger, first) = counted(&cancelled);
    let (_second_trigger, second) = counted(&cancelled);
    let (_third_trigger, third) = counted(&cancelled);
    let body = inline_callbacks(async move {
        let set = FuturesUnordered::from_iter([first, second]).into_future();
        let Either::Left(((one, rest), third)) = select(set, third).await else {
            panic!("the third was not fired")
        };
        assert!(one.unwrap().is_ok());
        match select(rest.into_future(), third).await {
            Either::Left(((two, _), _)) => two.unwrap(),
            Either::Right((three, _)) => three,
        }
    });
    first_trigger.callback(()).unwrap();
    run_woken();
    body.cancel();
    assert_eq!(cancelled.get(), 2);
    while run_woken() > 0 {}
    assert!(failure(body).is::<Cancelled>());
}

#[test]
fn a_cancel_leaves_alone_what_the_body_has_let_go_or_waits_for_no_more() {
    let cancelled = Count::new();
    let (fast_trigger, fast) = counted(&cancelled);
    let (_slow_trigger, slow) = counted(&cancelled);
    let (_kept_trigger, mut kept) = counted(&cancelled);
    let (_last_trigger, last) = counted(&cancelled);
    let body = inline_callbacks(async move {
        let both = select(fast, slow);
        let Either::Left((Either::Left((fast, slow)), _)) = select(both, &mut kept).await else {
            panic!("the others were not fired")
        };
        fast?;
        drop(slow);
        let result = last.await;
        drop(kept);
        result
    });
    fast_trigger.callback(()).unwrap();
    body.cancel();
    assert_eq!(cancelled.get(), 1, "the last, for which it waits");
    assert!(failure(body).is::<Cancelled>());
}

#[test]
fn a_cancel_reaches_each_once_however_often_it_was_polled() {
    let cancelled = Count::new();
    let (_trigger, mut deferred) = counted(&cancelled);
    let (_other_trigger, mut other) = counted(&cancelled);
    let body = inline_callbacks(async move {
        for _ in 0..1000 {
            let ready = std::future::ready(());
            let waiting = select(&mut deferred, &mut other);
            assert!(matches!(select(waiting, ready).await, Either::Right(_)));
        }
        let both = futures::future::join(deferred, other).await;
        both.0.and(both.1)
    });
    body.cancel();
    assert_eq!(cancelled.get(), 2);
    assert!(failure(body).is::<Cancelled>());
}

/// Two bodies that wait for each other, the second one inside of another future if
/// asked for: what each of them comes to, and a handle of the first.
fn ring(
    first_inside: bool,
    second_inside: bool,
) -> (Trigger<()>, DeferredHandle, Rc<RefCell<Vec<String>>>) {
    let (start, started) = Deferred::<()>::pair();
    let slot = Rc::new(RefCell::new(None::<Deferred<()>>));
    let told = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&told);
    let wait = async move |inside: bool, for_it: Deferred<()>, name: &'static str| {
        let result = if inside {
            let mut set = FuturesUnordered::from_iter([for_it]);
            set.next().await.unwrap()
        } else {
            for_it.await
        };
        let is_cycle = result.as_ref().is_err_and(Failure::is::<WaitCycle>);
        log.borrow_mut().push(format!("{name} {is_cycle}"));
        result
    };
    let (wait, other) = (Rc::new(wait), Rc::clone(&slot));
    let wait_first = Rc::clone(&wait);
    let mut first = inline_callbacks(async move {
        started.await?;
        let second: Deferred<()> = other.take().unwrap();
        wait_first(first_inside, second, "first").await
    });
    let handle = first.handle();
    let second = inline_callbacks(async move { wait(second_inside, first, "second").await });
    *slot.borrow_mut() = Some(second);
    (start, handle, told)
}

#[test]
fn a_ring_of_bodies_is_a_wait_cycle_whatever_is_between_them() {
    for (first_inside, second_inside) in
        [(false, false), (false, true), (true, false), (true, true)]
    {
        let (start, handle, told) = ring(first_inside, second_inside);
        // A body that sleeps elsewhere is what has the ring searched for bodies.
        let (_sender, receiver) = futures::channel::oneshot::channel::<()>();
        let asleep = inline_callbacks(async move { Ok(receiver.await?) });
        start.callback(()).unwrap();
        while run_woken() > 0 {}
        assert_eq!(*told.borrow(), ["first true", "second true"]);
        assert_eq!(handle.state(), None, "nothing is left");
        asleep.ignore();
    }
}

#[test]
fn a_ring_of_many_bodies_inside_of_sets_is_a_wait_cycle() {
    on_a_small_stack(|| {
        let (start, started) = Deferred::<()>::pair();
        let slot = Rc::new(RefCell::new(None::<Deferred<()>>));
        let last = Rc::clone(&slot);
        let (told, is_told) = Deferred::pair();
        let mut body = inline_callbacks(async move {
            started.await?;
            let last: Deferred<()> = last.take().unwrap();
            let result = last.await;
            let is_cycle = result.is_err_and(|failure| failure.is::<WaitCycle>());
            told.callback(is_cycle).unwrap();
            Ok(())
        });
        let mut triggers = Vec::new();
        for n in 0..DEEP {
            let (trigger, silent) = Deferred::<()>::pair();
            triggers.push(trigger);
            let mut set = FuturesUnordered::from_iter([body]);
            body = inline_callbacks(async move {
                if n % 2 == 0 {
                    // It is polled last, so that the ring is beside it.
                    set.push(silent);
                }
                set.next().await.unwrap()
            });
        }
        *slot.borrow_mut() = Some(body);
        start.callback(()).unwrap();
        while run_woken() > 0 {}
        assert!(value(is_told));
    });
}

#[test]
fn a_ring_through_a_list_is_shown_and_a_cancel_ends_it() {
    let (start, started) = Deferred::<()>::pair();
    let slot = Rc::new(RefCell::new(None::<Deferred<Vec<()>>>));
    let own = Rc::clone(&slot);
    let body = inline_callbacks(async move {
        started.await?;
        let list: Deferred<Vec<()>> = own.take().unwrap();
        list.await.map(drop)
    });
    let mut list = gather_results(vec![body]);
    let handle = list.handle();
    // The list ends with the failure of the body, which awaits it.
    *slot.borrow_mut() = Some(list);
    let text = format!("{:?}", slot.borrow());
    assert_eq!(text.matches("state: Unfired").count(), 3, "{text}");
    start.callback(()).unwrap();
    assert_ne!(handle.state(), None, "it waits");
    handle.cancel();
    assert_eq!(handle.state(), None, "it is over");
}

#[test]
fn debug_shows_what_a_body_awaits_inside_of_another_future() {
    let (trigger, first) = Deferred::<()>::pair();
    let (_second_trigger, second) = Deferred::<()>::pair();
    let mut set = FuturesUnordered::from_iter([first, second]);
    let body = inline_callbacks(async move {
        while let Some(result) = set.next().await {
            result?;
        }
        Ok(())
    });
    let waits = |body: &Deferred<()>| format!("{body:?}").matches("state: Unfired").count();
    assert_eq!(waits(&body), 3);
    trigger.callback(()).unwrap();
    run_woken();
    assert_eq!(waits(&body), 2, "{body:?}");
}

#[test]
fn a_canceller_that_cancels_the_body_again_does_no_harm() {
    let own = Rc::new(RefCell::new(None::<DeferredHandle>));
    let again = Rc::clone(&own);
    let cancelled = Count::new();
    let count = cancelled.clone();
    let (trigger, deferred) = Deferred::<()>::with_canceller(move |_| {
        count.add();
        if let Some(handle) = &*again.borrow() {
            handle.cancel();
        }
    });
    let mut deferred = deferred;
    let pause = deferred.pause();
    let mut body = inline_callbacks(async move {
        assert!(deferred.await.unwrap_err().is::<Cancelled>());
        Ok("cleaned up")
    });
    *own.borrow_mut() = Some(body.handle());
    body.cancel();
    assert_eq!(cancelled.get(), 1);
    assert_eq!(
        body.state(),
        State::Unfired,
        "it is held up, and not dropped"
    );
    drop(pause);
    assert_eq!(value(body), "cleaned up");
    drop(trigger);
}

#[test]
fn a_body_that_another_polls_after_it_was_awaited_is_its_own_again() {
    // The first body polls it once, and hands it on.
    let (trigger, deferred) = Deferred::<()>::pair();
    let mut inner = Some(inline_callbacks(deferred));
    let (hand_on, handed_on) = Deferred::pair();
    let first = inline_callbacks(async move {
        std::future::poll_fn(|cx| {
            assert!(inner.as_mut().unwrap().poll_unpin(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        hand_on.callback(inner.take().unwrap()).unwrap();
        std::future::pending::<()>().await;
        Ok(())
    });
    let second = inline_callbacks(async move { handed_on.await?.await });
    first.cancel();
    assert_eq!(
        second.state(),
        State::Unfired,
        "the first had none of it any more"
    );
    trigger.callback(()).unwrap();
    value(second);
    first.ignore();
}
