//! Making a connection: TCP or what the program says, TLS, and the version of HTTP.

use deferred::{Deferred, Failure, Result};
use reactor::endpoint::{ClientEndpoint, PendingConnection};
use reactor::{ReactorHandle, TcpConnectOptions};

use super::connection::Conn;
#[cfg(not(feature = "tls"))]
use super::error::ClientError;
use super::inner::Inner;
use super::origin::{Destination, Origin};
use crate::io::{Io, IoProtocol};

/// Connects to a destination.
pub(super) async fn dial(client: &Inner, destination: &Destination) -> Result<Conn> {
    let origin = &destination.origin;
    let reactor = client.pool.reactor();
    let pending = dial_origin(client, reactor, origin)
        .cancel_on_drop()
        .await?;
    let pending = if origin.is_secure {
        secure(client, destination, pending)?
    } else {
        pending
    };
    let io = open(pending).await?;
    begin(client, destination, io).await
}

fn dial_origin(
    client: &Inner,
    reactor: &ReactorHandle,
    origin: &Origin,
) -> Deferred<PendingConnection> {
    match &client.config.connector {
        Some(connector) => connector(origin.host(), origin.port).dial(reactor),
        None => TcpConnectOptions::new((origin.host(), origin.port)).dial(reactor),
    }
}

/// Puts TLS over a connection.
#[cfg(feature = "tls")]
fn secure(
    client: &Inner,
    destination: &Destination,
    pending: PendingConnection,
) -> Result<PendingConnection> {
    let tls = client.tls.get(destination.may_be_http2)?;
    Ok(pending.behind(tls.filter(destination.origin.host())?))
}

#[cfg(not(feature = "tls"))]
fn secure(_: &Inner, _: &Destination, _: PendingConnection) -> Result<PendingConnection> {
    Err(ClientError::NoTls.into())
}

/// The connection, when it is open: after the handshake of TLS.
async fn open(pending: PendingConnection) -> Result<Io> {
    let (trigger, opened) = Deferred::pair();
    let protocol = IoProtocol::new(move |io| {
        // Errs if it was cancelled: then the connection is dropped here, which closes it.
        let _ = trigger.callback(io);
    });
    // If it fails, the protocol is dropped, and with it the trigger: this failure says more.
    let opened = opened.cancel_on_drop();
    pending.start(protocol).cancel_on_drop().await?;
    opened.await
}

#[cfg(feature = "http2")]
async fn begin(client: &Inner, destination: &Destination, io: Io) -> Result<Conn, Failure> {
    let is_two = if destination.origin.is_secure {
        is_agreed(&io)
    } else {
        destination.may_be_http2 && client.config.http2_prior_knowledge
    };
    if is_two {
        Conn::two(io).await
    } else {
        Conn::one(io).await
    }
}

#[cfg(not(feature = "http2"))]
async fn begin(_: &Inner, _: &Destination, io: Io) -> Result<Conn, Failure> {
    Conn::one(io).await
}

/// Whether both sides have agreed on HTTP/2 by ALPN.
#[cfg(all(feature = "http2", feature = "tls"))]
fn is_agreed(io: &Io) -> bool {
    let info = io.connection().filter_info::<reactor_tls::TlsInfo>();
    info.and_then(|info| info.alpn)
        .is_some_and(|name| name == b"h2")
}

#[cfg(all(feature = "http2", not(feature = "tls")))]
fn is_agreed(_: &Io) -> bool {
    false
}
