//! Calls that are made later: in order, delayed, reset, cancelled.
//!
//! Twisted's counterpart: `reactor.callLater` and `DelayedCall`.
//!
//! ```text
//! cargo run --example call_later
//! ```

use std::time::Duration;

use reactor::Reactor;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let millis = Duration::from_millis;
    let reactor = Reactor::new()?;

    reactor.call_later(millis(120), || println!("third"));
    reactor.call_later(millis(40), || println!("first"));
    reactor.call_later(millis(40), || {
        println!("second: due together, called in order");
    });

    let later = reactor.call_later(millis(80), || println!("fifth: was due second"));
    later.delay(millis(160))?;

    let sooner = reactor.call_later(Duration::from_secs(3600), || {
        println!("fourth: an hour early");
    });
    sooner.reset(millis(180))?;

    let never = reactor.call_later(millis(20), || println!("never"));
    never.cancel();
    println!("cancelled twice: {}", never.cancel());

    let handle = reactor.handle();
    reactor.call_later(millis(320), move || {
        println!("done");
        handle.stop();
    });
    reactor.run()?;
    println!("still to be called: {}", later.is_active());
    Ok(())
}
