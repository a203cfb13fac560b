//! Looping calls.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use deferred::errors::LoopingCallError;
use deferred::{
    Abandoned, Cancelled, Deferred, Failure, LoopingCall, Panicked, State, VirtualClock,
};

use crate::custom_clocks::{CallingClock, TurnClock, WeakClock};
use crate::support::{Coded, Count, Log, Reports, code, failure, value};

const SECOND: Duration = Duration::from_secs(1);

/// A loop that logs when it is called, in milliseconds.
fn logging(clock: &VirtualClock, log: &Log) -> LoopingCall {
    let (clock, log) = (clock.clone(), log.clone());
    LoopingCall::new(move || log.add(clock.now().as_millis()))
}

/// A loop that logs its counts.
fn counting(log: &Log) -> LoopingCall {
    let log = log.clone();
    LoopingCall::with_count(move |count| log.add(count))
}

/// A loop that waits for the Deferreds it is given, one for each call.
fn waiting(deferreds: Vec<Deferred<()>>) -> (LoopingCall, Count) {
    let (calls, mut deferreds) = (Count::new(), deferreds.into_iter());
    let count = calls.clone();
    let looping = LoopingCall::new(move || {
        count.add();
        deferreds.next().unwrap_or_else(|| deferred::succeed(()))
    });
    (looping, calls)
}

#[test]
fn it_starts_at_once_and_goes_on_at_each_interval() {
    let (clock, log) = (VirtualClock::new(), Log::new());
    let looping = logging(&clock, &log);
    assert!(!looping.is_running());
    let ended = looping.start(&clock, SECOND).unwrap();
    assert_eq!(log.take(), ["0"]);
    assert!(looping.is_running());
    clock.advance(2 * SECOND);
    assert_eq!(log.take(), ["1000", "2000"]);
    assert_eq!(ended.state(), State::Unfired);
    assert!(looping.stop());
    assert!(!looping.is_running());
    assert_eq!(clock.pending_calls(), 0);
    value(ended);
}

#[test]
fn it_starts_later_if_asked_to() {
    let (clock, log) = (VirtualClock::new(), Log::new());
    let looping = logging(&clock, &log);
    looping.start_later(&clock, SECOND).unwrap().detach();
    assert!(log.take().is_empty());
    clock.advance(2 * SECOND);
    assert_eq!(log.take(), ["1000", "2000"]);
    assert!(looping.stop());
}

#[test]
fn being_late_does_not_add_up() {
    let (clock, log) = (VirtualClock::new(), Log::new());
    let looping = logging(&clock, &log);
    looping.start(&clock, SECOND).unwrap().detach();
    for _ in 0..5 {
        clock.jump(Duration::from_millis(1100));
    }
    assert_eq!(log.take(), ["0", "1100", "2200", "3300", "4400", "5500"]);
    clock.jump(Duration::from_millis(499));
    assert!(log.take().is_empty());
    clock.jump(Duration::from_millis(1));
    assert_eq!(log.take(), ["6000"]);
    assert!(looping.stop());
}

#[test]
fn missed_times_are_left_out_and_the_next_is_in_the_future() {
    let (clock, log) = (VirtualClock::new(), Log::new());
    let looping = logging(&clock, &log);
    looping.start(&clock, SECOND).unwrap().detach();
    clock.jump(Duration::from_millis(3500));
    clock.jump(Duration::from_millis(500));
    // Exactly at a due time, the next one is the one after.
    assert_eq!(log.take(), ["0", "3500", "4000"]);
    clock.jump(Duration::ZERO);
    assert!(log.take().is_empty());
    assert!(looping.stop());
}

#[test]
fn the_times_are_exact_after_many_odd_intervals() {
    let (clock, calls) = (VirtualClock::new(), Rc::new(Cell::new(0_u32)));
    let (count, seen) = (Rc::clone(&calls), clock.clone());
    let interval = Duration::from_nanos(333_333_333);
    clock.advance(Duration::from_nanos(7));
    let looping = LoopingCall::new(move || {
        let due = Duration::from_nanos(7) + interval * count.get();
        assert_eq!(seen.now(), due);
        count.set(count.get() + 1);
    });
    let ended = looping.start(&clock, interval).unwrap();
    clock.advance(interval * 100_000);
    assert_eq!(calls.get(), 100_001);
    assert!(looping.stop());
    value(ended);
}

