//! Timeouts, and sleeping.

use std::rc::Rc;
use std::time::Duration;

use deferred::{
    Abandoned, Cancelled, Clock, Deferred, Failure, State, TimedOut, VirtualClock, sleep, succeed,
};

use crate::support::{Coded, Count, Log, Reports, code, failure, value};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn at_the_deadline_it_fails_with_how_long_it_had() {
    let clock = VirtualClock::new();
    let (trigger, deferred) = Deferred::<i32>::pair();
    let line = line!() + 1;
    let deferred = deferred.add_timeout(3 * SECOND, &clock);
    clock.advance(2 * SECOND);
    assert_eq!(deferred.state(), State::Unfired);
    clock.advance(SECOND);
    assert!(trigger.callback(1).is_ok(), "one late fire is swallowed");
    assert!(trigger.callback(2).is_err());
    let failure = failure(deferred);
    assert_eq!(failure.check::<TimedOut>().unwrap().after(), 3 * SECOND);
    assert_eq!(failure.message(), "the deferred timed out after 3s");
    assert_eq!(failure.raised_at().line(), line);
    assert!(failure.raised_at().file().ends_with("timeout.rs"));
}

#[test]
fn a_result_in_time_stops_the_timer() {
    let clock = VirtualClock::new();
    let (trigger, in_time) = Deferred::pair();
    let in_time = in_time.add_timeout(SECOND, &clock);
    let (failing, fails) = Deferred::<i32>::pair();
    let fails = fails.add_timeout(SECOND, &clock);
    assert_eq!(clock.pending_calls(), 2);
    trigger.callback(1).unwrap();
    assert_eq!(clock.pending_calls(), 1);
    failing.errback(Coded(2)).unwrap();
    assert_eq!(clock.pending_calls(), 0);
    assert_eq!(value(in_time), 1);
    assert_eq!(code(&failure(fails)), 2);
}

#[test]
fn one_that_has_its_result_gets_no_timer() {
    let clock = VirtualClock::new();
    let deferred = succeed(1).add_timeout(SECOND, &clock);
    assert_eq!(clock.pending_calls(), 0);
    assert_eq!(value(deferred), 1);
}

#[test]
fn cancelled_by_hand_it_stays_cancelled() {
    let clock = VirtualClock::new();
    let (_trigger, deferred) = Deferred::<()>::pair();
    let deferred = deferred.add_timeout(SECOND, &clock);
    deferred.cancel();
    assert_eq!(clock.pending_calls(), 0);
    clock.advance(2 * SECOND);
    assert!(failure(deferred).downcast_ref::<Cancelled>().is_some());
}

#[test]
fn it_covers_what_was_added_before_and_not_what_is_added_after() {
    let clock = VirtualClock::new();
    let (_inner, slow) = Deferred::<i32>::pair();
    let (trigger, covered) = Deferred::pair();
    let covered = covered
        .add_callback(move |()| slow)
        .add_timeout(SECOND, &clock);
    trigger.callback(()).unwrap();
    clock.advance(SECOND);
    assert!(failure(covered).is::<TimedOut>());

    let (_inner, slow) = Deferred::<i32>::pair();
    let (trigger, before) = Deferred::pair();
    let before = before
        .add_timeout(SECOND, &clock)
        .add_callback(move |()| slow);
    trigger.callback(()).unwrap();
    assert_eq!(clock.pending_calls(), 0);
    clock.advance(2 * SECOND);
    assert_eq!(before.state(), State::Waiting);
}

#[test]
fn an_earlier_errback_sees_cancelled_and_may_recover() {
    let (clock, log) = (VirtualClock::new(), Log::new());
    let sink = log.clone();
    let (_trigger, deferred) = Deferred::pair();
    let deferred = deferred
        .add_errback(move |failure| {
            sink.add(failure);
            Ok(7)
        })
        .add_timeout(SECOND, &clock);
    clock.advance(SECOND);
    assert_eq!(log.take(), ["the deferred was cancelled"]);
    assert_eq!(value(deferred), 7);
}

