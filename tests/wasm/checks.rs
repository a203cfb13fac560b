//! What `run.mjs` calls, in a module of WebAssembly that imports nothing but the time: each
//! check gives what its Deferreds came to, as a number.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use deferred::driver::{run_woken, set_wake_hook};
use deferred::{
    Deferred, Failure, TimedOut, TimerQueue, VirtualClock, gather_results, inline_callbacks, sleep,
    sync,
};

fn value<T>(deferred: Deferred<T>) -> Option<T> {
    deferred.into_result().ok()?.ok()
}

/// Over to the failures, and back; more stages than a core has room for.
#[unsafe(no_mangle)]
pub extern "C" fn chain() -> u32 {
    let (trigger, deferred) = Deferred::<u32>::pair();
    let mut deferred = deferred
        .add_callback(|n| Err::<u32, _>(Failure::msg(n.to_string())))
        .add_errback(|failure| Ok(failure.message().parse()?));
    for number in 0..1000 {
        let captured = [number; 7];
        deferred = deferred.add_callback(move |n| Ok(n + captured[3] % 2));
    }
    let _ = trigger.callback(7);
    value(deferred).unwrap_or(0)
}

/// All of them, in order.
#[unsafe(no_mangle)]
pub extern "C" fn gather() -> u32 {
    let (triggers, deferreds): (Vec<_>, Vec<_>) = (0..3).map(|_| Deferred::pair()).unzip();
    let all = gather_results(deferreds);
    for (number, trigger) in triggers.into_iter().enumerate().rev() {
        let _ = trigger.callback(number as u32);
    }
    let digits = value(all).unwrap_or_default();
    digits.into_iter().fold(0, |sum, digit| sum * 10 + digit)
}

/// A body that sleeps, and one that is not done in time.
#[unsafe(no_mangle)]
pub extern "C" fn time() -> u32 {
    let clock = VirtualClock::new();
    let sleeping = clock.clone();
    let slept = inline_callbacks(async move {
        sleep(&sleeping, Duration::from_secs(1)).await?;
        sleep(&sleeping, Duration::from_secs(1)).await?;
        Ok(2)
    });
    let (_trigger, late) = Deferred::<u32>::pair();
    let late = late.add_timeout(Duration::from_secs(1), &clock);
    clock.advance(Duration::from_secs(2));
    let timed_out = late
        .into_result()
        .is_ok_and(|result| result.is_err_and(|failure| failure.is::<TimedOut>()));
    value(slept).unwrap_or(0) * 10 + u32::from(timed_out)
}

/// The flavour for several threads, of which there is one.
#[unsafe(no_mangle)]
pub extern "C" fn shared() -> u32 {
    let (trigger, deferred) = sync::Deferred::pair();
    let deferred = deferred.add_callback(|n: u32| Ok(n + 1));
    let _ = trigger.callback(4);
    match deferred.into_result() {
        Ok(Ok(n)) => n,
        _ => 0,
    }
}

/// What a binding to JavaScript gives, such as `web-sys`: the two functions that a clock
/// needs.
mod js {
    use std::cell::RefCell;
    use std::time::Duration;

    type Call = Box<dyn FnOnce()>;

    thread_local! {
        static CALLS: RefCell<Vec<Option<Call>>> = const { RefCell::new(Vec::new()) };
    }

    #[link(wasm_import_module = "js")]
    unsafe extern "C" {
        #[link_name = "now"]
        safe fn performance_now() -> f64;
        #[link_name = "set_timeout"]
        safe fn set_timeout_of(call: usize, milliseconds: f64);
    }

    pub fn now() -> Duration {
        Duration::from_secs_f64(performance_now() / 1000.0)
    }

    pub fn set_timeout(call: impl FnOnce() + 'static, milliseconds: f64) {
        let number = CALLS.with_borrow_mut(|calls| {
            calls.push(Some(Box::new(call)));
            calls.len() - 1
        });
        set_timeout_of(number, milliseconds);
    }

    #[unsafe(no_mangle)]
    pub extern "C" fn timed_out(call: usize) {
        let call = CALLS.with_borrow_mut(|calls| calls[call].take());
        if let Some(call) = call {
            call();
        }
    }
}

// ANCHOR: timers
/// A clock for a browser: `setTimeout` makes its calls.
fn clock() -> TimerQueue {
    let timers = TimerQueue::new(js::now);
    timers.on_wakeup(|wakeup| {
        let milliseconds = (wakeup.delay().as_secs_f64() * 1000.0).ceil();
        js::set_timeout(
            move || {
                wakeup.run();
            },
            milliseconds,
        );
    });
    timers
}
// ANCHOR_END: timers

// ANCHOR: wakes
/// Lets `setTimeout` poll the async bodies that other futures wake.
fn run_bodies() {
    set_wake_hook(|| {
        js::set_timeout(
            || {
                run_woken();
            },
            0.0,
        );
    });
}
// ANCHOR_END: wakes

/// A future of another library: a timer of JavaScript wakes it.
async fn nap(milliseconds: f64) {
    let mut is_set = false;
    poll_fn(move |cx| {
        if is_set {
            return Poll::Ready(());
        }
        is_set = true;
        let waker = cx.waker().clone();
        js::set_timeout(move || waker.wake(), milliseconds);
        Poll::Pending
    })
    .await;
}

thread_local! {
    static DONE: Cell<u32> = const { Cell::new(0) };
}

/// Starts four waits in the loop of JavaScript; one of them is for a minute, but reset to
/// less, and one is a body that awaits another library's future.
#[unsafe(no_mangle)]
pub extern "C" fn start_waiting() {
    let clock = clock();
    let done = || DONE.set(DONE.get() + 1);
    run_bodies();
    inline_callbacks(async move {
        nap(5.0).await;
        Ok(done())
    })
    .detach();
    let alarm = clock.call_later(Duration::from_secs(60), done);
    let _ = alarm.reset(Duration::from_millis(5));
    let (unfired, late) = Deferred::<()>::pair();
    late.add_timeout(Duration::from_millis(10), &clock)
        .add_errback(|failure| {
            failure.trap::<TimedOut>()?;
            Ok(())
        })
        .add_callback(move |()| done())
        .detach();
    // The body holds the clock, and what is not fired, until it is over.
    inline_callbacks(async move {
        sleep(&clock, Duration::from_millis(15)).await?;
        sleep(&clock, Duration::from_millis(15)).await?;
        drop(unfired);
        Ok(done())
    })
    .detach();
}

/// How many of them are over.
#[unsafe(no_mangle)]
pub extern "C" fn done() -> u32 {
    DONE.get()
}
