//! Clocks, delayed calls, and Deferreds fired by them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use deferred::errors::DelayedCallError;
use deferred::{
    Abandoned, Cancelled, Clock, DelayedCall, Failure, TimerQueue, VirtualClock, defer_later,
};

use crate::support::{Log, failure, value};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn a_step_stops_at_each_call() {
    let (clock, log) = (VirtualClock::new(), Log::new());
    for due in [3, 1, 2] {
        let (seen, sink) = (clock.clone(), log.clone());
        clock.call_later(seconds(due), move || sink.add(seen.now().as_secs()));
    }
    clock.advance(seconds(2));
    assert_eq!(log.take(), ["1", "2"]);
    assert_eq!(clock.pending_calls(), 1);
    clock.advance(seconds(5));
    assert_eq!(log.take(), ["3"]);
    assert_eq!(clock.now(), seconds(7));
}

#[test]
fn a_jump_is_over_before_the_first_call() {
    let (clock, log) = (VirtualClock::new(), Log::new());
    for due in [3, 1] {
        let (seen, sink) = (clock.clone(), log.clone());
        clock.call_later(seconds(due), move || {
            sink.add(format!("{due} at {}", seen.now().as_secs()));
            seen.call_later(Duration::ZERO, move || sink.add("at once"));
        });
    }
    clock.jump(seconds(5));
    assert_eq!(log.take(), ["1 at 5", "3 at 5", "at once", "at once"]);
}

#[test]
fn calls_due_together_are_made_in_the_order_they_were_scheduled_in() {
    let (clock, log) = (VirtualClock::new(), Log::new());
    let calls: Vec<DelayedCall> = (0..5)
        .map(|number| {
            let sink = log.clone();
            clock.call_later(seconds(1), move || sink.add(number))
        })
        .collect();
    // To be scheduled anew is to be scheduled last.
    calls[1].reset(seconds(1)).expect("it waits");
    calls[3].delay(Duration::ZERO).expect("it waits");
    clock.advance(seconds(1));
    assert_eq!(log.take(), ["0", "2", "4", "1", "3"]);
}

#[test]
fn a_call_that_advances_the_clock_itself() {
    let (clock, log) = (VirtualClock::new(), Log::new());
    let (inner, sink) = (clock.clone(), log.clone());
    clock.call_later(seconds(1), move || {
        inner.advance(seconds(10));
        sink.add("outer");
    });
    let sink = log.clone();
    clock.call_later(seconds(2), move || sink.add("inner"));
    clock.advance(seconds(3));
    assert_eq!(log.take(), ["inner", "outer"]);
    assert_eq!(clock.now(), seconds(11));
}

#[test]
fn cancelling_drops_the_closure_and_says_so_the_second_time() {
    let clock = VirtualClock::new();
    let token = Rc::new(());
    let captured = Rc::clone(&token);
    let call = clock.call_later(seconds(1), move || drop(captured));
    assert_eq!(Rc::strong_count(&token), 2);
    assert!(call.cancel(), "it waits");
    assert_eq!(Rc::strong_count(&token), 1);
    assert!(!call.cancel());
    assert_eq!(
        call.delay(seconds(1)),
        Err(DelayedCallError::AlreadyCancelled)
    );
    clock.advance(seconds(2));
}

#[test]
fn a_handle_outlives_its_clock() {
    let clock = VirtualClock::new();
    let call = clock.call_later(seconds(1), || ());
    drop(clock);
    assert!(!call.is_active());
    assert!(!call.cancel());
}

#[test]
fn a_clock_can_be_kept_as_an_object() {
    let virtual_clock = VirtualClock::new();
    let clock: Rc<dyn Clock> = Rc::new(virtual_clock.clone());
    let deferred = defer_later(&*clock, seconds(1), || Ok(clock_name()));
    virtual_clock.advance(seconds(1));
    assert_eq!(value(deferred), "virtual");
}

fn clock_name() -> &'static str {
    "virtual"
}

#[test]
fn defer_later_gives_what_its_function_comes_to() {
    let clock = VirtualClock::new();
    let fine = defer_later(&clock, seconds(1), || Ok(1));
    let fails = defer_later(&clock, seconds(1), || Err::<(), _>(Failure::msg("no")));
    let same = clock.clone();
    let nested = defer_later(&clock, seconds(1), move || {
        defer_later(&same, seconds(1), || Ok(2))
    });
    let panics = defer_later(&clock, seconds(1), || -> deferred::Result<()> {
        panic!("in a timed function")
    });
    clock.advance(seconds(1));
    assert_eq!(value(fine), 1);
    assert_eq!(failure(fails).message(), "no");
    assert_eq!(failure(panics).to_string(), "panicked: in a timed function");
    let nested = nested.into_result().expect_err("it waits");
    clock.advance(seconds(1));
    assert_eq!(value(nested), 2);
}

#[test]
fn defer_later_can_be_cancelled_until_it_is_due() {
    let clock = VirtualClock::new();
    let called = Rc::new(Cell::new(false));
    let note = Rc::clone(&called);
    let deferred = defer_later(&clock, seconds(1), move || note.set(true));
    deferred.cancel();
    assert_eq!(clock.pending_calls(), 0);
    clock.advance(seconds(2));
    assert!(!called.get());
    assert!(failure(deferred).is::<Cancelled>());
}

