//! A small program with a bit of everything: what a module of WebAssembly, or a plain binary,
//! gets larger by.

use std::time::Duration;

use deferred::{Deferred, VirtualClock, gather_results, inline_callbacks, sleep};

pub fn program(name: String) -> usize {
    let clock = VirtualClock::new();
    let (trigger, greeting) = Deferred::pair();
    let length = greeting
        .add_timeout(Duration::from_secs(1), &clock)
        .add_callback(|name: String| Ok(format!("hello, {name}")))
        .add_errback(|failure| Ok(failure.message()))
        .add_callback(|text| Ok(text.len()));
    let waiting = clock.clone();
    let slept = inline_callbacks(async move {
        sleep(&waiting, Duration::from_millis(10)).await?;
        Ok(1)
    });
    let all = gather_results([length, slept]);
    let _ = trigger.callback(name);
    clock.advance(Duration::from_secs(1));
    match all.into_result() {
        Ok(Ok(numbers)) => numbers.iter().sum(),
        _ => 0,
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn run(length: usize) -> usize {
    program("x".repeat(length))
}