#[test]
fn a_returned_deferred_is_waited_for() {
    let clock = VirtualClock::new();
    let (trigger, slow) = Deferred::pair();
    let (looping, calls) = waiting(vec![slow]);
    looping.start(&clock, SECOND).unwrap().detach();
    clock.advance(Duration::from_millis(2500));
    assert_eq!((calls.get(), clock.pending_calls()), (1, 0));
    assert!(looping.is_running());
    trigger.callback(()).unwrap();
    assert_eq!(calls.get(), 1);
    clock.advance(Duration::from_millis(500));
    assert_eq!(calls.get(), 2);
    assert!(looping.stop());
}

#[test]
fn a_failure_ends_it() {
    let clock = VirtualClock::new();
    let mut codes = [Ok(()), Err(Failure::new(Coded(4)))].into_iter();
    let looping = LoopingCall::new(move || codes.next().expect("two calls"));
    let ended = looping.start(&clock, SECOND).unwrap();
    clock.advance(5 * SECOND);
    assert_eq!(code(&failure(ended)), 4);
    assert!(!looping.is_running());
    assert!(!looping.stop());
    assert_eq!(clock.pending_calls(), 0);
}

#[test]
fn so_does_the_failure_of_the_returned_deferred() {
    let clock = VirtualClock::new();
    let (trigger, slow) = Deferred::pair();
    let (looping, _) = waiting(vec![slow]);
    let ended = looping.start(&clock, SECOND).unwrap();
    trigger.errback(Coded(5)).unwrap();
    assert_eq!(code(&failure(ended)), 5);
    assert!(!looping.is_running());

    let (trigger, slow) = Deferred::pair();
    let (looping, _) = waiting(vec![slow]);
    let ended = looping.start(&clock, SECOND).unwrap();
    drop(trigger);
    assert!(failure(ended).is::<Abandoned>());
}

#[test]
fn a_panic_ends_it_and_it_can_be_started_again() {
    let (clock, calls) = (VirtualClock::new(), Count::new());
    let count = calls.clone();
    let looping = LoopingCall::new(move || {
        count.add();
        assert_ne!(count.get(), 1, "the first one");
    });
    let ended = looping.start(&clock, SECOND).unwrap();
    assert!(failure(ended).is::<Panicked>());
    looping.start(&clock, SECOND).unwrap().detach();
    clock.advance(SECOND);
    assert_eq!(calls.get(), 3);
    assert!(looping.stop());
}

#[test]
fn stopped_while_a_call_waits_it_ends_with_the_call() {
    let clock = VirtualClock::new();
    for fails in [false, true] {
        let (trigger, slow) = Deferred::pair();
        let (looping, calls) = waiting(vec![slow]);
        let ended = looping.start(&clock, SECOND).unwrap();
        assert!(looping.stop());
        assert!(!looping.is_running());
        assert_eq!(ended.state(), State::Unfired);
        assert!(!looping.stop());
        assert_eq!(looping.reset(), Err(LoopingCallError::NotRunning));
        if fails {
            trigger.errback(Coded(6)).unwrap();
            assert_eq!(code(&failure(ended)), 6);
        } else {
            trigger.callback(()).unwrap();
            value(ended);
        }
        clock.advance(2 * SECOND);
        assert_eq!(calls.get(), 1);
    }
}

#[test]
fn the_function_may_stop_its_own_loop() {
    let clock = VirtualClock::new();
    for result in [Ok(()), Err(7)] {
        let slot = Rc::new(RefCell::new(None::<LoopingCall>));
        let own = Rc::clone(&slot);
        let looping = LoopingCall::new(move || {
            own.take().expect("called once").stop();
            result.map_err(|code| Failure::new(Coded(code)))
        });
        slot.replace(Some(looping.clone()));
        let ended = looping.start(&clock, SECOND).unwrap();
        match result {
            Ok(()) => value(ended),
            Err(expected) => assert_eq!(code(&failure(ended)), expected),
        }
        assert_eq!(clock.pending_calls(), 0);
    }
}

