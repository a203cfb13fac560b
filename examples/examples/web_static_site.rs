//! A static site: a folder of files, with an API beside it.
//!
//! Files have types, validators and ranges, so a browser asks only for what has changed, and a
//! download can be resumed.
//!
//! Twisted's counterpart: `twisted.web.static.File`.
//!
//! ```text
//! cargo run --example web_static_site -- --listen 127.0.0.1:8080 --folder docs
//! curl -r 0-99 localhost:8080/README.md
//! ```

use std::path::PathBuf;

use clap::Parser;
use reactor::Reactor;
use reactor_web::{App, Files, serve};

/// Serves a folder.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: std::net::SocketAddr,
    /// The folder.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
}

// ANCHOR: app
fn app(folder: PathBuf) -> App {
    let files = Files::new(folder)
        .listing(true)
        .precompressed(true)
        .cache_control("max-age=60");
    App::new()
        .get("/api/health", |_| "all is well\n")
        .mount("/", files)
}
// ANCHOR_END: app

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let reactor = Reactor::new()?;
    let endpoint = reactor::options::TcpListenOptions::from(args.listen);
    let port = reactor.block_on(serve(&reactor, endpoint, app(args.folder)))?;
    reactor.call_when_running(move || println!("listening on {}", port.address()));
    reactor.run_until_signal()?;
    Ok(())
}
