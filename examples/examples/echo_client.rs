//! A client that sends lines to an echo server and prints what comes back.
//!
//! Twisted's counterpart: `echoclient.py`.
//!
//! ```text
//! cargo run --example echo_server &
//! cargo run --example echo_client -- 127.0.0.1:8000 hello "what a fine day it is"
//! ```

use std::process::ExitCode;

use clap::Parser;
use deferred::Trigger;
use reactor::{ConnectionClosed, Context, Lines, Protocol, Reactor, ask};

/// Sends lines to an echo server and prints what comes back.
#[derive(Parser)]
struct Args {
    /// The server's address and port.
    server: String,
    /// The lines to send.
    #[arg(default_values = ["hello, world!", "what a fine day it is", "bye-bye!"])]
    lines: Vec<String>,
}

struct EchoClient {
    lines: Vec<String>,
    /// Number of lines that have not come back yet.
    awaited: usize,
    done: Trigger<()>,
}

impl EchoClient {
    fn new(lines: Vec<String>, done: Trigger<()>) -> Self {
        let awaited = lines.len();
        Self {
            lines,
            awaited,
            done,
        }
    }
}

impl Protocol for EchoClient {
    type Framing = Lines;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
        for line in self.lines.drain(..) {
            cx.send_line(line);
        }
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
        println!("server said: {}", String::from_utf8_lossy(line));
        self.awaited -= 1;
        if self.awaited == 0 {
            cx.lose_connection();
        }
        Ok(())
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, reason: ConnectionClosed) {
        let outcome = match self.awaited {
            0 => Ok(()),
            _ => Err(reason.into()),
        };
        // Errs only if it has been fired already, which nothing else does.
        let _ = self.done.fire(outcome);
    }
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let args = Args::parse();
    let reactor = Reactor::new()?;
    let talk = ask(&reactor, &args.server, |done| {
        EchoClient::new(args.lines, done)
    });
    match reactor.block_on(talk) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(failure) => {
            eprintln!("{failure}");
            Ok(ExitCode::FAILURE)
        }
    }
}
