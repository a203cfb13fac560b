//! The glue to calloop that `docs/` quotes.

// ANCHOR: timers
use std::time::Instant;

use calloop::LoopHandle;
use calloop::timer::{TimeoutAction, Timer};
use deferred::TimerQueue;

/// A clock for a loop of calloop, which makes its calls.
fn clock<D: 'static>(event_loop: LoopHandle<'static, D>) -> TimerQueue {
    let start = Instant::now();
    let timers = TimerQueue::new(move || start.elapsed());
    timers.on_wakeup(move |wakeup| {
        let timer = Timer::from_deadline(start + wakeup.due());
        let inserted = event_loop.insert_source(timer, move |_, (), _| {
            wakeup.run();
            TimeoutAction::Drop
        });
        inserted.expect("a timer needs nothing of the system");
    });
    timers
}
// ANCHOR_END: timers

use std::time::Duration;

use calloop::EventLoop;
use deferred::{Deferred, State, TimedOut, sleep};

/// Turns the loop until `deferred` has its result, for half a minute at the most.
fn wait_for<T: 'static>(
    event_loop: &mut EventLoop<'_, ()>,
    deferred: Deferred<T>,
) -> deferred::Result<T> {
    let start = Instant::now();
    while deferred.state() != State::Done {
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "the loop sleeps on"
        );
        let most = Some(Duration::from_secs(30));
        event_loop.dispatch(most, &mut ()).expect("it turns");
    }
    deferred.into_result().expect("it has its result")
}

#[test]
fn its_calls_are_made_in_time() {
    let mut event_loop = EventLoop::<()>::try_new().expect("a loop");
    let clock = clock(event_loop.handle());
    let slept = sleep(&clock, Duration::from_millis(10));
    wait_for(&mut event_loop, slept).expect("it is over");
    assert!(clock.now() >= Duration::from_millis(10));

    // Reset to before the others: the loop hears of it.
    let (ring, rung) = Deferred::pair();
    let alarm = clock.call_later(Duration::from_secs(60), move || {
        ring.callback(()).expect("once");
    });
    alarm.reset(Duration::from_millis(5)).expect("it waits");
    wait_for(&mut event_loop, rung).expect("it rang");

    let (_trigger, late) = Deferred::<()>::pair();
    let late = late.add_timeout(Duration::from_millis(5), &clock);
    let late = wait_for(&mut event_loop, late);
    assert!(late.is_err_and(|failure| failure.is::<TimedOut>()));
}

// ANCHOR: wakes
/// Lets a loop poll the async bodies of its thread that other futures wake.
fn run_bodies<D>(event_loop: &LoopHandle<'_, D>) -> calloop::Result<()> {
    let (ping, pinged) = calloop::ping::make_ping()?;
    event_loop.insert_source(pinged, |(), (), _| {
        deferred::driver::run_woken();
    })?;
    deferred::driver::set_wake_hook(move || ping.ping());
    Ok(())
}
// ANCHOR_END: wakes

#[test]
fn a_body_goes_on_that_a_future_of_another_thread_wakes() {
    let mut event_loop = EventLoop::<()>::try_new().expect("a loop");
    run_bodies(&event_loop.handle()).expect("it has a descriptor for it");
    let (tell, told) = tokio::sync::oneshot::channel();
    let body = deferred::inline_callbacks(async move { Ok(told.await?) });
    std::thread::spawn(move || tell.send(42));
    assert_eq!(wait_for(&mut event_loop, body).expect("it was told"), 42);
    deferred::driver::reset_wake_hook();
}
