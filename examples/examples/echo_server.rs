//! Echo server: sends its input back.
//!
//! Twisted's counterpart: `echoserv.py`.
//!
//! ```text
//! cargo run --example echo_server -- --listen 127.0.0.1:8000
//! ```

use clap::Parser;
use reactor::{Context, Protocol, Raw, Reactor};

/// Sends its input back.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8000")]
    listen: String,
}

// ANCHOR: server
struct Echo;

impl Protocol for Echo {
    type Framing = Raw;

    fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> deferred::Result<()> {
        cx.write(data);
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let reactor = Reactor::new()?;
    let port = reactor.listen_tcp(&args.listen, || Echo)?;
    reactor.call_when_running(move || println!("listening on {}", port.address()));
    reactor.run_until_signal()?;
    Ok(())
}
// ANCHOR_END: server
