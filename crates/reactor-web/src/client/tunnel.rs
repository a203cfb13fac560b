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
    let mut conn = Conn::one(io).await?;
    let tunnel = upgrade::wait_for(conn.upgrade());
    let answer = conn.send(request(destination, via, clock)?).await;
    let response = answer.map_err(|refused| refused.failure)?;
    if !response.status().is_success() {
        let status = response.status();
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
    headers.insert(header::HOST, HeaderValue::try_from(&server)?);
    if let Some(value) = &via.authorization {
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
