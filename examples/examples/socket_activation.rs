//! Socket activation: a server that listens on a socket from systemd or another supervisor,
//! which keeps the port open while the server restarts.
//!
//! Twisted's counterpart: `adoptStreamPort`, and the endpoint `systemd:domain=INET:index=0`.
//!
//! ```text
//! cargo run --example socket_activation
//! systemd-socket-activate --listen 127.0.0.1:8010 target/debug/examples/socket_activation
//! ```

use clap::Parser;
use listenfd::ListenFd;
use reactor::{Context, Lines, Protocol, Reactor};

/// Answers each line with the number of requests since the start.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on, unless it is given a socket.
    #[arg(long, default_value = "127.0.0.1:8010")]
    listen: String,
}

struct Greeter {
    number: usize,
}

impl Protocol for Greeter {
    type Framing = Lines;

    fn received(&mut self, cx: &mut Context<'_, Self>, name: &[u8]) -> deferred::Result<()> {
        let name = String::from_utf8_lossy(name);
        cx.write(format!("hello, {name}, you are number {}\r\n", self.number));
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let mut guests = 0;
    let factory = move || {
        guests += 1;
        Greeter { number: guests }
    };
    let reactor = Reactor::new()?;
    // ANCHOR: given
    let port = match ListenFd::from_env().take_tcp_listener(0)? {
        Some(given) => reactor.adopt_listener(given, factory)?,
        None => reactor.listen_tcp(&args.listen, factory)?,
    };
    // ANCHOR_END: given
    reactor.call_when_running(move || println!("listening on {}", port.address()));
    reactor.run_until_signal()?;
    Ok(())
}
