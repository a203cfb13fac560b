//! The closures of delayed calls: they return nothing, a `Result`, a Deferred, or never.

use deferred::{Deferred, Failure, VirtualClock, sleep, succeed};
use std::time::Duration;

fn main() {
    let clock = VirtualClock::new();
    let (trigger, deferred) = Deferred::pair();
    let text = String::new();
    clock.call_later(Duration::ZERO, || drop(text));
    clock.call_later(Duration::ZERO, move || Ok(trigger.callback(1)?));
    clock.call_later(Duration::ZERO, || {
        let number: u8 = "7".parse()?;
        println!("{number}");
        Ok(())
    });
    clock.call_later(Duration::ZERO, || Err::<(), _>(Failure::msg("no")));
    let same_clock = clock.clone();
    clock.call_later(Duration::ZERO, move || sleep(&same_clock, Duration::ZERO));
    clock.call_later(Duration::ZERO, || succeed(1));
    let never = clock.call_later(Duration::ZERO, || todo!());
    clock.call_later(Duration::ZERO, || unreachable!());
    never.cancel();
    deferred.ignore();
    let boxed: Box<dyn FnOnce()> = Box::new(|| ());
    clock.call_later(Duration::ZERO, boxed);
}