#[test]
fn it_runs_once_at_a_time() {
    let clock = VirtualClock::new();
    let (trigger, slow) = Deferred::pair();
    let (looping, calls) = waiting(vec![slow]);
    let start = || looping.start(&clock, SECOND).map(Deferred::detach);
    assert!(!looping.stop());
    assert_eq!(looping.reset(), Err(LoopingCallError::NotRunning));
    start().unwrap();
    assert_eq!(start(), Err(LoopingCallError::AlreadyRunning));
    assert!(looping.stop());
    assert_eq!(start(), Err(LoopingCallError::StillCalling));
    trigger.callback(()).unwrap();
    start().unwrap();
    assert_eq!(start(), Err(LoopingCallError::AlreadyRunning));
    assert_eq!(calls.get(), 2);
    assert!(looping.stop());
}

#[test]
fn a_clock_that_starts_it_while_a_call_is_due_is_refused() {
    let clock = CallingClock {
        clock: VirtualClock::new(),
        next: Rc::default(),
    };
    let (first, slow) = Deferred::pair();
    let (looping, calls) = waiting(vec![deferred::succeed(()), slow]);
    let looping = Rc::new(looping);
    looping.start(&clock, SECOND).unwrap().detach();
    let (again, refused) = (Rc::clone(&looping), Log::new());
    let (log, same) = (refused.clone(), clock.clone());
    clock.next.set(Some(Box::new(move || {
        let started = again.start(&same, SECOND).map(Deferred::detach);
        log.add(format!("{started:?}"));
    })));
    clock.clock.advance(SECOND);
    assert_eq!(refused.take(), ["Err(AlreadyRunning)"]);
    assert_eq!(calls.get(), 2);
    first.callback(()).unwrap();
    clock.clock.advance(SECOND);
    assert_eq!(calls.get(), 3);
    assert!(looping.stop());
}

#[test]
fn a_callback_of_its_deferred_may_start_it_again() {
    let (clock, log) = (VirtualClock::new(), Log::new());
    let looping = logging(&clock, &log);
    let (again, same_clock) = (looping.clone(), clock.clone());
    let restarted = looping
        .start(&clock, SECOND)
        .unwrap()
        .add_callback(move |()| again.start(&same_clock, 2 * SECOND).unwrap());
    clock.advance(SECOND);
    assert!(looping.stop());
    clock.advance(2 * SECOND);
    assert_eq!(log.take(), ["0", "1000", "1000", "3000"]);
    assert!(looping.stop());
    value(restarted);
}

#[test]
fn counts_say_how_many_times_have_come() {
    let (clock, log) = (VirtualClock::new(), Log::new());
    let looping = counting(&log);
    looping.start(&clock, SECOND).unwrap().detach();
    clock.jump(SECOND);
    clock.jump(3 * SECOND);
    clock.jump(Duration::from_millis(2500));
    clock.jump(Duration::from_millis(500));
    assert_eq!(log.take(), ["1", "1", "3", "2", "1"]);
    assert!(looping.stop());

    looping.start_later(&clock, SECOND).unwrap().detach();
    clock.jump(2 * SECOND);
    clock.jump(SECOND);
    assert_eq!(log.take(), ["2", "1"]);
    assert!(looping.stop());
}

#[test]
fn counting_starts_afresh_at_a_start_and_at_a_reset() {
    let (clock, log) = (VirtualClock::new(), Log::new());
    let looping = counting(&log);
    looping.start(&clock, SECOND).unwrap().detach();
    clock.jump(SECOND);
    assert!(looping.stop());
    clock.jump(10 * SECOND);
    looping.start(&clock, SECOND).unwrap().detach();
    assert_eq!(log.take(), ["1", "1", "1"]);
    clock.jump(4 * SECOND);
    assert_eq!(log.take(), ["4"]);
    looping.reset().unwrap();
    clock.jump(2 * SECOND);
    assert_eq!(log.take(), ["2"]);
    assert!(looping.stop());
}

