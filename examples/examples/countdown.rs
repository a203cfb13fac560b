//! Three countdowns at different speeds, in one thread.
//!
//! Twisted's counterpart: `countdown.py` of the introduction by Dave Peticolas.
//!
//! ```text
//! cargo run --example countdown
//! ```

use std::rc::Rc;
use std::time::Duration;

use reactor::{Reactor, ReactorHandle};

struct Countdown {
    name: &'static str,
    tick: Duration,
    left: u32,
    reactor: ReactorHandle,
    /// Shared by the countdowns: its Deferred fires when the last one is dropped.
    _running: Rc<StopWhenDropped>,
}

impl Countdown {
    fn step(mut self) {
        if self.left == 0 {
            println!("{}: lift-off", self.name);
            return;
        }
        println!("{}: {}", self.name, self.left);
        self.left -= 1;
        let reactor = self.reactor.clone();
        reactor.call_later(self.tick, move || self.step());
    }
}

struct StopWhenDropped(ReactorHandle);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.stop();
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let reactor = Reactor::new()?;
    let running = Rc::new(StopWhenDropped(reactor.handle()));
    for (name, millis, left) in [("slow", 100, 3), ("medium", 70, 4), ("fast", 30, 5)] {
        let countdown = Countdown {
            name,
            tick: Duration::from_millis(millis),
            left,
            reactor: reactor.handle(),
            _running: Rc::clone(&running),
        };
        reactor.call_when_running(move || countdown.step());
    }
    drop(running);
    reactor.run()?;
    Ok(())
}
