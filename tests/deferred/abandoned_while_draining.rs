//! Looks and loops inside of an errback that runs because a trigger was dropped: what is
//! dropped in there is queued, and whatever looks sees what came of it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use deferred::{
    Abandoned, Deferred, DeferredLock, Failure, State, TimerQueue, Trigger, VirtualClock,
    inline_callbacks, run_woken,
};
use futures::executor::LocalPool;
use futures::task::LocalSpawnExt;

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
    let (trigger, deferred) = Deferred::<()>::pair();
    let sink = log.clone();
    let deferred = deferred.add_errback(move |_abandoned| {
        sink.add("errback");
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
        // It is polled after the other, and then nobody polls any more.
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