#[test]
fn counting_goes_on_while_a_call_waits() {
    let (clock, log) = (VirtualClock::new(), Log::new());
    let (trigger, slow) = Deferred::<()>::pair();
    let (sink, slot) = (log.clone(), Cell::new(Some(slow)));
    let looping = LoopingCall::with_count(move |count| {
        sink.add(count);
        slot.take().unwrap_or_else(|| deferred::succeed(()))
    });
    looping.start(&clock, SECOND).unwrap().detach();
    clock.advance(Duration::from_millis(3500));
    trigger.callback(()).unwrap();
    clock.advance(Duration::from_millis(500));
    assert_eq!(log.take(), ["1", "4"]);
    assert!(looping.stop());
}

#[test]
fn without_an_interval_it_is_called_as_often_as_the_clock_calls() {
    let clock = TurnClock::new();
    let log = Log::new();
    let looping = counting(&log);
    let ended = looping.start(&clock, Duration::ZERO).unwrap();
    for _ in 0..3 {
        assert_eq!(clock.turn(), 1, "once a turn");
    }
    clock.pass(SECOND);
    clock.turn();
    assert_eq!(log.take(), ["1"; 5]);
    looping.reset().unwrap();
    assert_eq!(clock.next_due(), Some(SECOND));
    assert!(looping.stop());
    value(ended);
}

#[test]
fn a_reset_starts_the_interval_anew() {
    let (clock, log) = (VirtualClock::new(), Log::new());
    let looping = logging(&clock, &log);
    looping.start(&clock, SECOND).unwrap().detach();
    clock.advance(Duration::from_millis(1700));
    looping.reset().unwrap();
    clock.advance(Duration::from_millis(2000));
    assert_eq!(log.take(), ["0", "1000", "2700", "3700"]);
    assert_eq!(clock.pending_calls(), 1);
    assert!(looping.stop());
}

#[test]
fn while_a_call_waits_a_reset_does_nothing() {
    let clock = VirtualClock::new();
    let (trigger, slow) = Deferred::pair();
    let (looping, calls) = waiting(vec![slow]);
    looping.start(&clock, SECOND).unwrap().detach();
    clock.advance(Duration::from_millis(500));
    looping.reset().unwrap();
    trigger.callback(()).unwrap();
    clock.advance(Duration::from_millis(500));
    assert_eq!(calls.get(), 2);
    assert!(looping.stop());
}

#[test]
fn cancelling_its_deferred_stops_it() {
    let (clock, log) = (VirtualClock::new(), Log::new());
    let looping = logging(&clock, &log);
    let ended = looping.start(&clock, SECOND).unwrap();
    ended.cancel();
    assert!(!looping.is_running());
    assert_eq!(clock.pending_calls(), 0);
    assert!(failure(ended).is::<Cancelled>());
    clock.advance(2 * SECOND);
    assert_eq!(log.take(), ["0"]);
    looping.start(&clock, SECOND).unwrap().detach();
    assert!(looping.stop());
}

#[test]
fn cancelling_it_cancels_what_a_call_waits_for() {
    Reports::during(|reports| {
        let clock = VirtualClock::new();
        let (_trigger, slow) = Deferred::pair();
        let (looping, _) = waiting(vec![slow]);
        let ended = looping.start(&clock, SECOND).unwrap();
        ended.cancel();
        assert!(failure(ended).is::<Cancelled>());
        looping.start(&clock, SECOND).unwrap().detach();
        assert!(looping.stop());
        assert!(reports.messages().is_empty());
    });
}

#[test]
fn a_call_that_recovers_from_the_cancel_ends_the_loop_in_order() {
    let clock = VirtualClock::new();
    let (_trigger, slow) = Deferred::with_canceller(|trigger| {
        let _ = trigger.callback(());
    });
    let (looping, calls) = waiting(vec![slow]);
    let ended = looping.start(&clock, SECOND).unwrap();
    ended.cancel();
    value(ended);
    clock.advance(2 * SECOND);
    assert_eq!(calls.get(), 1);
}

