//! A tunnel through a proxy, to a server of https.

use std::rc::Rc;

use deferred::Result;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};

use super::connection::Conn;
use super::dial;
use super::error::ClientError;
use super::inner::Inner;
use super::origin::{Destination, Via};
use super::upgrade;
use super::upload::Upload;
use super::watch::Stopwatch;
use crate::body::Body;
use crate::io::Io;

/// Opens a tunnel: makes a proxy connect to a server (CONNECT), and begins TLS with the server.
pub(super) async fn open(
    client: &Inner,
    destination: &Destination,
    via: &Via,
    clock: &Rc<Stopwatch>,
) -> Result<Io> {
    let pending = dial::dial(client, &via.origin).cancel_on_drop().await?;
    let io = dial::open(pending).await?;
    // CONNECT is sent by HTTP/1.1 without TLS: only proxies with `http` URLs are supported.
    let mut conn = Conn::one(io).await?;
    // Before the request is sent: the driver closes a connection that nothing waits for.
    let tunnel = upgrade::wait_for(conn.upgrade());
    let answer = conn.send(request(destination, via, clock)?).await;
    let response = answer.map_err(|refused| refused.failure)?;
    // Any 2xx makes the tunnel (RFC 9110, 9.3.6).
    if !response.status().is_success() {
        let status = response.status();
        // The content of the refusal is not read, so the connection cannot be used again.
        conn.abort();
        return Err(ClientError::ProxyRefused { status }.into());
    }
    let (io, early) = tunnel.await?;
    if !early.is_empty() {
        // In TLS, the client sends first, so these bytes come from the proxy, and not from the
        // server.
        return Err(deferred::Failure::msg(
            "the proxy has sent something into the tunnel",
        ));
    }
    secure(client, destination, &io).await?;
    Ok(io)
}

fn request(destination: &Destination, via: &Via, clock: &Rc<Stopwatch>) -> Result<Request<Upload>> {
    let server = destination.origin.host_and_port();
    let mut headers = HeaderMap::new();
    // The target is host and port, both, and `Host` is the same (RFC 9112, 3.2.3 and 3.2).
    headers.insert(header::HOST, HeaderValue::try_from(&server)?);
    if let Some(value) = &via.authorization {
        // Sent only here: the requests in the tunnel go to the server, which must not get it.
        headers.insert(header::PROXY_AUTHORIZATION, value.clone());
    }
    let mut request = Request::new(Upload::new(Body::empty(), Rc::clone(clock)));
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = Uri::try_from(server)?;
    *request.headers_mut() = headers;
    Ok(request)
}

#[cfg(feature = "tls")]
async fn secure(client: &Inner, destination: &Destination, io: &Io) -> Result<()> {
    let tls = client.tls.get(destination.may_be_http2)?;
    let filter = tls.filter(destination.origin.host())?;
    io.connection().insert_filter(filter).cancel_on_drop().await
}

#[cfg(not(feature = "tls"))]
async fn secure(_: &Inner, _: &Destination, _: &Io) -> Result<()> {
    Err(ClientError::NoTls.into())
}
