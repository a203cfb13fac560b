//! hyper's own API on `Io`.

use std::convert::Infallible;
use std::error::Error;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use reactor::Reactor;
use reactor_web::{Body, IoProtocol};

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(
        benches::web_body(request.uri().path()).into(),
    ))
}

fn main() -> Result<(), Box<dyn Error>> {
    let reactor = Reactor::new()?;
    let protocol = || {
        IoProtocol::new(|io| {
            let reactor = io.reactor().clone();
            let serving = http1::Builder::new().serve_connection(io, service_fn(answer));
            reactor.spawn(async { Ok(serving.await?) }).ignore();
        })
    };
    benches::listen_on_reactor(&reactor, protocol)?;
    reactor.run_until_signal()?;
    Ok(())
}