#[test]
fn cancelled_while_a_call_cannot_end_it_is_refused_until_that_has_ended() {
    Reports::during(|reports| {
        let clock = VirtualClock::new();
        let (trigger, mut slow) = Deferred::pair();
        let pause = slow.pause();
        let (looping, _) = waiting(vec![slow]);
        let ended = looping.start(&clock, SECOND).unwrap();
        trigger.errback(Coded(8)).unwrap();
        ended.cancel();
        assert!(failure(ended).is::<Cancelled>());
        let again = looping.start(&clock, SECOND).map(Deferred::detach);
        assert_eq!(again, Err(LoopingCallError::StillCalling));
        pause.unpause();
        assert_eq!(
            reports.messages(),
            ["error 8"],
            "no waiter is left, so it is reported"
        );
        looping.start(&clock, SECOND).unwrap().detach();
        assert!(looping.stop());
    });
}

#[test]
fn cancelled_from_inside_the_function() {
    Reports::during(|reports| {
        let clock = VirtualClock::new();
        let handle = Rc::new(RefCell::new(None::<deferred::DeferredHandle>));
        let (own, cancelled) = (Rc::clone(&handle), Count::new());
        let (count, unfired) = (cancelled.clone(), RefCell::new(None));
        let looping = LoopingCall::new(move || {
            if let Some(handle) = own.take() {
                handle.cancel();
            }
            let count = count.clone();
            let (trigger, slow) = Deferred::<()>::with_canceller(move |_| count.add());
            unfired.replace(Some(trigger));
            slow
        });
        let mut ended = looping.start_later(&clock, SECOND).unwrap();
        handle.replace(Some(ended.handle()));
        clock.advance(SECOND);
        assert_eq!(cancelled.get(), 1, "what it returned is wanted no more");
        assert!(failure(ended).is::<Cancelled>());
        assert!(!looping.is_running());
        assert!(reports.messages().is_empty());
    });
}

#[test]
fn letting_go_of_all_handles_does_not_stop_it() {
    let (clock, log) = (VirtualClock::new(), Log::new());
    let ended = logging(&clock, &log).start(&clock, SECOND).unwrap();
    clock.advance(SECOND);
    assert_eq!(log.take(), ["0", "1000"]);
    ended.cancel();
    assert_eq!(clock.pending_calls(), 0);
    ended.ignore();
}

#[test]
fn its_failure_is_reported_if_nobody_kept_its_deferred() {
    Reports::during(|reports| {
        let clock = VirtualClock::new();
        let looping = LoopingCall::new(|| Err::<(), _>(Failure::new(Coded(3))));
        looping.start_later(&clock, SECOND).unwrap().detach();
        clock.advance(SECOND);
        assert_eq!(reports.messages(), ["error 3"]);
    });
}

#[test]
fn it_is_abandoned_with_its_clock() {
    let (owner, log) = (Rc::new(VirtualClock::new()), Log::new());
    let clock = WeakClock::new(&owner);
    let sink = log.clone();
    let looping = LoopingCall::new(move || sink.add("called"));
    let ended = looping.start(&clock, SECOND).unwrap();
    drop(owner);
    assert!(!looping.is_running());
    assert!(failure(ended).is::<Abandoned>());

    let dead = looping.start(&clock, SECOND).unwrap();
    assert!(failure(dead).is::<Abandoned>());
    assert!(!looping.is_running());
    assert_eq!(log.take(), ["called", "called"]);
}

#[test]
fn a_clock_that_ends_while_a_call_waits_ends_it_too() {
    let owner = Rc::new(VirtualClock::new());
    let clock = WeakClock::new(&owner);
    let (trigger, slow) = Deferred::pair();
    let (looping, _) = waiting(vec![slow]);
    let ended = looping.start(&clock, SECOND).unwrap();
    drop(owner);
    assert_eq!(ended.state(), State::Unfired);
    trigger.callback(()).unwrap();
    assert!(failure(ended).is::<Abandoned>());
}

