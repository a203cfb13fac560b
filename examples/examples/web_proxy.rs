//! An HTTP proxy for a browser: it passes requests on, and their answers back, as streams.
//!
//! It makes no tunnels (`CONNECT`), so https does not go through it.
//!
//! Twisted's counterpart: `proxy.py`, by `twisted.web.proxy.Proxy`.
//!
//! ```text
//! cargo run --example web_proxy -- --listen 127.0.0.1:8081
//! curl --proxy localhost:8081 http://example.org/
//! ```

use clap::Parser;
use reactor::Reactor;
use reactor_web::http::{self, HeaderMap, Method, StatusCode, header};
use reactor_web::{App, Client, HttpError, Request, Response, serve};

/// Passes requests on.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8081")]
    listen: std::net::SocketAddr,
}

/// Headers for one connection only (RFC 9110, 7.6.1).
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

// ANCHOR: proxy
fn strip(headers: &mut HeaderMap) {
    let connection = headers
        .get(header::CONNECTION)
        .and_then(|value| value.to_str().ok());
    let named = connection.unwrap_or_default().to_owned();
    for name in named.split(',').map(str::trim).chain(HOP_BY_HOP) {
        headers.remove(name);
    }
}

async fn pass_on(client: &Client, req: &Request) -> deferred::Result<Response> {
    if req.method() == Method::CONNECT || req.uri().host().is_none() {
        return Err(HttpError::new(StatusCode::NOT_IMPLEMENTED).into());
    }
    let mut request = http::Request::new(req.take_body());
    *request.method_mut() = req.method().clone();
    *request.uri_mut() = req.uri().clone();
    *request.headers_mut() = req.headers().clone();
    strip(request.headers_mut());
    let answer = client.send(request).await;
    let mut answer = answer
        .map_err(|failure| HttpError::new(StatusCode::BAD_GATEWAY).with_message(failure.message()))?
        .into_http();
    strip(answer.headers_mut());
    Ok(answer)
}

fn app(client: Client) -> App {
    App::new().fallback(move |req: Request| {
        let client = client.clone();
        async move { pass_on(&client, &req).await }
    })
}
// ANCHOR_END: proxy

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let reactor = Reactor::new()?;
    let client = Client::builder().redirects(0).build(&reactor);
    let endpoint = reactor::options::TcpListenOptions::from(args.listen);
    let port = reactor.block_on(serve(&reactor, endpoint, app(client)))?;
    reactor.call_when_running(move || println!("listening on {}", port.address()));
    reactor.run_until_signal()?;
    Ok(())
}
