//! An answer that comes later, and is cancelled if its client disconnects.
//!
//! Twisted's counterpart: `NOT_DONE_YET` and `notifyFinish`; in klein, a handler that returns a
//! Deferred.
//!
//! ```text
//! cargo run --example web_later -- --listen 127.0.0.1:8080
//! curl localhost:8080/tea/2
//! ```

use std::time::Duration;

use clap::Parser;
use deferred::defer_later;
use reactor::Reactor;
use reactor_web::{App, serve};

/// Makes tea.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: std::net::SocketAddr,
}

// ANCHOR: app
fn app() -> App {
    App::new().get("/tea/{seconds}", |req| {
        let time = Duration::from_secs(req.param_as("seconds")?);
        let tea = defer_later(req.reactor(), time, || Ok("your tea\n"));
        Ok(tea.add_errback(|failure| {
            println!("the tea is not needed: {failure}");
            Err(failure)
        }))
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