#[test]
fn nothing_is_left_when_it_is_over() {
    for how in 0..4 {
        let (clock, freed) = (VirtualClock::new(), Count::new());
        let (guard, same) = (freed.on_drop(), clock.clone());
        let mut calls = 0;
        let looping = LoopingCall::new(move || {
            let _keep = (&guard, &same);
            calls += 1;
            if how == 2 && calls == 2 {
                return Err(Failure::new(Coded(1)));
            }
            Ok(())
        });
        let ended = looping.start(&clock, SECOND).unwrap();
        clock.advance(SECOND);
        match how {
            0 => assert!(looping.stop()),
            1 => ended.cancel(),
            2 => assert!(!looping.is_running()),
            _ => {
                looping.reset().unwrap();
                assert!(looping.stop());
            }
        }
        assert_eq!(freed.get(), 0);
        drop(looping);
        assert_eq!(freed.get(), 1, "case {how}");
        ended.ignore();
    }
}

#[test]
fn an_interval_without_end() {
    let (clock, log) = (VirtualClock::new(), Log::new());
    let looping = counting(&log);
    looping.start(&clock, Duration::MAX).unwrap().detach();
    clock.advance(Duration::from_secs(1 << 33));
    looping.reset().unwrap();
    assert_eq!(log.take(), ["1"]);
    assert!(looping.stop());
}

#[test]
fn a_function_that_is_given_its_loop_stops_it_and_is_freed() {
    let (clock, log) = (VirtualClock::new(), Log::new());
    let captured = Rc::new(());
    let (held, noting) = (Rc::clone(&captured), log.clone());
    let mut left = 3;
    let looping = LoopingCall::with_loop(move |looping| {
        let _held = &held;
        noting.add("called");
        left -= 1;
        if left == 0 {
            assert!(looping.stop());
        }
    });
    let ended = looping.start(&clock, SECOND).unwrap();
    drop(looping);
    clock.advance(10 * SECOND);
    value(ended);
    assert_eq!(log.take(), ["called"; 3]);
    assert_eq!(Rc::strong_count(&captured), 1, "there is no circle");
    assert_eq!(clock.pending_calls(), 0);
}

#[test]
fn a_function_that_is_given_its_loop_may_fail_panic_wait_and_change_it() {
    let (clock, log) = (VirtualClock::new(), Log::new());
    let looping = LoopingCall::with_loop(|_| Err::<(), _>(Failure::new(Coded(1))));
    let failed = failure(looping.start(&clock, SECOND).unwrap());
    assert_eq!(code(&failed), 1);
    let looping = LoopingCall::with_loop(|_| -> () { panic!("no") });
    assert!(failure(looping.start(&clock, SECOND).unwrap()).is::<Panicked>());

    let (slow, noting) = (clock.clone(), log.clone());
    let looping = LoopingCall::with_loop(move |looping| {
        noting.add(slow.now().as_secs());
        looping.set_interval(4 * SECOND).unwrap();
        deferred::sleep(&slow, SECOND)
    });
    let ended = looping.start(&clock, SECOND).unwrap();
    clock.advance(9 * SECOND);
    assert!(looping.stop());
    clock.advance(SECOND);
    value(ended);
    assert_eq!(log.take(), ["0", "4", "8"]);
}

