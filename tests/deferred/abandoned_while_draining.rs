//! Looks and loops inside of an errback that runs because a trigger was dropped: what is
//! dropped in there is queued, and whatever looks sees what came of it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use deferred::driver::run_woken;
use deferred::{
    Abandoned, Deferred, DeferredHandle, DeferredLock, Failure, State, TimerQueue, Trigger,
    VirtualClock, inline_callbacks, sync,
};
use futures::executor::LocalPool;
use futures::task::LocalSpawnExt;

use crate::deep_chains::on_a_small_stack;
use crate::support::{Count, Log, failure, value};

/// Calls `f` in an errback that an abandonment runs, and gives what that comes to.
fn in_an_abandonment<T: 'static>(f: impl FnOnce() -> T + 'static) -> T {
    let (trigger, deferred) = Deferred::<()>::pair();
    let (told, result) = Deferred::pair();
    deferred
        .add_errback(move |_abandoned| {
            told.callback(f()).unwrap();
            Ok(())
        })
        .ignore();
    drop(trigger);
    value(result)
}

/// One that fires another when it is abandoned.
fn firing(log: &Log) -> (Trigger<()>, Deferred<()>) {
    firing_as(log, "errback")
}

/// The same, logged as `name`.
fn firing_as(log: &Log, name: &'static str) -> (Trigger<()>, Deferred<()>) {
    let (trigger, deferred) = Deferred::<()>::pair();
    let sink = log.clone();
    let deferred = deferred.add_errback(move |_abandoned| {
        sink.add(name);
        Ok(())
    });
    (trigger, deferred)
}

#[test]
fn taking_the_result() {
    in_an_abandonment(|| {
        let (trigger, deferred) = Deferred::<()>::pair();
        drop(trigger);
        assert!(failure(deferred).is::<Abandoned>());
    });
}

#[test]
fn taking_the_result_of_one_that_waits_for_it() {
    in_an_abandonment(|| {
        let (trigger, inner) = Deferred::<()>::pair();
        let (start, outer) = Deferred::pair();
        let outer = outer.add_callback(move |()| inner);
        start.callback(()).unwrap();
        drop(trigger);
        assert!(failure(outer).is::<Abandoned>());
    });
}

#[test]
fn asking_for_the_state() {
    in_an_abandonment(|| {
        let (trigger, mut deferred) = firing(&Log::new());
        let handle = deferred.handle();
        drop(trigger);
        assert_eq!(handle.state(), Some(State::Done));
        let (trigger, deferred) = firing(&Log::new());
        drop(trigger);
        assert_eq!(deferred.state(), State::Done);
        let (trigger, deferred) = firing(&Log::new());
        drop(trigger);
        assert!(format!("{deferred:?}").contains("Done"));
    });
}

#[test]
fn asking_whether_it_was_fired() {
    in_an_abandonment(|| {
        let (trigger, deferred) = Deferred::<()>::pair();
        let (other, fired) = Deferred::pair();
        let held = other.clone();
        deferred
            .add_errback(move |_abandoned| {
                held.callback(()).unwrap();
                Ok(())
            })
            .ignore();
        drop(trigger);
        assert!(other.is_fired());
        value(fired);
    });
}

#[test]
fn polling_it() {
    in_an_abandonment(|| {
        let (trigger, mut deferred) = Deferred::<()>::pair();
        drop(trigger);
        let polled = Pin::new(&mut deferred).poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Err(failure)) if failure.is::<Abandoned>()));
    });
}

#[test]
fn waiting_for_it_in_an_executor() {
    in_an_abandonment(|| {
        let (trigger, deferred) = Deferred::<()>::pair();
        drop(trigger);
        let result = LocalPool::new().run_until(deferred);
        assert!(result.unwrap_err().is::<Abandoned>());
    });
}

#[test]
fn waiting_for_one_that_is_abandoned_meanwhile() {
    in_an_abandonment(|| {
        let (trigger, deferred) = Deferred::<()>::pair();
        let mut pool = LocalPool::new();
        // It is polled after the other task; the executor polls no more after that.
        pool.spawner()
            .spawn_local(async move { drop(trigger) })
            .unwrap();
        let polled_first = pool.run_until(async move {
            let mut deferred = deferred;
            let polled = Pin::new(&mut deferred).poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
            deferred.await
        });
        assert!(polled_first.unwrap_err().is::<Abandoned>());
    });
}

#[test]
fn a_body_that_awaits_it() {
    in_an_abandonment(|| {
        let (trigger, deferred) = Deferred::<()>::pair();
        let body = inline_callbacks(async move {
            drop(trigger);
            deferred.await
        });
        assert!(failure(body).is::<Abandoned>());
    });
}

