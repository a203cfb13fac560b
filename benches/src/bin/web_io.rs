//! hyper's own API on `Io`. The first of two arguments may be `tls`, or `h2` for HTTP/2 only.

use std::convert::Infallible;
use std::error::Error;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use reactor::Reactor;
use reactor_web::{IoProtocol, LoopExecutor};

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = benches::web_body(request.uri().path());
    Ok(Response::new(Full::new(body.into())))
}

fn main() -> Result<(), Box<dyn Error>> {
    let reactor = Reactor::new()?;
    let is_two = benches::mode() == "h2";
    let protocol = move || {
        IoProtocol::new(move |io| {
            let reactor = io.reactor().clone();
            if is_two {
                let serving = http2::Builder::new(LoopExecutor::new(&reactor))
                    .serve_connection(io, service_fn(answer));
                reactor.spawn(async { Ok(serving.await?) }).ignore();
                return;
            }
            // As `pipeline_flush` of the peer, that has hyper copy an answer behind its head.
            let serving = http1::Builder::new()
                .writev(false)
                .serve_connection(io, service_fn(answer));
            reactor.spawn(async { Ok(serving.await?) }).ignore();
        })
    };
    benches::listen_web(&reactor, protocol)?;
    reactor.run_until_signal()?;
    Ok(())
}
