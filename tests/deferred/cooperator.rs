//! Work in slices.

use std::cell::RefCell;
use std::iter;
use std::rc::Rc;
use std::time::Duration;

use deferred::errors::{CooperatorStopped, TaskFinished, TaskStopped};
use deferred::{
    Abandoned, Cancelled, CooperativeTask, Cooperator, Deferred, Failure, Panicked, State,
    VirtualClock, succeed,
};

use crate::custom_clocks::{TurnClock, WeakClock};
use crate::support::{Coded, Count, Log, Reports, code, failure, result, value};

const SECOND: Duration = Duration::from_secs(1);

fn cooperator() -> (VirtualClock, Cooperator) {
    let clock = VirtualClock::new();
    let cooperator = Cooperator::new(&clock);
    (clock, cooperator)
}

/// An iterator without end that holds something.
fn holding<T: 'static>(held: T) -> impl Iterator<Item = ()> + 'static {
    iter::repeat_with(move || {
        let _held = &held;
    })
}

/// An iterator that logs `name` and a number at each step.
fn steps(log: &Log, name: &'static str, count: usize) -> impl Iterator<Item = ()> + 'static {
    let log = log.clone();
    (0..count).map(move |step| log.add(format!("{name}{step}")))
}

#[test]
fn tasks_make_a_step_each_round_and_round() {
    let (clock, cooperator) = cooperator();
    let log = Log::new();
    let a = cooperator.cooperate(steps(&log, "a", 3)).when_done();
    let b = cooperator.cooperate(steps(&log, "b", 1)).when_done();
    let c = cooperator.coiterate(steps(&log, "c", 2));
    assert!(log.take().is_empty(), "not before the next turn");
    clock.advance(Duration::ZERO);
    assert_eq!(log.take(), ["a0", "b0", "c0", "a1", "c1", "a2"]);
    value(a);
    value(b);
    value(c);
    assert_eq!(clock.pending_calls(), 0);
}

#[test]
fn a_turn_ends_when_its_slice_is_over_and_the_next_goes_on_from_there() {
    let clock = TurnClock::new();
    let cooperator = Cooperator::new(&clock);
    cooperator.set_slice(Duration::from_millis(4));
    let log = Log::new();
    for name in ["a", "b"] {
        let (log, clock) = (log.clone(), clock.clone());
        cooperator.cooperate((0..).map(move |step| {
            clock.pass(Duration::from_millis(1));
            log.add(format!("{name}{step}"));
        }));
    }
    clock.turn();
    assert_eq!(log.take(), ["a0", "b0", "a1", "b1"]);
    cooperator.set_slice(Duration::from_millis(3));
    clock.turn();
    clock.turn();
    assert_eq!(log.take(), ["a2", "b2", "a3", "b3", "a4", "b4"]);
    cooperator.set_slice(Duration::ZERO);
    clock.turn();
    assert_eq!(log.take(), ["a5"], "one step at least");
    cooperator.stop();
}

#[test]
fn on_a_clock_that_stands_still_a_turn_has_so_many_steps() {
    let clock = TurnClock::new();
    let cooperator = Cooperator::new(&clock);
    let count = Count::new();
    let counter = count.clone();
    cooperator.cooperate(iter::repeat_with(move || counter.add()));
    assert_eq!(clock.turn(), 1);
    assert_eq!(count.get(), Cooperator::DEFAULT_MAX_STEPS);
    cooperator.set_max_steps(5);
    clock.turn();
    assert_eq!(count.get(), Cooperator::DEFAULT_MAX_STEPS + 5);
    cooperator.set_max_steps(0);
    clock.turn();
    assert_eq!(count.get(), Cooperator::DEFAULT_MAX_STEPS + 6);
    cooperator.stop();
    assert_eq!(clock.next_due(), None);
}

#[test]
fn other_calls_have_their_turn_between_two_slices() {
    let (clock, cooperator) = cooperator();
    cooperator.set_max_steps(2);
    let log = Log::new();
    let task = cooperator.cooperate(steps(&log, "a", 4));
    let sink = log.clone();
    clock.call_later(Duration::ZERO, move || sink.add("call"));
    clock.advance(Duration::ZERO);
    assert_eq!(log.take(), ["a0", "a1", "call", "a2", "a3"]);
    value(task.when_done());
}

#[test]
fn a_deferred_is_waited_for_while_the_others_go_on() {
    let (clock, cooperator) = cooperator();
    let log = Log::new();
    let (trigger, slow) = Deferred::pair();
    let (sink, mut slow) = (log.clone(), Some(slow));
    let waits = cooperator.coiterate((0..2).map(move |step| {
        sink.add(format!("a{step}"));
        slow.take().unwrap_or_else(|| succeed(0))
    }));
    cooperator.cooperate(steps(&log, "b", 2));
    clock.advance(SECOND);
    assert_eq!(log.take(), ["a0", "b0", "b1"]);
    assert_eq!(clock.pending_calls(), 0);
    trigger.callback(1).unwrap();
    assert!(log.take().is_empty());
    clock.advance(Duration::ZERO);
    assert_eq!(log.take(), ["a1"]);
    value(waits);
}

#[test]
fn a_failure_ends_the_task() {
    let (clock, cooperator) = cooperator();
    let (trigger, slow) = Deferred::<()>::pair();
    let fails = cooperator.coiterate([Err::<(), _>(Failure::new(Coded(1))), Ok(())]);
    let fails_later = cooperator.coiterate([slow]);
    clock.advance(Duration::ZERO);
    assert_eq!(code(&failure(fails)), 1);
    trigger.errback(Coded(2)).unwrap();
    assert_eq!(code(&failure(fails_later)), 2);
    assert_eq!(clock.pending_calls(), 0);
}

#[test]
fn a_panic_ends_the_task_and_no_other() {
    let (clock, cooperator) = cooperator();
    let log = Log::new();
    let panics = cooperator.coiterate(iter::from_fn(|| -> Option<()> { panic!("in a step") }));
    let other = cooperator.coiterate(steps(&log, "b", 2));
    clock.advance(Duration::ZERO);
    let failure = failure(panics);
    assert_eq!(failure.check::<Panicked>().unwrap().message(), "in a step");
    assert_eq!(log.take(), ["b0", "b1"]);
    value(other);
}

#[test]
fn any_number_may_ask_when_it_is_done() {
    let (clock, cooperator) = cooperator();
    let task = cooperator.cooperate([Err::<(), _>(Failure::new(Coded(1)))]);
    let (early, unwanted) = (task.when_done(), task.when_done());
    unwanted.cancel();
    assert!(failure(unwanted).is::<Cancelled>());
    clock.advance(Duration::ZERO);
    assert_eq!(code(&failure(early)), 1);
    assert_eq!(code(&failure(task.when_done())), 1);
    assert_eq!(code(&failure(task.when_done())), 1);
}

#[test]
fn a_failure_that_nobody_asks_for_is_reported() {
    Reports::during(|reports| {
        let (clock, cooperator) = cooperator();
        let failing = || [Err::<(), _>(Failure::new(Coded(1)))];
        let kept = cooperator.cooperate(failing());
        cooperator.cooperate(failing());
        clock.advance(Duration::ZERO);
        assert_eq!(reports.messages(), ["error 1"]);
        assert_eq!(code(&failure(kept.when_done())), 1);
        drop(kept);
        assert!(reports.messages().is_empty(), "it was asked for");

        let stopped = cooperator.cooperate(failing());
        assert!(stopped.stop());
        drop(stopped);
        assert!(reports.messages().is_empty(), "that was asked for, too");
    });
}

#[test]
fn a_paused_task_makes_no_step() {
    let (clock, cooperator) = cooperator();
    let log = Log::new();
    let task = cooperator.cooperate(steps(&log, "a", 1));
    assert!(task.resume().is_err());
    task.pause().unwrap();
    task.pause().unwrap();
    assert_eq!(clock.pending_calls(), 0);
    task.resume().unwrap();
    clock.advance(SECOND);
    assert!(log.take().is_empty());
    task.resume().unwrap();
    assert!(task.resume().is_err());
    clock.advance(SECOND);
    assert_eq!(log.take(), ["a0"]);
    assert_eq!(task.pause(), Err(TaskFinished::Done));
    value(task.when_done());
}

#[test]
fn waiting_and_pausing_are_apart() {
    let (clock, cooperator) = cooperator();
    let log = Log::new();
    let (trigger, slow) = Deferred::<()>::pair();
    let (sink, mut slow) = (log.clone(), Some(slow));
    let task = cooperator.cooperate((0..2).map(move |step| {
        sink.add(step);
        slow.take().unwrap_or_else(|| succeed(()))
    }));
    clock.advance(SECOND);
    assert!(task.resume().is_err(), "it waits");
    task.pause().unwrap();
    trigger.callback(()).unwrap();
    clock.advance(SECOND);
    assert_eq!(log.take(), ["0"]);
    task.resume().unwrap();
    clock.advance(SECOND);
    assert_eq!(log.take(), ["1"]);
}

#[test]
fn a_task_may_pause_or_stop_itself() {
    let (clock, cooperator) = cooperator();
    for stops in [false, true] {
        let (own, freed) = (Rc::new(RefCell::new(None::<CooperativeTask>)), Count::new());
        let (slot, guard, log) = (Rc::clone(&own), freed.on_drop(), Log::new());
        let sink = log.clone();
        let task = cooperator.cooperate((0..2).map(move |step| {
            let _guard = &guard;
            sink.add(step);
            if let Some(task) = slot.take() {
                if stops {
                    assert!(task.stop());
                } else {
                    task.pause().unwrap();
                }
            }
        }));
        own.replace(Some(task.clone()));
        clock.advance(SECOND);
        assert_eq!(log.take(), ["0"]);
        if stops {
            assert!(failure(task.when_done()).is::<TaskStopped>());
        } else {
            task.resume().unwrap();
            clock.advance(SECOND);
            assert_eq!(log.take(), ["1"]);
            value(task.when_done());
        }
        assert_eq!(freed.get(), 1);
    }
}

#[test]
fn stopping_drops_the_iterator_and_says_so() {
    let (clock, cooperator) = cooperator();
    let freed = Count::new();
    let guard = freed.on_drop();
    let task = cooperator.cooperate(holding(guard));
    let (done, count) = (task.when_done(), freed);
    let done = done.add_both(move |result| {
        assert_eq!(count.get(), 1, "dropped before `when_done` fires");
        result
    });
    assert!(task.stop());
    assert!(failure(done).is::<TaskStopped>());
    assert!(!task.stop());
    assert_eq!(task.pause(), Err(TaskFinished::Stopped));
    assert_eq!(clock.pending_calls(), 0);
}

#[test]
fn what_a_stopped_task_waits_for_is_cancelled() {
    Reports::during(|reports| {
        let (clock, cooperator) = cooperator();
        let (_trigger, slow) = Deferred::<()>::pair();
        let (failing, fails) = Deferred::<()>::with_canceller(|trigger| {
            let _ = trigger.errback(Coded(3));
        });
        let tasks = [slow, fails].map(|item| cooperator.cooperate([item]));
        clock.advance(SECOND);
        for task in tasks {
            assert!(task.stop());
            assert!(failure(task.when_done()).is::<TaskStopped>());
        }
        assert_eq!(reports.messages(), ["error 3"]);
        assert!(failing.is_fired());
    });
}

#[test]
fn how_a_task_has_ended_is_told_apart() {
    let (clock, cooperator) = cooperator();
    let done = cooperator.cooperate(iter::empty::<()>());
    let fails = cooperator.cooperate([Err::<(), _>(Failure::new(Coded(1)))]);
    clock.advance(Duration::ZERO);
    assert!(!done.stop());
    assert!(!fails.stop());
    result(fails.when_done()).unwrap_err();
}

#[test]
fn cancelling_what_coiterate_gives_stops_the_task() {
    let (clock, cooperator) = cooperator();
    let freed = Count::new();
    let guard = freed.on_drop();
    let deferred = cooperator.coiterate(holding(guard));
    deferred.cancel();
    assert_eq!(freed.get(), 1);
    assert!(failure(deferred).downcast_ref::<Cancelled>().is_some());
    assert_eq!(clock.pending_calls(), 0);

    let (_trigger, slow) = Deferred::<()>::pair();
    let timed = cooperator.coiterate([slow]).add_timeout(SECOND, &clock);
    clock.advance(SECOND);
    assert!(failure(timed).is::<deferred::TimedOut>());
}

#[test]
fn a_stopped_cooperator_ends_its_tasks_and_takes_none() {
    let (clock, cooperator) = cooperator();
    let forever = || iter::repeat_with(|| ());
    let (ready, paused) = (
        cooperator.cooperate(forever()),
        cooperator.cooperate(forever()),
    );
    paused.pause().unwrap();
    assert!(cooperator.is_running());
    cooperator.stop();
    assert!(!cooperator.is_running());
    assert_eq!(clock.pending_calls(), 0);
    assert!(failure(ready.when_done()).is::<CooperatorStopped>());
    assert!(!ready.stop());
    let waiting = paused.when_done();
    assert_eq!(waiting.state(), State::Unfired);
    paused.resume().unwrap();
    assert!(failure(waiting).is::<CooperatorStopped>());
    assert!(failure(cooperator.coiterate(forever())).is::<CooperatorStopped>());

    cooperator.start();
    let log = Log::new();
    let again = cooperator.coiterate(steps(&log, "a", 1));
    clock.advance(Duration::ZERO);
    value(again);
    assert_eq!(log.take(), ["a0"]);
}

#[test]
fn a_step_may_stop_the_cooperator() {
    let (clock, cooperator) = cooperator();
    let (same, log) = (cooperator.clone(), Log::new());
    let stops = cooperator.coiterate(iter::repeat_with(move || same.stop()));
    let other = cooperator.coiterate(steps(&log, "b", 2));
    clock.advance(SECOND);
    assert!(failure(stops).is::<CooperatorStopped>());
    assert!(failure(other).is::<CooperatorStopped>());
    assert!(log.take().is_empty());
    assert_eq!(clock.pending_calls(), 0);
}

#[test]
fn a_step_may_add_tasks() {
    let (clock, cooperator) = cooperator();
    let (same, log) = (cooperator.clone(), Log::new());
    let sink = log.clone();
    let outer = cooperator.coiterate((0..2).map(move |step| {
        sink.add(format!("a{step}"));
        same.coiterate(steps(&sink, "b", 2))
    }));
    clock.advance(Duration::ZERO);
    assert_eq!(log.take(), ["a0", "b0", "b1", "a1", "b0", "b1"]);
    value(outer);
}

#[test]
fn a_paused_task_that_nobody_can_resume_is_abandoned() {
    let (_clock, cooperator) = cooperator();
    let task = cooperator.cooperate(iter::repeat_with(|| ()));
    task.pause().unwrap();
    let done = task.when_done();
    drop(task);
    assert!(failure(done).is::<Abandoned>());
}

#[test]
fn tasks_are_abandoned_with_their_clock() {
    let owner = Rc::new(VirtualClock::new());
    let cooperator = Cooperator::new(&WeakClock::new(&owner));
    let task = cooperator.cooperate(iter::repeat_with(|| ()));
    let done = task.when_done();
    drop(owner);
    assert!(failure(done).is::<Abandoned>());
    assert!(failure(task.when_done()).is::<Abandoned>());
    let late = cooperator.coiterate(iter::repeat_with(|| ()));
    assert!(failure(late).is::<Abandoned>());
}

#[test]
fn nothing_is_left_when_the_work_is_done() {
    let (clock, freed) = (VirtualClock::new(), Count::new());
    let cooperator = Cooperator::new(&clock);
    let (guard, same) = (freed.on_drop(), cooperator.clone());
    let task = cooperator.cooperate((0..3).map(move |_| {
        let _keep = (&guard, &same);
    }));
    drop(cooperator);
    clock.advance(Duration::ZERO);
    assert_eq!(freed.get(), 1);
    value(task.when_done());
}

#[test]
fn many_tasks_and_many_items_do_not_grow_the_stack() {
    let (clock, cooperator) = cooperator();
    let count = Count::new();
    let done: Vec<_> = (0..1000)
        .map(|_| {
            let count = count.clone();
            cooperator.coiterate((0..100).map(move |_| {
                count.add();
                succeed(())
            }))
        })
        .collect();
    clock.advance(Duration::ZERO);
    assert_eq!(count.get(), 100_000);
    done.into_iter().for_each(value);
}

#[test]
fn a_wait_for_the_end_of_a_task_leaves_it_when_it_is_cancelled() {
    let clock = VirtualClock::new();
    let cooperator = Cooperator::new(&clock);
    let task = cooperator.cooperate(iter::repeat_with(|| ()));
    let stays = task.when_done();
    for _ in 0..100 {
        let mut wait = task.when_done();
        let handle = wait.handle();
        wait.cancel();
        assert!(failure(wait).is::<Cancelled>());
        assert_eq!(handle.state(), None, "the task keeps nothing of it");
    }
    assert_eq!(stays.state(), State::Unfired, "the others still wait");
    assert!(task.stop());
    assert!(failure(stays).is::<TaskStopped>());
}