#[test]
fn advancing_a_clock() {
    in_an_abandonment(|| {
        let clock = VirtualClock::new();
        let log = Log::new();
        let (trigger, deferred) = Deferred::<()>::pair();
        let (same_clock, sink) = (clock.clone(), log.clone());
        let second = Duration::from_secs(1);
        deferred
            .add_errback(move |_abandoned| {
                same_clock.call_later(second, move || sink.add("called"));
                Ok(())
            })
            .ignore();
        drop(trigger);
        clock.advance(second);
        assert_eq!(log.take(), ["called"]);

        // What a call drops while time passes.
        let (trigger, deferred) = firing(&log);
        clock.call_later(second, move || drop(trigger));
        let (sink, same_clock) = (log.clone(), clock.clone());
        clock.call_later(second, move || {
            sink.add(format_args!("at {:?}", same_clock.now()));
        });
        clock.jump(2 * second);
        assert_eq!(log.take(), ["errback", "at 3s"]);
        value(deferred);
    });
}

#[test]
fn a_loop_of_ones_own() {
    in_an_abandonment(|| {
        let log = Log::new();
        let timers = TimerQueue::new(|| Duration::ZERO);
        let (trigger, deferred) = firing(&log);
        drop(trigger);
        assert_eq!(timers.run_due(Duration::ZERO), 0);
        assert_eq!(log.take(), ["errback"]);
        value(deferred);

        let (trigger, deferred) = firing(&log);
        drop(trigger);
        assert_eq!(run_woken(), 0, "a loop has run already: so it ran at once");
        assert_eq!(log.take(), ["errback"]);
        value(deferred);
    });
    in_an_abandonment(|| {
        let (trigger, deferred) = firing(&Log::new());
        drop(trigger);
        assert_eq!(run_woken(), 1);
        value(deferred);
    });
}

#[test]
fn a_loop_inside_of_many_hand_overs() {
    fn take_turns(lock: &DeferredLock, left: usize, looped: Count) {
        let next = lock.clone();
        lock.acquire()
            .add_callback(move |guard| {
                if left > 0 {
                    take_turns(&next, left - 1, looped.clone());
                    drop(guard);
                    return;
                }
                // Too deep by now to be run at once.
                let last = next.run(|| Ok("the last"));
                drop(guard);
                let last = last
                    .into_result()
                    .expect_err("it is to wait for the outermost");
                run_woken();
                assert_eq!(value(last), "the last");
                looped.add();
            })
            .detach();
    }
    let looped = Count::new();
    let lock = DeferredLock::new();
    take_turns(&lock, 8, looped.clone());
    assert_eq!(looped.get(), 1);
    assert!(!lock.is_locked());
}

#[test]
fn without_a_look_one_runs_after_the_other() {
    let log = Log::new();
    let sink = log.clone();
    in_an_abandonment(move || {
        let (trigger, deferred) = firing(&sink);
        deferred.ignore();
        drop(trigger);
        sink.add("still in the first");
    });
    assert_eq!(log.take(), ["still in the first", "errback"]);
}

#[test]
fn looks_that_nest() {
    fn down(left: usize, log: Log) {
        if left == 0 {
            return;
        }
        let (trigger, deferred) = Deferred::<()>::pair();
        let inner = log.clone();
        let deferred = deferred.add_errback(move |failure: Failure| {
            down(left - 1, inner);
            Err(failure)
        });
        drop(trigger);
        failure(deferred);
        log.add(left);
    }
    let log = Log::new();
    down(4, log.clone());
    assert_eq!(log.take(), ["1", "2", "3", "4"]);
}

/// Something that looks at a Deferred when it is dropped.
struct Looks(DeferredHandle);

impl Drop for Looks {
    fn drop(&mut self) {
        self.0.state();
    }
}

const MANY: usize = 100_000;

#[test]
fn errbacks_that_look_and_then_drop_the_next_trigger() {
    on_a_small_stack(|| {
        let (_trigger, mut other) = Deferred::<()>::pair();
        let count = Count::new();
        let mut next = None;
        for _ in 0..MANY {
            let (trigger, deferred) = Deferred::<()>::pair();
            let (handle, dropped, count) = (other.handle(), next.take(), count.clone());
            deferred
                .add_errback(move |_abandoned| {
                    handle.state();
                    drop(dropped);
                    count.add();
                    Ok(())
                })
                .ignore();
            next = Some(trigger);
        }
        drop(next);
        assert_eq!(count.get(), MANY);
    });
}

