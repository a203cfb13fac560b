//! A web server: routes, a parameter, and an answer that comes later.
//! Twisted's counterpart: `twisted.web.server.Site`; the API is like that of klein.
//!
//! ```text
//! cargo run --example web_hello -- --listen 127.0.0.1:8080
//! curl localhost:8080/hello/world
//! ```

use std::time::Duration;

use clap::Parser;
use deferred::defer_later;
use reactor::Reactor;
use reactor_web::{App, serve};

/// Greets.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: std::net::SocketAddr,
}

// ANCHOR: app
fn app() -> App {
    App::new()
        .get("/", |_| "say hello to /hello/NAME\n")
        .get("/hello/{name}", |req| {
            Ok(format!("hello, {}\n", req.param("name")?))
        })
        .get("/later", |req| {
            defer_later(req.reactor(), Duration::from_millis(100), || {
                Ok("at last\n")
            })
        })
}
// ANCHOR_END: app

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let reactor = Reactor::new()?;
    let endpoint = reactor::options::TcpListenOptions::from(args.listen);
    let port = reactor.block_on(serve(&reactor, endpoint, app()))?;
    reactor.call_when_running(move || println!("listening on {}", port.address()));
    reactor.run_until_signal()?;
    Ok(())
}
