//! A site on any endpoint: a port, a UNIX socket, a socket of systemd, behind a load balancer.
//!
//! Twisted's counterpart: `twist web --listen ENDPOINT`, with the same strings.
//!
//! ```text
//! cargo run --example web_endpoints -- --listen tcp:8080
//! cargo run --example web_endpoints -- --listen unix:/tmp/web.socket
//! systemd-socket-activate -l 8080 target/debug/examples/web_endpoints --listen systemd:index=0
//! cargo run --example web_endpoints -- --listen haproxy:from=127.0.0.1:tcp:8011
//! ```

use clap::Parser;
use reactor::Reactor;
use reactor_web::{App, serve};

/// Tells each client its own address.
#[derive(Parser)]
struct Args {
    /// The endpoint to listen on.
    #[arg(long, default_value = "tcp:8080:interface=127.0.0.1")]
    listen: String,
}

// ANCHOR: serve
fn app() -> App {
    App::new().get("/", |req| format!("you are {}\n", req.peer()))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let reactor = Reactor::new()?;
    let port = reactor.block_on(serve(&reactor, args.listen, app()))?;
    reactor.call_when_running(move || println!("listening on {}", port.address()));
    reactor.run_until_signal()?;
    Ok(())
}
// ANCHOR_END: serve
