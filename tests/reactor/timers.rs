//! Delayed calls: when, in which order, and not at all.

use std::time::Duration;

use deferred::assertions::with_no_unhandled;
use deferred::errors::DelayedCallError;
use deferred::{
    Abandoned, Cooperator, Deferred, Failure, LoopingCall, Result, Trigger, fail, succeed,
};
use reactor::testing;
use reactor::{Context, Protocol, Raw, ReactorHandle};

use crate::counters_and_tracing::Lines;
use crate::support::{Count, Log, Peer, RawRecorder, never, reactor, serve, turn_until};

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn calls_are_made_in_the_order_they_are_due_in() {
    let reactor = reactor();
    let log = Log::default();
    for (delay, name) in [(20, "c"), (5, "a"), (10, "b"), (30, "d")] {
        let log = log.clone();
        reactor.call_later(millis(delay), move || log.note(name));
    }
    turn_until(&reactor, || log.len() == 4);
    assert_eq!(log.events(), ["a", "b", "c", "d"]);
}

#[test]
fn no_call_is_early() {
    let reactor = reactor();
    let count = Count::default();
    for micros in [0, 1, 100, 999, 1000, 1001, 1500, 7777, 20_000] {
        let (handle, count) = (reactor.handle(), count.clone());
        let due = reactor.now() + Duration::from_micros(micros);
        reactor.call_later(Duration::from_micros(micros), move || {
            assert!(handle.now() >= due, "{micros} µs");
            count.add();
        });
    }
    turn_until(&reactor, || count.get() == 9);
}

#[test]
fn a_sleeping_loop_wakes_for_its_next_call_by_itself() {
    let reactor = reactor();
    let handle = reactor.handle();
    let call = reactor.call_later(millis(3), move || handle.stop());
    reactor.run().expect("it runs");
    assert!(reactor.now() >= call.time());
}

#[test]
fn a_call_can_be_cancelled_delayed_and_reset_while_it_waits() {
    let reactor = reactor();
    let log = Log::default();
    let schedule = |delay, name: &'static str| {
        let log = log.clone();
        reactor.call_later(millis(delay), move || log.note(name))
    };
    let never = schedule(1, "never");
    let delayed = schedule(2, "delayed");
    let reset = schedule(3_600_000, "reset");
    schedule(10, "plain");
    assert!(never.cancel(), "it waits");
    delayed.delay(millis(18)).expect("it waits");
    reset.reset(millis(5)).expect("it waits");
    turn_until(&reactor, || log.len() == 3);
    assert_eq!(log.events(), ["reset", "plain", "delayed"]);
    assert!(!never.cancel());
    assert!(!delayed.cancel());
    assert_eq!(reset.reset(millis(1)), Err(DelayedCallError::AlreadyCalled));
    assert!(!plain_is_active(&reset));
}

fn plain_is_active(call: &deferred::DelayedCall) -> bool {
    call.is_active()
}

#[test]
fn a_call_that_is_being_made_can_no_longer_be_cancelled() {
    let reactor = reactor();
    let own = std::rc::Rc::new(std::cell::RefCell::new(None::<deferred::DelayedCall>));
    let (mine, log) = (std::rc::Rc::clone(&own), Log::default());
    let note = log.clone();
    let call = reactor.call_later(Duration::ZERO, move || {
        let cancelled = mine.borrow().as_ref().expect("it was put there").cancel();
        note.note(format!("{cancelled:?}"));
    });
    own.replace(Some(call));
    turn_until(&reactor, || log.len() == 1);
    assert_eq!(log.events(), ["false"]);
}

#[test]
fn a_call_cancels_another_that_is_due_at_the_same_time() {
    let reactor = reactor();
    let log = Log::default();
    let (note, later) = (log.clone(), log.clone());
    let victim = std::rc::Rc::new(std::cell::RefCell::new(None::<deferred::DelayedCall>));
    let to_cancel = std::rc::Rc::clone(&victim);
    reactor.call_later(Duration::ZERO, move || {
        note.note("first");
        assert!(to_cancel.take().expect("it is there").cancel());
    });
    let call = reactor.call_later(Duration::ZERO, move || later.note("second"));
    victim.replace(Some(call));
    for _ in 0..5 {
        reactor.turn(Some(millis(1))).expect("it turns");
    }
    assert_eq!(log.events(), ["first"]);
}

#[test]
fn a_call_that_always_comes_again_starves_nobody() {
    let log = Log::default();
    let (reactor, address) = serve(RawRecorder::new(&log));
    fn again(reactor: &ReactorHandle, count: Count) {
        count.add();
        let handle = reactor.clone();
        reactor.call_later(Duration::ZERO, move || again(&handle, count));
    }
    let count = Count::default();
    again(&reactor, count.clone());
    let other = Count::default();
    let noted = other.clone();
    reactor.call_later(millis(2), move || {
        noted.add();
    });
    let mut peer = Peer::connect(address);
    peer.send("hello");
    turn_until(&reactor, || log.has("received hello") && other.get() == 1);
    let before = count.get();
    reactor.turn(Some(Duration::ZERO)).expect("it turns");
    assert_eq!(count.get(), before + 1, "once a turn");
}

#[test]
fn a_panic_in_a_call_does_not_hold_up_the_others() {
    let reactor = reactor();
    let log = Log::default();
    let (before, after) = (log.clone(), log.clone());
    reactor.call_later(Duration::ZERO, move || before.note("before"));
    reactor.call_later(Duration::ZERO, || panic!("in between"));
    reactor.call_later(Duration::ZERO, move || after.note("after"));
    turn_until(&reactor, || log.len() == 2);
    assert_eq!(log.events(), ["before", "after"]);
}

