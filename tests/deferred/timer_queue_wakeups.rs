//! A timer queue in a loop that has timers of its own.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use deferred::{
    Clock, Deferred, DelayedCall, LoopingCall, TimedOut, TimerQueue, VirtualClock, Wakeup, sleep,
};
use proptest::prelude::*;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A queue whose loop is `foreign`: ten lines, as for any other.
fn in_foreign_loop(foreign: &VirtualClock) -> TimerQueue {
    let (now, timeouts) = (foreign.clone(), foreign.clone());
    let timers = TimerQueue::new(move || now.now());
    timers.on_wakeup(move |wakeup| {
        timeouts.call_later(wakeup.delay(), move || {
            wakeup.run();
        });
    });
    timers
}

/// A queue whose wakeups are kept.
fn with_wakeups(now: &Rc<Cell<Duration>>) -> (TimerQueue, Rc<RefCell<Vec<Wakeup>>>) {
    let (now, wakeups) = (Rc::clone(now), Rc::default());
    let timers = TimerQueue::new(move || now.get());
    let requested: Rc<RefCell<Vec<Wakeup>>> = Rc::clone(&wakeups);
    timers.on_wakeup(move |wakeup| requested.borrow_mut().push(wakeup));
    (timers, wakeups)
}

fn dues(wakeups: &RefCell<Vec<Wakeup>>) -> Vec<u64> {
    wakeups
        .borrow()
        .iter()
        .map(|wakeup| wakeup.due().as_secs())
        .collect()
}

#[test]
fn a_call_that_is_scheduled_or_reset_to_before_the_others_requests_a_wakeup() {
    let (timers, wakeups) = with_wakeups(&Rc::default());
    let minute = timers.call_later(secs(60), || ());
    let later = timers.call_later(secs(90), || ());
    assert_eq!(dues(&wakeups), [60], "the later one needs none");
    minute.reset(secs(50)).unwrap();
    later.reset(secs(40)).unwrap();
    later.reset(secs(45)).unwrap();
    assert_eq!(dues(&wakeups), [60, 50, 40]);
}

#[test]
fn a_delay_requests_a_wakeup_when_the_earlier_one_is_run() {
    let time = Rc::new(Cell::new(Duration::ZERO));
    let (timers, wakeups) = with_wakeups(&time);
    let made = Rc::new(Cell::new(0));
    let count = Rc::clone(&made);
    let call = timers.call_later(secs(10), move || count.set(count.get() + 1));
    call.delay(secs(5)).unwrap();
    assert_eq!(dues(&wakeups), [10]);
    time.set(secs(10));
    let wakeup = wakeups.borrow_mut().pop().unwrap();
    assert_eq!(wakeup.run(), 0, "it was put off");
    assert_eq!(dues(&wakeups), [15]);
    time.set(secs(15));
    let wakeup = wakeups.borrow_mut().pop().unwrap();
    assert_eq!(wakeup.run(), 1);
    assert_eq!((made.get(), wakeups.borrow().len()), (1, 0));
}

#[test]
fn a_call_delayed_from_before_the_start_counts_as_earlier_too() {
    // `delay` counts from when the call was due, so of a call in the past it may still be
    // before all others.
    let time = Rc::new(Cell::new(secs(100)));
    let (timers, wakeups) = with_wakeups(&time);
    timers.call_at(secs(150), || ());
    let past = timers.call_at(secs(10), || ());
    past.delay(secs(20)).unwrap();
    let wakeup = wakeups.borrow_mut().pop().unwrap();
    assert_eq!((wakeup.due(), wakeup.delay()), (secs(10), secs(0)));
    assert_eq!(wakeup.run(), 1);
    assert_eq!(wakeups.borrow_mut().pop().unwrap().due(), secs(150));
}

#[test]
fn what_waits_already_requests_a_wakeup_to_a_hook_that_comes_later() {
    let timers = TimerQueue::new(|| Duration::ZERO);
    timers.call_later(secs(7), || ());
    let told = Rc::new(Cell::new(None));
    let due = Rc::clone(&told);
    timers.on_wakeup(move |wakeup| due.set(Some(wakeup.due())));
    assert_eq!(told.get(), Some(secs(7)));
}

#[test]
fn a_wakeup_that_is_run_too_early_is_requested_again() {
    let time = Rc::new(Cell::new(Duration::ZERO));
    let (timers, wakeups) = with_wakeups(&time);
    timers.call_later(secs(10), || ());
    for _ in 0..3 {
        time.set(time.get() + secs(3));
        let wakeup = wakeups.borrow_mut().pop().unwrap();
        assert_eq!(wakeup.run(), 0);
        assert_eq!(dues(&wakeups), [10]);
    }
    time.set(secs(10));
    let wakeup = wakeups.borrow_mut().pop().unwrap();
    assert_eq!(wakeup.run(), 1);
}

#[test]
fn a_wakeup_that_was_replaced_does_nothing_and_requests_none() {
    let time = Rc::new(Cell::new(Duration::ZERO));
    let (timers, wakeups) = with_wakeups(&time);
    for due in (1..=100).rev() {
        timers.call_later(secs(due), || ());
    }
    assert_eq!(wakeups.borrow().len(), 100);
    time.set(secs(50));
    let mut made = 0;
    for wakeup in wakeups.take() {
        made += wakeup.run();
    }
    assert_eq!(made, 50);
    assert_eq!(dues(&wakeups), [51], "one for the next, not one of each");
}

