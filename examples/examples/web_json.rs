//! JSON in requests and answers.
//!
//! Twisted's counterpart: klein, with the module `json`.
//!
//! ```text
//! cargo run --example web_json -- --listen 127.0.0.1:8080
//! curl localhost:8080/orders -H 'content-type: application/json' -d '{"item":"lamp","count":2}'
//! ```

use clap::Parser;
use reactor::Reactor;
use reactor_web::{App, Json, serve};
use serde::{Deserialize, Serialize};

/// Takes orders.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: std::net::SocketAddr,
}

// ANCHOR: app
#[derive(Deserialize)]
struct Order {
    item: String,
    count: u32,
}

#[derive(Serialize)]
struct Receipt {
    item: String,
    total: u64,
}

fn app() -> App {
    App::new().post("/orders", |req| {
        req.json().add_callback(|order: Order| {
            Ok(Json(Receipt {
                total: u64::from(order.count) * 30,
                item: order.item,
            }))
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