#[test]
fn what_a_canceller_gives_stays_as_it_is() {
    let clock = VirtualClock::new();
    let (_trigger, gives) = Deferred::with_canceller(|trigger| {
        let _ = trigger.callback(1);
    });
    let (_trigger, fails) = Deferred::<i32>::with_canceller(|trigger| {
        let _ = trigger.errback(Coded(2));
    });
    let (_trigger, silent) = Deferred::<i32>::with_canceller(|_| ());
    let gives = gives.add_timeout(SECOND, &clock);
    let fails = fails.add_timeout(SECOND, &clock);
    let silent = silent.add_timeout(SECOND, &clock);
    clock.advance(SECOND);
    assert_eq!(value(gives), 1);
    assert_eq!(code(&failure(fails)), 2);
    assert!(failure(silent).is::<TimedOut>());
}

#[test]
fn a_failure_that_was_caused_by_cancelling_says_more() {
    #[derive(Debug)]
    struct Fetch(Cancelled);
    impl std::fmt::Display for Fetch {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("fetching failed")
        }
    }
    impl std::error::Error for Fetch {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let clock = VirtualClock::new();
    let (_trigger, deferred) = Deferred::<()>::pair();
    let deferred = deferred
        .add_errback(|_| Err::<(), _>(Failure::new(Fetch(Cancelled::new()))))
        .add_timeout(SECOND, &clock);
    clock.advance(SECOND);
    assert_eq!(failure(deferred).message(), "fetching failed");
}

#[test]
fn of_several_timeouts_the_earliest_counts() {
    for (first, second, counts) in [(1, 2, 1), (2, 1, 1), (2, 2, 2)] {
        let clock = VirtualClock::new();
        let (_trigger, deferred) = Deferred::<()>::pair();
        let deferred = deferred
            .add_timeout(first * SECOND, &clock)
            .add_timeout(second * SECOND, &clock);
        clock.advance(counts * SECOND);
        assert_eq!(clock.pending_calls(), 0);
        let failure = failure(deferred);
        assert_eq!(
            failure.check::<TimedOut>().unwrap().after(),
            counts * SECOND
        );
    }
}

#[test]
fn paused_at_the_deadline_a_value_passes_all_the_same() {
    let clock = VirtualClock::new();
    let (trigger, mut deferred) = Deferred::pair();
    let pause = deferred.pause();
    let deferred = deferred.add_timeout(SECOND, &clock);
    trigger.callback(1).unwrap();
    clock.advance(2 * SECOND);
    assert_eq!(deferred.state(), State::Paused);
    pause.unpause();
    assert_eq!(value(deferred), 1);
}

#[test]
fn unfired_and_paused_at_the_deadline_it_times_out_when_unpaused() {
    let clock = VirtualClock::new();
    let (_trigger, mut deferred) = Deferred::<()>::pair();
    let pause = deferred.pause();
    let deferred = deferred.add_timeout(SECOND, &clock);
    clock.advance(SECOND);
    let deferred = deferred.into_result().expect_err("held up");
    pause.unpause();
    assert!(failure(deferred).is::<TimedOut>());
}

#[test]
fn one_that_is_waited_for_is_cancelled() {
    let (clock, cancelled) = (VirtualClock::new(), Count::new());
    let count = cancelled.clone();
    let (_inner, slow) = Deferred::<()>::with_canceller(move |_| count.add());
    let deferred = succeed(())
        .add_callback(move |()| slow)
        .add_timeout(SECOND, &clock);
    clock.advance(SECOND);
    assert_eq!(cancelled.get(), 1);
    assert!(failure(deferred).is::<TimedOut>());
}

#[test]
fn a_function_of_ones_own_gets_what_arrives() {
    let (clock, log) = (VirtualClock::new(), Log::new());
    let sink = log.clone();
    let (_trigger, cancelled) = Deferred::pair();
    let cancelled = cancelled.add_timeout_with(SECOND, &clock, move |result: Result<i32, _>| {
        sink.add(result.unwrap_err());
        Ok(5)
    });
    let sink = log.clone();
    let (_trigger, recovered) = Deferred::pair();
    let recovered =
        recovered
            .add_errback(|_| Ok(1))
            .add_timeout_with(SECOND, &clock, move |result| {
                let value = result?;
                sink.add(value);
                Ok(value + 1)
            });
    clock.advance(SECOND);
    assert_eq!(log.take(), ["the deferred was cancelled", "1"]);
    assert_eq!(value(cancelled), 5);
    assert_eq!(value(recovered), 2);
}