#[test]
fn calls_scheduled_by_a_call_give_one_wakeup_at_the_end() {
    let time = Rc::new(Cell::new(Duration::ZERO));
    let (timers, wakeups) = with_wakeups(&time);
    let again = timers.clone();
    timers.call_later(secs(1), move || {
        for due in (1..=10).rev() {
            again.call_later(secs(due), || ());
        }
    });
    time.set(secs(1));
    let wakeup = wakeups.borrow_mut().pop().unwrap();
    wakeup.run();
    assert_eq!(dues(&wakeups), [2]);
}

#[test]
fn at_the_very_start_a_wakeup_is_requested_too() {
    let (timers, wakeups) = with_wakeups(&Rc::default());
    let made = Rc::new(Cell::new(0));
    let count = Rc::clone(&made);
    timers.call_later(Duration::ZERO, move || count.set(1));
    let wakeup = wakeups.borrow_mut().pop().unwrap();
    assert_eq!(wakeup.run(), 1);
    timers.call_later(Duration::ZERO, || ());
    assert_eq!(wakeups.borrow().len(), 1);
}

#[test]
fn a_queue_whose_handles_are_gone_is_not_kept_by_wakeups() {
    let foreign = VirtualClock::new();
    let timers = in_foreign_loop(&foreign);
    let alive = Rc::new(());
    let captured = Rc::clone(&alive);
    let call = timers.call_later(secs(5), move || drop(captured));
    drop(timers);
    assert_eq!(Rc::strong_count(&alive), 1);
    assert!(!call.is_active());
    foreign.advance(secs(10));
}

#[test]
fn a_hook_that_panics_is_contained_and_asked_again() {
    let asked = Rc::new(Cell::new(0));
    let count = Rc::clone(&asked);
    let timers = TimerQueue::new(|| Duration::ZERO);
    timers.on_wakeup(move |_wakeup| {
        count.set(count.get() + 1);
        panic!("the other loop is closed");
    });
    timers.call_later(secs(1), || ());
    timers.call_later(secs(2), || ());
    assert_eq!(asked.get(), 2);
    assert_eq!(timers.len(), 2);
}

#[test]
fn all_that_needs_time_runs_in_a_foreign_loop() {
    let foreign = VirtualClock::new();
    let timers = in_foreign_loop(&foreign);
    let beats = Rc::new(Cell::new(0));
    let count = Rc::clone(&beats);
    let heart = LoopingCall::new(move || count.set(count.get() + 1));
    heart.start(&timers, secs(1)).unwrap().detach();
    let (_trigger, late) = Deferred::<()>::pair();
    let late = late.add_timeout(secs(2), &timers);
    let slept = sleep(&timers, secs(3));
    foreign.advance(secs(5));
    assert_eq!(beats.get(), 6);
    assert!(late.into_result().unwrap().unwrap_err().is::<TimedOut>());
    assert!(slept.into_result().unwrap().is_ok());
    assert!(heart.stop());
    foreign.advance(secs(5));
    assert_eq!(foreign.pending_calls(), 0, "nothing is left in the loop");
}

#[derive(Clone, Debug)]
enum Operation {
    Add(u64),
    Cancel(usize),
    Reset(usize, u64),
    Delay(usize, u64),
    /// Lets the foreign loop run for so many seconds.
    Pass(u64),
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        3 => (0_u64..100).prop_map(Operation::Add),
        1 => any::<usize>().prop_map(Operation::Cancel),
        2 => (any::<usize>(), 0_u64..100).prop_map(|(which, span)| Operation::Reset(which, span)),
        1 => (any::<usize>(), 0_u64..50).prop_map(|(which, span)| Operation::Delay(which, span)),
        2 => (0_u64..40).prop_map(Operation::Pass),
    ]
}

proptest! {
    #[test]
    fn whatever_is_scheduled_reset_or_delayed_is_made_when_it_is_due(
        operations in prop::collection::vec(operation(), 1..100)
    ) {
        let foreign = VirtualClock::new();
        let timers = in_foreign_loop(&foreign);
        let mut calls: Vec<(DelayedCall, Rc<Cell<Option<Duration>>>)> = Vec::new();
        let mut changes = 0;
        for operation in operations {
            let count = calls.len();
            changes += 1;
            match operation {
                Operation::Add(span) => {
                    let made_at = Rc::new(Cell::new(None));
                    let (noting, clock) = (Rc::clone(&made_at), foreign.clone());
                    let call = timers.schedule(
                        secs(span),
                        Box::new(move || noting.set(Some(clock.now()))),
                    );
                    calls.push((call, made_at));
                }
                Operation::Cancel(which) if count > 0 => {
                    calls[which % count].0.cancel();
                }
                Operation::Reset(which, span) if count > 0 => {
                    let _ = calls[which % count].0.reset(secs(span));
                }
                Operation::Delay(which, span) if count > 0 => {
                    let _ = calls[which % count].0.delay(secs(span));
                }
                Operation::Pass(span) => foreign.advance(secs(span)),
                _ => {}
            }
            // Each change adds one foreign timer at the most.
            prop_assert!(foreign.pending_calls() <= changes);
        }
        foreign.advance(secs(1000));
        for (call, made_at) in &calls {
            prop_assert!(!call.is_active());
            if let Some(made_at) = made_at.get() {
                prop_assert_eq!(made_at, call.time());
            }
        }
        prop_assert!(timers.is_empty());
        prop_assert_eq!(foreign.pending_calls(), 0);
    }
}

#[test]
fn a_body_may_hold_the_last_handle() {
    let foreign = VirtualClock::new();
    let timers = in_foreign_loop(&foreign);
    let done = Rc::new(Cell::new(false));
    let noting = Rc::clone(&done);
    deferred::inline_callbacks(async move {
        sleep(&timers, secs(15)).await?;
        sleep(&timers, secs(15)).await?;
        noting.set(true);
        Ok(())
    })
    .detach();
    foreign.advance(secs(40));
    assert!(done.get());
}
