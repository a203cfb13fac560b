//! Connects to an origin: by TCP, or by the program's connector.

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

/// Waits until the connection is open, the TLS handshake included.
pub(super) async fn open(pending: PendingConnection) -> Result<Io> {
    let (trigger, opened) = Deferred::pair();
    let protocol = IoProtocol::new(move |io| {
        // Errs if `open` was cancelled: then `io` is dropped here, which closes the connection.
        let _ = trigger.callback(io);
    });
    // If `start` fails, it drops the protocol and so the trigger, with which `opened` would fail,
    // too. The failure of `start` says more, so it is returned.
    let opened = opened.cancel_on_drop();
    pending.start(protocol).cancel_on_drop().await?;
    opened.await
}
