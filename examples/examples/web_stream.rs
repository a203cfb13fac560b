//! Streams: an answer of any length, and an upload that is sent back while it comes.
//!
//! Neither is ever in memory as a whole: a client that reads slowly slows its handler down.
//!
//! Twisted's counterpart: `Request.write` with `registerProducer`; an upload is read whole there.
//!
//! ```text
//! cargo run --example web_stream -- --listen 127.0.0.1:8080
//! curl localhost:8080/numbers/1000000 | tail -1
//! yes | head -c 100000000 | curl -T - localhost:8080/upper | tail -c 10
//! ```

use clap::Parser;
use reactor::Reactor;
use reactor_web::{App, Body, Request, serve};

/// Streams numbers, and what is uploaded.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: std::net::SocketAddr,
}

// ANCHOR: numbers
fn numbers(req: &Request) -> deferred::Result<Body> {
    let count: u64 = req.param_as("count")?;
    let (writer, body) = Body::channel();
    let writing = async move {
        for number in 1..=count {
            // Waits while the client does not read, and fails when it is gone.
            if let Err(gone) = writer.write(format!("{number}\n")).await {
                println!("{number} was not sent: {gone}");
                break;
            }
        }
        Ok(())
    };
    req.reactor().spawn(writing).ignore();
    Ok(body)
}
// ANCHOR_END: numbers

// ANCHOR: upper
fn upper(req: &Request) -> Body {
    let mut upload = req.take_body();
    upload.set_limit(None);
    let (writer, body) = Body::channel();
    let writing = async move {
        while let Some(bytes) = upload.next().await {
            match bytes {
                Ok(bytes) => writer.write(bytes.to_ascii_uppercase()).await?,
                // The client learns that its answer is incomplete.
                Err(failure) => writer.abort(failure),
            }
        }
        Ok(())
    };
    // It fails if the client is gone.
    req.reactor().spawn(writing).ignore();
    body
}
// ANCHOR_END: upper

fn app() -> App {
    App::new()
        .get("/numbers/{count}", |req| numbers(&req))
        .put("/upper", |req| upper(&req))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let reactor = Reactor::new()?;
    let endpoint = reactor::options::TcpListenOptions::from(args.listen);
    let port = reactor.block_on(serve(&reactor, endpoint, app()))?;
    reactor.call_when_running(move || println!("listening on {}", port.address()));
    reactor.run_until_signal()?;
    Ok(())
}
