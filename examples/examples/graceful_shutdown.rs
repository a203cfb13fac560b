//! Graceful shutdown: a server that finishes its open connections before it stops.
//!
//! At the first signal it accepts no new connections, and waits for the open ones, for a
//! limited time. A second signal ends the process at once.
//!
//! Twisted's counterpart: a trigger before "shutdown" that returns a Deferred.
//!
//! ```text
//! cargo run --example graceful_shutdown -- --listen 127.0.0.1:8008
//! echo 3000 | nc 127.0.0.1 8008
//! ```

use std::rc::Rc;
use std::time::Duration;

use clap::Parser;
use deferred::{Deferred, Result, Trigger, sleep};
use reactor::{Context, Lines, Phase, Protocol, Reactor, SystemEvent};

/// Runs a job per line: the line is its duration in milliseconds.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8008")]
    listen: String,
    /// Seconds to wait for open connections at shutdown.
    #[arg(long, default_value_t = 10)]
    patience: u64,
}

/// Owned by each open connection. Dropping the last one fires the Deferred.
struct Presence(Trigger<()>);

impl Drop for Presence {
    fn drop(&mut self) {
        let _ = self.0.callback(());
    }
}

struct Worker {
    _presence: Option<Rc<Presence>>,
}

impl Protocol for Worker {
    type Framing = Lines;

    fn received(&mut self, cx: &mut Context<'_, Self>, job: &[u8]) -> Result<()> {
        let millis = str::from_utf8(job)?.parse()?;
        cx.send_line("working");
        let work = sleep(cx.reactor(), Duration::from_millis(millis));
        cx.when_or_cancel(work, |_this, cx, _worked| {
            cx.send_line("done");
            cx.lose_connection();
        });
        Ok(())
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let patience = Duration::from_secs(args.patience);
    let reactor = Reactor::new()?;

    let (trigger, all_gone) = Deferred::pair();
    let presence = Rc::new(Presence(trigger));
    let present = Rc::downgrade(&presence);
    let port = reactor.listen_tcp(args.listen, move || Worker {
        _presence: present.upgrade(),
    })?;
    let address = port.address();
    reactor.call_when_running(move || println!("listening on {address}"));

    let handle = reactor.handle();
    reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || {
        port.stop_listening().ignore();
        println!("closing; {} to finish", handle.counters().connections);
        // From here on, only open connections own it.
        drop(presence);
        all_gone.add_timeout(patience, &handle).add_callbacks(
            |()| println!("all are done"),
            move |_too_long| println!("{} are cut off", handle.counters().connections),
        )
    });
    if let Some(signal) = reactor.run_until_signal()? {
        println!("stopped by {signal}");
    }
    Ok(())
}
