//! hyper's own API on a port of the loop: no routes, no app.
//!
//! Twisted's counterpart: none.
//!
//! ```text
//! cargo run --example web_hyper -- --listen 127.0.0.1:8080
//! ```

use std::convert::Infallible;

use clap::Parser;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use reactor::Reactor;
use reactor_web::{Body, IoProtocol, LoopTimer};

/// Says hello.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: String,
}

// ANCHOR: hello
async fn hello(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let text = format!("hello from hyper, {}\n", request.uri().path());
    Ok(Response::new(Body::from(text)))
}

fn protocol() -> IoProtocol {
    IoProtocol::new(|io| {
        let reactor = io.reactor().clone();
        let serving = http1::Builder::new()
            .timer(LoopTimer::new(&reactor))
            .serve_connection(io, service_fn(hello));
        reactor
            .spawn(async { Ok(serving.await?) })
            .log_error()
            .ignore();
    })
}
// ANCHOR_END: hello

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let reactor = Reactor::new()?;
    let port = reactor.listen_tcp(&args.listen, protocol)?;
    reactor.call_when_running(move || println!("listening on {}", port.address()));
    reactor.run_until_signal()?;
    Ok(())
}
