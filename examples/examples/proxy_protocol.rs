//! PROXY protocol: a server behind HAProxy or another load balancer. The server gets the
//! addresses of its clients from the header that the load balancer sends first.
//!
//! Twisted's counterpart: the endpoint `haproxy:tcp:8011`.
//!
//! ```text
//! cargo run --example proxy_protocol -- --listen 127.0.0.1:8011 --from 127.0.0.1
//! ```
//!
//! A configuration of HAProxy for it; with `send-proxy` it sends version 1 of the header:
//!
//! ```text
//! listen example
//!     mode tcp
//!     bind 127.0.0.1:8080
//!     timeout connect 5s
//!     timeout client 1m
//!     timeout server 1m
//!     server example 127.0.0.1:8011 send-proxy-v2
//! ```

use std::net::IpAddr;

use clap::Parser;
use reactor::endpoint::Listen;
use reactor::filter::proxy_protocol::ProxyProtocol;
use reactor::{Context, Lines, Protocol, Reactor};

/// Tells each client its own address.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8011")]
    listen: String,
    /// The addresses of the load balancers: no others may connect.
    #[arg(long, default_value = "127.0.0.1")]
    from: Vec<IpAddr>,
}

// ANCHOR: server
struct WhoAmI;

impl Protocol for WhoAmI {
    type Framing = Lines;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
        cx.send_line(format!("you are {}", cx.peer()));
        cx.lose_connection();
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let reactor = Reactor::new()?;
    let endpoint = ProxyProtocol::from_addresses(args.from).endpoint(args.listen);
    let port = reactor.block_on(endpoint.listen(&reactor, || WhoAmI))?;
    reactor.call_when_running(move || println!("listening on {}", port.address()));
    reactor.run_until_signal()?;
    Ok(())
}
// ANCHOR_END: server
