//! A reverse proxy in front of two servers, with health checks, a log, and a page that shows
//! the state of the servers.
//!
//! Twisted's counterpart: `reverse-proxy.py`, by `twisted.web.proxy.ReverseProxyResource`, which
//! has one server.
//!
//! ```text
//! cargo run --example web_hello -- --listen 127.0.0.1:8001
//! cargo run --example web_hello -- --listen 127.0.0.1:8002
//! cargo run --example web_reverse_proxy -- --listen 127.0.0.1:8080 \
//!     --upstream http://127.0.0.1:8001 --upstream http://127.0.0.1:8002
//! curl localhost:8080/hello/you
//! curl localhost:8080/proxy/status
//! ```

use std::fmt::Write as _;
use std::time::Duration;

use clap::Parser;
use reactor::Reactor;
use reactor_web::middleware::AccessLog;
use reactor_web::reverse::{Balance, ReverseProxy};
use reactor_web::{App, serve};

/// Passes requests on to servers.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: std::net::SocketAddr,
    /// A server: `http://host:port` or `unix:/path`.
    #[arg(long, required = true)]
    upstream: Vec<String>,
}

// ANCHOR: app
fn status(proxy: &ReverseProxy) -> String {
    let mut page = String::new();
    for upstream in proxy.upstreams() {
        let state = if upstream.is_available { "up" } else { "down" };
        // Writing to a string does not fail.
        let _ = writeln!(
            page,
            "{} {state}, {} under way",
            upstream.url, upstream.in_flight
        );
    }
    page
}

fn app(proxy: ReverseProxy) -> App {
    let shown = proxy.clone();
    App::new()
        .get("/proxy/status", move |_| status(&shown))
        .mount("/", proxy)
        .wrap(AccessLog::combined())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let reactor = Reactor::new()?;
    let mut proxy = ReverseProxy::builder()
        .balance(Balance::LeastConnections)
        .eject_after(2, Duration::from_secs(5))
        .health_check("/", Duration::from_secs(5));
    for upstream in args.upstream {
        proxy = proxy.upstream(upstream);
    }
    let proxy = proxy.build(&reactor)?;
    let endpoint = reactor::options::TcpListenOptions::from(args.listen);
    let port = reactor.block_on(serve(&reactor, endpoint, app(proxy)))?;
    reactor.call_when_running(move || println!("listening on {}", port.address()));
    reactor.run_until_signal()?;
    Ok(())
}
// ANCHOR_END: app