#[test]
fn another_interval_counts_from_the_last_call() {
    let (clock, log) = (VirtualClock::new(), Log::new());
    let looping = logging(&clock, &log);
    assert_eq!(
        looping.set_interval(SECOND),
        Err(LoopingCallError::NotRunning)
    );
    looping.start(&clock, 10 * SECOND).unwrap().detach();
    clock.advance(13 * SECOND);
    // Longer: 60 after the call at 10.
    looping.set_interval(60 * SECOND).unwrap();
    clock.advance(57 * SECOND);
    assert_eq!(log.take(), ["0", "10000", "70000"]);
    // Shorter: 5 after the call at 70.
    clock.advance(2 * SECOND);
    looping.set_interval(5 * SECOND).unwrap();
    clock.advance(8 * SECOND);
    assert_eq!(log.take(), ["75000", "80000"]);
    // Shorter than what has passed since 80: at the next multiple.
    looping.set_interval(100 * SECOND).unwrap();
    clock.advance(31 * SECOND);
    looping.set_interval(10 * SECOND).unwrap();
    assert!(log.take().is_empty(), "never from inside");
    clock.advance(9 * SECOND);
    assert_eq!(log.take(), ["120000"]);
    assert!(looping.stop());
    assert_eq!(clock.pending_calls(), 0);
    assert_eq!(
        looping.set_interval(SECOND),
        Err(LoopingCallError::NotRunning)
    );
}

#[test]
fn another_interval_counts_from_the_start_or_the_reset_if_there_was_no_call() {
    let (clock, log) = (VirtualClock::new(), Log::new());
    let looping = logging(&clock, &log);
    looping.start_later(&clock, 10 * SECOND).unwrap().detach();
    clock.advance(SECOND);
    looping.set_interval(4 * SECOND).unwrap();
    clock.advance(3 * SECOND);
    assert_eq!(log.take(), ["4000"]);
    clock.advance(SECOND);
    looping.reset().unwrap();
    looping.set_interval(2 * SECOND).unwrap();
    clock.advance(2 * SECOND);
    assert_eq!(log.take(), ["7000"]);
    assert!(looping.stop());
}

#[test]
fn another_interval_during_a_call_that_waits_counts_from_its_beginning() {
    let (clock, log) = (VirtualClock::new(), Log::new());
    let (slow, noting) = (clock.clone(), log.clone());
    let looping = LoopingCall::new(move || {
        noting.add(slow.now().as_secs());
        deferred::sleep(&slow, 3 * SECOND)
    });
    let ended = looping.start(&clock, 60 * SECOND).unwrap();
    clock.advance(2 * SECOND);
    looping.set_interval(5 * SECOND).unwrap();
    // Not during the call, however short it is.
    clock.advance(3 * SECOND);
    assert_eq!(log.take(), ["0", "5"]);
    looping.set_interval(2 * SECOND).unwrap();
    clock.advance(3 * SECOND);
    assert!(log.take().is_empty());
    clock.advance(SECOND);
    assert_eq!(log.take(), ["9"], "the call ended at 8, and 7 was missed");
    assert!(looping.stop());
    assert_eq!(
        looping.set_interval(SECOND),
        Err(LoopingCallError::NotRunning)
    );
    ended.cancel();
    assert!(failure(ended).is::<Cancelled>());
}

#[test]
fn another_interval_changes_the_counts() {
    let (clock, log) = (VirtualClock::new(), Log::new());
    let looping = counting(&log);
    looping.start(&clock, 10 * SECOND).unwrap().detach();
    clock.jump(20 * SECOND);
    assert_eq!(log.take(), ["1", "2"]);
    looping.set_interval(2 * SECOND).unwrap();
    clock.jump(7 * SECOND);
    assert_eq!(log.take(), ["3"], "three times two seconds since the last");
    looping.set_interval(Duration::ZERO).unwrap();
    assert!(looping.stop());
}

#[test]
fn no_call_is_made_beyond_the_end_of_time() {
    for interval in [Duration::ZERO, SECOND, Duration::MAX] {
        let (clock, calls) = (VirtualClock::new(), Count::new());
        let count = calls.clone();
        let looping = LoopingCall::new(move || {
            count.add();
            assert!(count.get() < 1000, "time has ended");
        });
        looping.start_later(&clock, interval).unwrap().detach();
        clock.jump(Duration::MAX);
        let made = calls.get();
        assert!(made <= 1, "{made} calls with {interval:?}");
        assert!(looping.is_running(), "it waits for ever");
        clock.jump(SECOND);
        assert_eq!(calls.get(), made);
        assert!(looping.stop());
        assert_eq!(clock.pending_calls(), 0);
    }
}
