//! Loops by returned Deferreds take constant memory, because the last waiter is handed down;
//! nothing else shows that.

use std::cell::RefCell;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use deferred::errors::WaitCycle;
use deferred::{
    Cancelled, Deferred, DeferredHandle, State, Trigger, VirtualClock, inline_callbacks, sleep,
    succeed,
};

use crate::support::{Coded, Count, Log, code, failure, value};

const MS: Duration = Duration::from_millis(1);

fn go(clock: &VirtualClock, rounds: usize) -> Deferred<usize> {
    let again = clock.clone();
    sleep(clock, MS).add_callback(move |()| match rounds {
        0 => succeed(7),
        _ => go(&again, rounds - 1),
    })
}

/// How many links `Debug` shows that wait, from `deferred` down.
fn waiting<T>(deferred: &Deferred<T>) -> usize {
    format!("{deferred:?}").matches("state: Waiting").count()
}

#[test]
fn a_loop_waits_with_one_link() {
    let clock = VirtualClock::new();
    let looping = go(&clock, 1000);
    for _ in 0..1000 {
        clock.advance(MS);
        assert_eq!(waiting(&looping), 1);
    }
    clock.advance(MS);
    assert_eq!(value(looping), 7);
}

#[test]
fn a_loop_whose_end_was_let_go_waits_with_one_link_and_goes_on() {
    let clock = VirtualClock::new();
    let log = Log::new();
    let sink = log.clone();
    go(&clock, 100).add_callback(move |n| sink.add(n)).detach();
    clock.advance(MS * 101);
    assert_eq!(log.take(), ["7"]);
}

/// The most memory that this process has had, in KiB.
fn most_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let line = line.unwrap().trim().trim_end_matches(" kB");
    line.parse().unwrap()
}

