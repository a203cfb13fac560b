//! What `run.mjs` calls, in a module of WebAssembly that imports nothing: each check gives
//! what its Deferreds came to, as a number.

use std::time::Duration;

use deferred::{
    Deferred, Failure, TimedOut, VirtualClock, gather_results, inline_callbacks, sleep, sync,
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
