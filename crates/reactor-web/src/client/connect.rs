//! Makes a connection: TCP or the program's connector, then TLS, then HTTP/1.1 or HTTP/2.

use std::rc::Rc;

use deferred::{Failure, Result};
use reactor::endpoint::PendingConnection;

use super::connection::Conn;
use super::dial;
#[cfg(not(feature = "tls"))]
use super::error::ClientError;
use super::inner::Inner;
use super::origin::Destination;
use super::watch::Stopwatch;
use crate::io::Io;

/// Connects to a destination.
// Each step is cancelled with this future: a request that is dropped leaves no connection behind.
pub(super) async fn dial(
    client: &Inner,
    destination: &Destination,
    clock: &Rc<Stopwatch>,
) -> Result<Conn> {
    #[cfg(feature = "proxy")]
    if let Some(via) = &destination.tunnel {
        let io = super::tunnel::open(client, destination, via, clock).await?;
        return begin(client, destination, io).await;
    }
    // Only a tunnel needs `clock`, for its own request.
    #[cfg(not(feature = "proxy"))]
    let _: &Rc<Stopwatch> = clock;
    let origin = &destination.origin;
    let pending = dial::dial(client, origin).cancel_on_drop().await?;
    let pending = if origin.is_secure {
        secure(client, destination, pending)?
    } else {
        pending
    };
    let io = dial::open(pending).await?;
    begin(client, destination, io).await
}

/// Puts TLS over a connection.
#[cfg(feature = "tls")]
fn secure(
    client: &Inner,
    destination: &Destination,
    pending: PendingConnection,
) -> Result<PendingConnection> {
    let tls = client.tls.get(destination.may_be_http2)?;
    // The name in the URL counts even if the connector connects to another address: the certificate
    // has to be that of the server that the URL names.
    Ok(pending.behind(tls.filter(destination.origin.host())?))
}

#[cfg(not(feature = "tls"))]
fn secure(_: &Inner, _: &Destination, _: PendingConnection) -> Result<PendingConnection> {
    Err(ClientError::NoTls.into())
}

#[cfg(feature = "http2")]
async fn begin(client: &Inner, destination: &Destination, io: Io) -> Result<Conn, Failure> {
    let is_two = if destination.origin.is_secure {
        // A server that does not choose `h2` by ALPN gets HTTP/1.1 (RFC 9113, 3.2).
        is_agreed(&io)
    } else {
        // RFC 9113, 3.3. `may_be_http2` leaves out upgrades and proxies.
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

#[cfg(test)]
mod tests {
    #[cfg(not(feature = "tls"))]
    #[test]
    fn without_tls_an_https_url_names_the_feature() {
        use crate::client::{Client, ClientError};

        let reactor = reactor::testing::TestReactor::new();
        let asked = Client::new(&reactor).get("https://localhost/");
        let failure = reactor.result_of(asked).expect_err("there is no TLS");
        let error: Option<&ClientError> = failure.check();
        assert!(matches!(error, Some(ClientError::NoTls)), "{failure:?}");
        let text = format!("{failure:?}");
        assert!(text.contains("feature `tls`"), "{text}");
    }
}
