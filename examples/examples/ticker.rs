//! A function that is called every 50 milliseconds, with the number of intervals since the last
//! call.
//!
//! The k-th call is due at the start plus k intervals, so delays do not accumulate. Times that
//! pass while a call is pending are skipped, and counted.
//!
//! Twisted's counterpart: `LoopingCall.withCount`.
//!
//! ```text
//! cargo run --example ticker
//! ```

use std::time::Duration;

use deferred::{LoopingCall, Result, sleep, succeed};
use reactor::Reactor;

const INTERVAL: Duration = Duration::from_millis(50);

fn main() -> Result<()> {
    let reactor = Reactor::new()?;
    let handle = reactor.handle();
    let (mut calls, mut tick) = (0, 0);
    let ticker = LoopingCall::with_count(move |count| {
        calls += 1;
        tick += count;
        match count {
            1 => println!("tick {tick}"),
            _ => println!("tick {tick}, {} left out", count - 1),
        }
        if calls == 3 {
            println!("this one takes a while");
            return sleep(&handle, INTERVAL * 5 / 2);
        }
        if calls == 7 {
            handle.stop();
        }
        succeed(())
    });

    // The first call is made here.
    ticker
        .start(&reactor, INTERVAL)?
        .add_callback(|()| println!("stopped"))
        .detach();
    reactor.run()?;
    ticker.stop();
    Ok(())
}
