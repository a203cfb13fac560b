//! A line-based command server with an idle timeout, a line limit and a connection limit.
//!
//! An idle client is disconnected, and so is one that sends a line that is too long; a client
//! over the connection limit is refused. A slow command delays the next commands of its
//! client, but no other client.
//!
//! Twisted's counterpart: `LineReceiver` with `TimeoutMixin` and
//! `LimitTotalConnectionsFactory`.
//!
//! ```text
//! cargo run --example command_server -- --listen 127.0.0.1:8007
//! nc -C 127.0.0.1 8007
//! ```

use std::time::{Duration, UNIX_EPOCH};

use clap::Parser;
use deferred::{DelayedCall, Result, sleep};
use reactor::{Context, Lines, Protocol, Reactor};

/// Takes the commands HELP, TIME, SLEEP and QUIT.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8007")]
    listen: String,
    #[command(flatten)]
    limits: Limits,
}

#[derive(Clone, Copy, clap::Args)]
struct Limits {
    /// Idle timeout of a client, in seconds.
    #[arg(long, default_value_t = 60)]
    max_silence: u64,
    /// Maximum length of a line, in bytes.
    #[arg(long, default_value_t = 256)]
    max_length: usize,
    /// Maximum number of clients at a time.
    #[arg(long, default_value_t = 100)]
    max_clients: usize,
}

struct Session {
    limits: Limits,
    hang_up: DelayedCall,
}

impl Session {
    fn new(limits: Limits) -> Self {
        let hang_up = DelayedCall::inactive();
        Self { limits, hang_up }
    }

    /// Closes the connection when it fires; each line resets it.
    fn expect_a_line(&mut self, cx: &mut Context<'_, Self>) {
        self.hang_up.cancel();
        let max_silence = Duration::from_secs(self.limits.max_silence);
        self.hang_up = cx.call_later(max_silence, |_this, cx| {
            cx.send_line("is anybody there? bye");
            cx.lose_connection();
        });
    }

    fn sleep(&mut self, cx: &mut Context<'_, Self>, duration: Duration) {
        self.hang_up.cancel();
        // Read no further command until this one is answered, so that answers stay in order.
        cx.pause_reading();
        cx.when_or_cancel(sleep(cx.reactor(), duration), |this, cx, _slept| {
            cx.send_line("good morning");
            cx.resume_reading();
            this.expect_a_line(cx);
        });
    }
}

impl Protocol for Session {
    type Framing = Lines;

    fn framing(&self) -> Lines {
        Lines::with_max_length(self.limits.max_length)
    }

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        if cx.reactor().counters().connections > self.limits.max_clients {
            cx.send_line("too many are here, come back later");
            cx.lose_connection();
        } else {
            cx.send_line("hello; HELP helps");
            self.expect_a_line(cx);
        }
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> Result<()> {
        self.expect_a_line(cx);
        let line = str::from_utf8(line)?;
        let (command, argument) = line.split_once(' ').unwrap_or((line, ""));
        match (command, argument.parse()) {
            ("HELP", _) => cx.send_line("HELP, TIME, SLEEP seconds, QUIT"),
            ("TIME", _) => {
                let time = UNIX_EPOCH.elapsed()?.as_secs();
                cx.send_line(format!("{time} seconds since 1970"));
            }
            ("SLEEP", Ok(seconds @ 0..=60)) => self.sleep(cx, Duration::from_secs(seconds)),
            ("SLEEP", _) => cx.send_line("from 0 to 60 seconds, please"),
            ("QUIT", _) => {
                cx.send_line("bye");
                cx.lose_connection();
            }
            _ => cx.send_line("what? HELP helps"),
        }
        Ok(())
    }
}

fn main() -> Result<()> {
    let Args { listen, limits } = Args::parse();
    let reactor = Reactor::new()?;
    let port = reactor.listen_tcp(listen, move || Session::new(limits))?;
    reactor.call_when_running(move || println!("listening on {}", port.address()));
    reactor.run_until_signal()?;
    Ok(())
}
