//! axum's `Router` in the loop, without a Tokio runtime.
//! Its handlers may await Deferreds, in a `SendWrapper`, since axum requires futures that are
//! `Send`. Code that needs Tokio's timers, files or tasks panics: the documentation of
//! `reactor_web` has a table of such code.
//!
//! Twisted's counterpart: none.
//!
//! ```text
//! cargo run --example web_axum -- --listen 127.0.0.1:8080
//! ```

use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use clap::Parser;
use deferred::sleep;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use reactor::{Reactor, ReactorHandle};
use reactor_web::IoProtocol;
use send_wrapper::SendWrapper;
use tower::ServiceExt;

/// Greets, sooner or later.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: String,
}

// ANCHOR: router
type Loop = SendWrapper<ReactorHandle>;

async fn later(State(reactor): State<Loop>, Path(millis): Path<u64>) -> String {
    let sleeping = sleep(&*reactor, Duration::from_millis(millis));
    match SendWrapper::new(sleeping).await {
        Ok(()) => format!("{millis} ms later\n"),
        Err(failure) => failure.message(),
    }
}

fn router(reactor: &ReactorHandle) -> Router {
    Router::new()
        .route("/", get(async || "hello from axum\n"))
        .route("/later/{millis}", get(later))
        .with_state(SendWrapper::new(reactor.clone()))
}

fn protocol(app: Router) -> IoProtocol {
    IoProtocol::new(|io| {
        let reactor = io.reactor().clone();
        let service = service_fn(move |request| app.clone().oneshot(request));
        let serving = http1::Builder::new().serve_connection(io, service);
        reactor
            .spawn(async { Ok(serving.await?) })
            .log_error()
            .ignore();
    })
}
// ANCHOR_END: router

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let reactor = Reactor::new()?;
    let app = router(&reactor);
    let port = reactor.listen_tcp(&args.listen, move || protocol(app.clone()))?;
    reactor.call_when_running(move || println!("listening on {}", port.address()));
    reactor.run_until_signal()?;
    Ok(())
}