/// Runs the test `name` by itself in a process of its own, where it calls `body`; fails if
/// that takes more than 16 MiB of memory.
fn alone(name: &str, body: fn()) {
    const ALONE: &str = "DEFERRED_TESTS_ALONE";
    if std::env::var_os(ALONE).is_some() {
        let before = most_memory();
        body();
        let grown = most_memory() - before;
        assert!(grown < 16 << 10, "{grown} KiB");
        return;
    }
    let program = std::env::current_exe().unwrap();
    let test = format!("constant_memory_loops::{name}");
    let output = Command::new(program)
        .args([&test, "--exact", "--test-threads=1"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

const ROUNDS: usize = 300_000;

#[test]
fn a_loop_takes_constant_memory() {
    if std::env::var_os("MEMORY_IS_KEPT").is_some() {
        return;
    }
    alone("a_loop_takes_constant_memory", || {
        let clock = VirtualClock::new();
        let looping = go(&clock, ROUNDS);
        clock.advance(MS * (ROUNDS as u32 + 1));
        assert_eq!(value(looping), 7);
    });
}

#[test]
fn a_loop_whose_handles_are_dropped_late_takes_constant_memory() {
    type Kept = Rc<RefCell<Vec<DeferredHandle>>>;
    fn go(clock: &VirtualClock, rounds: usize, kept: &Kept) -> Deferred<()> {
        let (again, kept_on) = (clock.clone(), Rc::clone(kept));
        let mut round = sleep(clock, MS).add_callback(move |()| match rounds {
            0 => succeed(()),
            _ => go(&again, rounds - 1, &kept_on),
        });
        let mut kept = kept.borrow_mut();
        kept.push(round.handle());
        if kept.len() == 100 {
            kept.clear();
        }
        round
    }
    if std::env::var_os("MEMORY_IS_KEPT").is_some() {
        return;
    }
    alone(
        "a_loop_whose_handles_are_dropped_late_takes_constant_memory",
        || {
            let clock = VirtualClock::new();
            let looping = go(&clock, ROUNDS, &Kept::default());
            clock.advance(MS * (ROUNDS as u32 + 1));
            value(looping);
        },
    );
}

/// A chain that waits for a second, which waits for a third: the trigger of that, a
/// handle of the second, and the first.
fn three(cancelled: &Count) -> (Trigger<i32>, DeferredHandle, Deferred<i32>) {
    let cancelled = cancelled.clone();
    let (third_trigger, third) = Deferred::with_canceller(move |_| cancelled.add());
    let (second_trigger, second) = Deferred::pair();
    let mut second = second.add_callback(move |()| third);
    let handle = second.handle();
    let first = succeed(()).add_callback(move |()| second);
    second_trigger.callback(()).unwrap();
    (third_trigger, handle, first)
}

#[test]
fn a_link_with_a_handle_is_kept_and_a_cancel_goes_on_from_it() {
    let cancelled = Count::new();
    let (_trigger, handle, first) = three(&cancelled);
    assert_eq!(waiting(&first), 2);
    assert_eq!(handle.state(), Some(State::Waiting));
    handle.cancel();
    assert_eq!(cancelled.get(), 1);
    assert!(failure(first).is::<Cancelled>());
    assert_eq!(handle.state(), None, "it is over");
}

#[test]
fn a_link_is_handed_down_when_its_last_handle_goes() {
    let cancelled = Count::new();
    let (trigger, handle, first) = three(&cancelled);
    let clone = handle.clone();
    drop(handle);
    assert_eq!(waiting(&first), 2);
    drop(clone);
    assert_eq!(waiting(&first), 1);
    trigger.callback(3).unwrap();
    assert_eq!(value(first), 3);

    let (_trigger, handle, first) = three(&cancelled);
    drop(handle);
    first.cancel();
    assert_eq!(cancelled.get(), 1);
    assert!(failure(first).is::<Cancelled>());
}

#[test]
fn a_link_that_is_paused_holds_the_result_and_is_handed_down_afterwards() {
    let cancelled = Count::new();
    let (trigger, handle, first) = three(&cancelled);
    let pause = handle.pause();
    drop(handle);
    assert_eq!(waiting(&first), 2);
    trigger.callback(3).unwrap();
    assert_eq!(first.state(), State::Waiting, "the second one is held up");
    drop(pause);
    assert_eq!(value(first), 3);

    let (_trigger, handle, first) = three(&cancelled);
    let pause = handle.pause();
    drop(handle);
    drop(pause);
    assert_eq!(waiting(&first), 1);
    first.ignore();
}

#[test]
fn the_handle_of_the_first_reaches_whatever_round_it_is() {
    let clock = VirtualClock::new();
    let mut looping = go(&clock, 1000);
    let handle = looping.handle();
    clock.advance(MS * 500);
    assert_eq!(handle.state(), Some(State::Waiting));
    assert_eq!(clock.pending_calls(), 1);
    handle.cancel();
    assert_eq!(
        clock.pending_calls(),
        0,
        "the call of that round is cancelled"
    );
    assert_eq!(handle.state(), Some(State::Done));
    assert!(failure(looping).is::<Cancelled>());
}

#[test]
fn a_body_awaits_a_loop_and_its_cancel_reaches_the_round() {
    let clock = VirtualClock::new();
    let body = inline_callbacks(go(&clock, 1000));
    clock.advance(MS * 500);
    body.cancel();
    assert_eq!(clock.pending_calls(), 0);
    assert!(failure(body).is::<Cancelled>());
}

#[test]
fn the_trail_of_a_failure_has_only_stages_that_it_passed() {
    fn rounds(clock: &VirtualClock, left: usize) -> Deferred<()> {
        let again = clock.clone();
        sleep(clock, MS).add_callback(move |()| match left {
            0 => deferred::fail(Coded(5)),
            _ => rounds(&again, left - 1),
        })
    }
    let clock = VirtualClock::new();
    for left in [0, 1, 100] {
        let looping = rounds(&clock, left).add_callback(Ok);
        clock.advance(MS * 101);
        let failure = failure(looping);
        assert_eq!(code(&failure), 5);
        // The stage that returned it, and the one behind the loop.
        assert_eq!(failure.stage_trace().count(), 2, "{failure:?}");
    }
}

#[test]
fn a_round_that_returns_the_loop_itself_is_a_wait_cycle() {
    fn rounds(
        clock: &VirtualClock,
        left: usize,
        own: &Rc<RefCell<Option<Deferred<()>>>>,
    ) -> Deferred<()> {
        let (again, own) = (clock.clone(), Rc::clone(own));
        sleep(clock, MS).add_callback(move |()| match left {
            0 => own.take().unwrap(),
            _ => rounds(&again, left - 1, &own),
        })
    }
    let clock = VirtualClock::new();
    let own = Rc::new(RefCell::new(None));
    let is_cycle = Rc::new(RefCell::new(None));
    let told = Rc::clone(&is_cycle);
    let looping = rounds(&clock, 100, &own).add_errback(move |failure| {
        *told.borrow_mut() = Some(failure.is::<WaitCycle>());
        Ok(())
    });
    *own.borrow_mut() = Some(looping);
    clock.advance(MS * 101);
    assert_eq!(*is_cycle.borrow(), Some(true));
}

#[test]
fn a_cancel_stops_where_a_list_waits_as_before() {
    let cancelled = Count::new();
    let count = cancelled.clone();
    let (trigger, inner) = Deferred::<i32>::with_canceller(move |_| count.add());
    let (part_trigger, part) = Deferred::<()>::pair();
    let list = deferred::gather_results(vec![part]).add_callback(move |_| inner);
    let first = succeed(()).add_callback(move |()| list);
    part_trigger.callback(()).unwrap();
    assert_eq!(waiting(&first), 2);
    first.cancel();
    assert_eq!(
        cancelled.get(),
        0,
        "a list that was fired does not pass it on"
    );
    trigger.callback(1).unwrap();
    assert_eq!(value(first), 1);
}

#[test]
fn the_one_late_fire_of_a_cancelled_link_is_swallowed_still() {
    let (third_trigger, third) = Deferred::<i32>::pair();
    let (second_trigger, second) = Deferred::<i32>::pair();
    let mut second = second.add_errback(move |_cancelled| third);
    let handle = second.handle();
    let first = succeed(()).add_callback(move |()| second);
    handle.cancel();
    drop(handle);
    assert!(second_trigger.callback(1).is_ok(), "swallowed");
    assert!(second_trigger.callback(2).is_err());
    third_trigger.callback(3).unwrap();
    assert_eq!(value(first), 3);
}