#[test]
fn defer_later_is_abandoned_with_its_clock() {
    let clock = VirtualClock::new();
    let deferred = defer_later(&clock, seconds(1), || Ok(()));
    drop(clock);
    assert!(failure(deferred).is::<Abandoned>());
}

/// A thousand random programs, next to a list that is sorted at each step.
#[test]
fn the_queue_does_what_a_sorted_list_does() {
    for seed in 1..=1000_u64 {
        let mut random = Random(seed);
        let now = Rc::new(Cell::new(0_u64));
        let clock = Rc::clone(&now);
        let queue = TimerQueue::new(move || Duration::from_nanos(clock.get()));
        let made = Rc::new(RefCell::new(Vec::new()));
        let mut calls = Vec::new();
        // Due time, when it was scheduled, number.
        let mut model: Vec<(u64, usize, usize)> = Vec::new();
        for step in 0..60 {
            let picked = random.below(calls.len().max(1));
            let waits = model.iter().position(|entry| entry.2 == picked);
            match random.below(6) {
                0..=2 => {
                    let due = now.get() + random.below(8) as u64;
                    let (number, sink) = (calls.len(), Rc::clone(&made));
                    let due_at = Duration::from_nanos(due);
                    calls.push(queue.call_at(due_at, move || sink.borrow_mut().push(number)));
                    model.push((due, step, number));
                }
                3 if !calls.is_empty() => {
                    assert_eq!(calls[picked].cancel(), waits.is_some());
                    if let Some(at) = waits {
                        model.remove(at);
                    }
                }
                4 if !calls.is_empty() => {
                    let delay = random.below(8) as u64;
                    let moved = calls[picked].reset(Duration::from_nanos(delay));
                    assert_eq!(moved.is_ok(), waits.is_some());
                    if let Some(at) = waits {
                        model[at] = (now.get() + delay, step, picked);
                    }
                }
                _ => {
                    now.set(now.get() + random.below(5) as u64);
                    queue.run_due(Duration::from_nanos(now.get()));
                    model.sort_unstable();
                    let due = model.partition_point(|entry| entry.0 <= now.get());
                    let expected: Vec<_> = model.drain(..due).map(|entry| entry.2).collect();
                    assert_eq!(made.take(), expected, "seed {seed}, step {step}");
                }
            }
            let first = model.iter().map(|entry| entry.0).min();
            assert_eq!(queue.next_due(), first.map(Duration::from_nanos));
            assert_eq!(queue.len(), model.len());
        }
    }
}

/// Numbers that look random enough, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

#[test]
fn a_call_that_is_always_late_lets_the_others_have_their_turn() {
    let now = Rc::new(Cell::new(Duration::ZERO));
    let clock = Rc::clone(&now);
    let queue = TimerQueue::new(move || clock.get());
    fn every_millisecond(queue: &TimerQueue, due: Duration) {
        let again = queue.clone();
        queue.call_at(due, move || {
            every_millisecond(&again, due + Duration::from_millis(1));
        });
    }
    every_millisecond(&queue, Duration::from_millis(1));
    let log = Log::new();
    let sink = log.clone();
    queue.call_at(Duration::from_millis(15), move || sink.add("called"));
    now.set(Duration::from_millis(16));
    queue.run_due(now.get());
    assert_eq!(log.take(), ["called"]);
    // The call that waits holds the queue that holds it.
    queue.clear();
}

#[test]
fn a_call_that_fails_is_reported_as_unhandled() {
    let clock = VirtualClock::new();
    let timers = TimerQueue::new(|| Duration::ZERO);
    let second = Duration::from_secs(1);
    let ((), unhandled) = deferred::assertions::capture_unhandled(|| {
        clock.call_later(second, || Err::<(), _>(Failure::msg("by itself")));
        let same_clock = clock.clone();
        clock.call_later(second, move || {
            deferred::sleep(&same_clock, second)
                .add_callback(|()| Err::<(), _>(Failure::msg("later")))
        });
        Clock::call_later(&&clock, second, || {
            let _: u8 = "x".parse()?;
            Ok(())
        });
        timers.call_at(second, || Err::<(), _>(Failure::msg("of a queue")));
        clock.advance(second);
        clock.advance(second);
        timers.run_due(second);
    });
    let messages: Vec<_> = unhandled
        .iter()
        .map(|one| one.failure().message())
        .collect();
    assert_eq!(
        messages,
        [
            "by itself",
            "invalid digit found in string",
            "later",
            "of a queue"
        ]
    );
}

#[test]
fn a_cancel_and_a_stop_say_whether_there_was_anything_to_end() {
    let clock = VirtualClock::new();
    let second = Duration::from_secs(1);
    let call = clock.call_later(second, || ());
    assert!(call.cancel());
    assert!(!call.cancel(), "cancelled before");
    let call = clock.call_later(second, || ());
    clock.advance(second);
    assert!(!call.cancel(), "made before");
    assert!(!DelayedCall::inactive().cancel());

    let ticks = deferred::LoopingCall::new(|| ());
    assert!(!ticks.stop());
    let over = ticks.start(&clock, second).unwrap();
    assert!(ticks.stop() && !ticks.stop());
    assert!(over.into_result().is_ok());

    let task = deferred::Cooperator::new(&clock).cooperate([()]);
    assert!(task.stop() && !task.stop());
}
