//! A connection to an origin: by TCP, or by what the program says.

use deferred::{Deferred, Result};
use reactor::TcpConnectOptions;
use reactor::endpoint::{ClientEndpoint, PendingConnection};

use super::inner::Inner;
use super::origin::Origin;
use crate::io::{Io, IoProtocol};

/// Connects to an origin, or to a proxy.
pub(super) fn dial(client: &Inner, origin: &Origin) -> Deferred<PendingConnection> {
    let reactor = client.pool.reactor();
    match &client.config.connector {
        Some(connector) => connector(origin.host(), origin.port).dial(reactor),
        None => TcpConnectOptions::new((origin.host(), origin.port)).dial(reactor),
    }
}

/// The connection, when it is open: after the handshake of TLS.
pub(super) async fn open(pending: PendingConnection) -> Result<Io> {
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