#[test]
fn errbacks_that_look_of_triggers_that_go_together() {
    on_a_small_stack(|| {
        let (_trigger, mut other) = Deferred::<()>::pair();
        let count = Count::new();
        let triggers: Vec<_> = (0..MANY)
            .map(|_| {
                let (trigger, deferred) = Deferred::<()>::pair();
                let (handle, count) = (other.handle(), count.clone());
                deferred
                    .add_errback(move |_abandoned| {
                        handle.state();
                        count.add();
                        Ok(())
                    })
                    .ignore();
                trigger
            })
            .collect();
        in_an_abandonment(|| drop(triggers));
        assert_eq!(count.get(), MANY);
    });
}

#[test]
fn bodies_that_look_and_poll_on_when_their_triggers_go_together() {
    on_a_small_stack(|| {
        let (_trigger, mut other) = Deferred::<()>::pair();
        let count = Count::new();
        let triggers: Vec<_> = (0..MANY)
            .map(|_| {
                let (trigger, deferred) = Deferred::<()>::pair();
                let (handle, count) = (other.handle(), count.clone());
                let body = inline_callbacks(async move {
                    let _abandoned = deferred.await;
                    handle.state();
                    let (_trigger, shared) = sync::Deferred::<()>::pair();
                    let mut shared = pin!(shared);
                    poll_fn(|cx| Poll::Ready(shared.as_mut().poll(cx).is_pending())).await;
                    count.add();
                    Ok(())
                });
                body.ignore();
                trigger
            })
            .collect();
        in_an_abandonment(|| drop(triggers));
        assert_eq!(count.get(), MANY);
    });
}

#[test]
fn drops_that_look() {
    on_a_small_stack(|| {
        let (_trigger, mut other) = Deferred::<()>::pair();
        let mut passed_by = None;
        let mut unfired = None;
        for _ in 0..MANY {
            let (trigger, deferred) = Deferred::<()>::pair();
            let captured = (Looks(other.handle()), passed_by.take());
            deferred
                .add_callback(move |()| {
                    drop(captured);
                    Ok(())
                })
                .ignore();
            passed_by = Some(trigger);

            let captured = (Looks(other.handle()), unfired.take());
            let (trigger, deferred) = Deferred::<()>::with_canceller(move |_| drop(captured));
            deferred.add_callback(|()| Ok(())).ignore();
            unfired = Some(trigger);
        }
        drop(passed_by);
        drop(unfired);
    });
}

#[test]
fn a_look_sees_what_its_own_task_has_dropped_first_and_in_order() {
    let log = Log::new();
    let sink = log;
    in_an_abandonment(move || {
        let (first, a) = firing_as(&sink, "first");
        let (second, b) = firing_as(&sink, "second");
        drop(first);
        drop(second);
        assert_eq!(a.state(), State::Done);
        assert_eq!(sink.take(), ["first", "second"]);
        a.ignore();
        b.ignore();
    });
}

#[test]
fn a_loop_sees_all_that_is_queued() {
    let (first, a) = Deferred::<()>::pair();
    let (second, b) = Deferred::<()>::pair();
    let count = Count::new();
    let counter = count.clone();
    a.add_errback(move |_abandoned| {
        // Its trigger is dropped already, behind that of this one.
        LocalPool::new().run_until(b).unwrap_err();
        counter.add();
        Ok(())
    })
    .ignore();
    in_an_abandonment(move || drop((first, second)));
    assert_eq!(count.get(), 1);
}

/// A trigger of this thread and one of several, and what the second gives: dropping the
/// first fires it.
fn across() -> (Trigger<()>, sync::Deferred<i32>) {
    let (fires, shared) = sync::Deferred::pair();
    let (trigger, deferred) = Deferred::<()>::pair();
    deferred
        .add_errback(move |_abandoned| {
            fires.callback(4).unwrap();
            Ok(())
        })
        .ignore();
    (trigger, shared)
}

#[test]
fn a_look_at_the_other_flavour() {
    in_an_abandonment(|| {
        let (trigger, shared) = across();
        drop(trigger);
        assert_eq!(value(shared), 4);

        let (trigger, shared) = across();
        drop(trigger);
        assert_eq!(shared.state(), State::Done);
        value(shared);
    });
}

#[test]
fn waiting_for_the_other_flavour() {
    in_an_abandonment(|| {
        let (trigger, shared) = across();
        drop(trigger);
        assert_eq!(LocalPool::new().run_until(shared).unwrap(), 4);

        let (trigger, shared) = across();
        let mut pool = LocalPool::new();
        // It is polled after the other task; the executor polls no more after that.
        pool.spawner()
            .spawn_local(async move { drop(trigger) })
            .unwrap();
        assert_eq!(pool.run_until(shared).unwrap(), 4);
    });
}