#[test]
fn it_may_return_a_deferred() {
    let clock = VirtualClock::new();
    let (trigger, fallback) = Deferred::pair();
    let (_trigger, deferred) = Deferred::<i32>::pair();
    let deferred = deferred.add_timeout_with(SECOND, &clock, move |_| fallback);
    clock.advance(SECOND);
    assert_eq!(deferred.state(), State::Waiting);
    trigger.callback(9).unwrap();
    assert_eq!(value(deferred), 9);
}

#[test]
fn it_is_not_called_in_time_nor_when_cancelled_by_hand() {
    let (clock, dropped) = (VirtualClock::new(), Count::new());
    for is_cancelled in [false, true] {
        let guard = dropped.on_drop();
        let (trigger, deferred) = Deferred::pair();
        let deferred =
            deferred.add_timeout_with(SECOND, &clock, move |_| -> deferred::Result<i32> {
                let _guard = guard;
                panic!("not to be called");
            });
        if is_cancelled {
            deferred.cancel();
            assert!(failure(deferred).is::<Cancelled>());
        } else {
            trigger.callback(1).unwrap();
            assert_eq!(value(deferred), 1);
        }
    }
    assert_eq!(dropped.get(), 2);
    assert_eq!(clock.pending_calls(), 0);
}

#[test]
fn one_that_was_let_go_of_is_cancelled_too_and_reports() {
    Reports::during(|reports| {
        let clock = VirtualClock::new();
        let (_trigger, deferred) = Deferred::<()>::pair();
        deferred.add_timeout(SECOND, &clock).detach();
        clock.advance(SECOND);
        assert_eq!(reports.messages(), ["the deferred timed out after 1s"]);
    });
}

#[test]
fn the_longest_delay_there_is_does_no_harm() {
    let clock = VirtualClock::new();
    clock.advance(SECOND);
    let (trigger, deferred) = Deferred::pair();
    let deferred = deferred.add_timeout(Duration::MAX, &clock);
    clock.advance(Duration::from_secs(1_000_000));
    trigger.callback(1).unwrap();
    assert_eq!(value(deferred), 1);
    assert_eq!(clock.pending_calls(), 0);
}

#[test]
fn a_timeout_of_nothing_waits_for_the_clock() {
    let clock = VirtualClock::new();
    let (_trigger, deferred) = Deferred::<()>::pair();
    let deferred = deferred.add_timeout(Duration::ZERO, &clock);
    assert_eq!(deferred.state(), State::Unfired);
    clock.advance(Duration::ZERO);
    assert!(failure(deferred).is::<TimedOut>());
}

#[test]
fn a_clock_that_ended_times_nothing_out() {
    let clock = VirtualClock::new();
    let (trigger, deferred) = Deferred::<()>::pair();
    let deferred = deferred.add_timeout(SECOND, &clock);
    drop(clock);
    deferred.cancel();
    drop(trigger);
    assert!(failure(deferred).downcast_ref::<Cancelled>().is_some());
}

#[test]
fn it_works_on_a_clock_that_is_an_object() {
    let clock: Rc<dyn Clock> = Rc::new(VirtualClock::new());
    let (_trigger, deferred) = Deferred::<()>::pair();
    let deferred = deferred
        .add_timeout(SECOND, &clock)
        .add_timeout(SECOND, &*clock);
    deferred.cancel();
    assert!(failure(deferred).is::<Cancelled>());
}

#[test]
fn sleeping_takes_its_time_and_can_be_cancelled() {
    let clock = VirtualClock::new();
    let slept = sleep(&clock, SECOND);
    let woken = sleep(&clock, SECOND);
    let lost = sleep(&clock, 2 * SECOND);
    woken.cancel();
    assert!(failure(woken).is::<Cancelled>());
    let slept = slept.into_result().expect_err("it sleeps");
    clock.advance(SECOND);
    value(slept);
    drop(clock);
    assert!(failure(lost).is::<Abandoned>());
}