/// What is called by the loop and may fail, each way of giving it to the loop.
#[test]
fn a_failure_of_what_the_loop_calls_is_logged_and_holds_nothing_up() {
    let lines = Lines::default();
    lines.capture(|| {
        with_no_unhandled(|| {
            let (reactor, log) = (reactor(), Log::default());
            let later = || succeed(()).add_callback(|()| Err::<(), _>(Failure::msg("one, later")));
            reactor.call_later(Duration::ZERO, || Err(Failure::msg("one, at once")));
            reactor.call_later(Duration::ZERO, later);
            reactor.call_when_running(|| Err(Failure::msg("two, at once")));
            reactor.call_when_running(move || {
                succeed(()).add_callback(|()| Err::<(), _>(Failure::msg("two, later")))
            });
            let remote = reactor.remote();
            let thread = std::thread::spawn(move || {
                remote.call_from_thread(|_| Err(Failure::msg("three, at once")))?;
                remote.call_from_thread(|_| fail::<()>(Failure::msg("three, later")))
            });
            thread.join().expect("no panic").expect("it is there");
            let (running, noting) = (reactor.handle(), log.clone());
            reactor.call_later(millis(1), move || {
                running.call_when_running(|| Err(Failure::msg("four, at once")));
                noting.note("after");
                Ok(())
            });
            turn_until(&reactor, || log.has("after"));
        });
    });
    let text = lines.text();
    for failure in [
        "one, at once",
        "one, later",
        "two, at once",
        "two, later",
        "three, at once",
        "three, later",
        "four, at once",
    ] {
        assert_eq!(text.matches(failure).count(), 1, "{failure}: {text}");
    }
}

#[test]
fn what_the_loop_calls_may_return_nothing_or_never() {
    let reactor = testing::TestReactor::new();
    let calls = Count::default();
    let counting = calls.clone();
    let boxed: Box<dyn FnOnce()> = Box::new(move || {
        counting.add();
    });
    reactor.call_later(Duration::ZERO, boxed);
    let counting = calls.clone();
    reactor.call_later(Duration::ZERO, move || {
        if counting.add() < 10 {
            return Ok(());
        }
        Err(Failure::msg("so many"))
    });
    reactor.call_later(Duration::ZERO, || panic!("it may"));
    reactor.call_when_running(|| panic!("it may, too"));
    reactor.settle();
    assert_eq!(calls.get(), 2);
}

#[test]
fn enormous_delays_are_just_never_due() {
    let reactor = reactor();
    let call = reactor.call_later(Duration::MAX, never);
    reactor.call_later(Duration::from_secs(u64::MAX / 2), never);
    reactor.turn(Some(Duration::ZERO)).expect("it turns");
    assert!(call.is_active());
    let handle = reactor.handle();
    reactor.call_later(millis(1), move || handle.stop());
    reactor.run().expect("it runs");
}

#[test]
fn loops_and_cooperators_take_a_reactor_as_timeouts_do() {
    let reactor = reactor();
    let mut left = 3;
    let looping = LoopingCall::with_loop(move |looping| {
        left -= 1;
        if left == 0 {
            looping.stop();
        }
        Ok(())
    });
    let looped = looping.start(&reactor, Duration::from_millis(1)).unwrap();
    reactor.block_on(looped).unwrap();
    let summed = Cooperator::new(&reactor).coiterate((0..10).map(|_| ()));
    reactor.block_on(summed).unwrap();
    reactor
        .block_on(deferred::sleep(&reactor, Duration::from_millis(1)))
        .unwrap();

    testing::run(|reactor| {
        let later = looping
            .start_later(reactor, Duration::from_secs(1))
            .unwrap();
        reactor.advance(Duration::from_secs(10));
        assert!(looping.stop());
        drop(later);
    });
}

/// A loop that is on when its reactor goes fails; it does not keep the reactor.
#[test]
fn a_loop_started_with_a_reactor_does_not_keep_it() {
    let reactor = reactor();
    let looping = LoopingCall::new(|| ());
    let ended = looping.start(&reactor, Duration::from_secs(1)).unwrap();
    drop(reactor);
    let failure = ended.into_result().unwrap().unwrap_err();
    assert!(failure.is::<Abandoned>());
    assert!(!looping.is_running());
}

fn remind(reactor: &ReactorHandle, after: u64) {
    reactor.call_later(millis(after), || ());
}

struct Reminds;

impl Protocol for Reminds {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.call_later(millis(20), |_, _| ());
        Ok(())
    }
}

/// Calls of functions, of handlers through their context, of Deferreds, and of the reactor.
#[test]
fn waiting_calls_name_the_functions_that_made_them() {
    testing::run(|reactor| {
        remind(reactor, 70_000);
        remind(reactor, 10);
        let (_connection, _peer) = reactor.connect_to_peer(Reminds);
        let pair: (Trigger<()>, _) = Deferred::pair();
        let timed = pair.1.add_timeout(millis(30), reactor);
        let waiting = reactor.waiting_calls();
        let due: Vec<_> = waiting.iter().map(|call| call.due).collect();
        assert_eq!(due, [10, 20, 30, 70_000].map(millis));
        let functions: Vec<_> = waiting.iter().map(|call| call.function).collect();
        assert!(functions[0].ends_with("timers::remind"), "{functions:?}");
        let of_handler = "Reminds as reactor::connection::protocol::Protocol>::connection_made";
        assert!(functions[1].ends_with(of_handler), "{functions:?}");
        // A timeout's clock may be of any type, so its call is a box.
        assert!(functions[2].contains("call_later"), "{functions:?}");
        assert!(waiting[3].to_string().starts_with("at 70.000 s: "));
        timed.ignore();
        reactor.advance(millis(70_000));
    });
}
