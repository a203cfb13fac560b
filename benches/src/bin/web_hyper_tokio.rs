//! hyper on Tokio, in one thread. The first of two arguments may be `tls`, or `h2` for HTTP/2
//! only.

use std::convert::Infallible;
use std::error::Error;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio_rustls::TlsAcceptor;

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = benches::web_body(request.uri().path());
    Ok(Response::new(Full::new(body.into())))
}

/// Serves HTTP/1.1; `pipeline_flush` has hyper gather the answers to pipelined requests.
async fn serve(io: impl Read + Write + Unpin) {
    // A connection that breaks is the client's affair.
    let _ = http1::Builder::new()
        .pipeline_flush(true)
        .serve_connection(io, service_fn(answer))
        .await;
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let served = match benches::mode().as_str() {
        "h2" => runtime.block_on(benches::serve_on_tokio(|stream| {
            http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service_fn(answer))
        })),
        "tls" => {
            let acceptor = TlsAcceptor::from(benches::tls_configs::server_of_peers()?);
            runtime.block_on(benches::serve_on_tokio(|stream| {
                let accepting = acceptor.accept(stream);
                async {
                    if let Ok(stream) = accepting.await {
                        serve(TokioIo::new(stream)).await;
                    }
                }
            }))
        }
        _ => runtime.block_on(benches::serve_on_tokio(|stream| {
            serve(TokioIo::new(stream))
        })),
    };
    Ok(served?)
}
