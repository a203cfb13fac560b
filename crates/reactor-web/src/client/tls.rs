//! The TLS configuration of a client, made when it is needed first.

use std::cell::OnceCell;

use deferred::Result;
use reactor_tls::TlsClient;

/// The TLS configurations of a client: the program's, or else the default one, with the root
/// certificates of the platform.
#[derive(Default)]
pub(super) struct Tls {
    usual: OnceCell<TlsClient>,
    /// For connections that must speak HTTP/1.1: without `h2`.
    // Needed for upgrades, which HTTP/2 does not have.
    http1: OnceCell<TlsClient>,
}

impl Tls {
    pub(super) fn new(given: Option<TlsClient>) -> Self {
        let Some(given) = given else {
            return Self::default();
        };
        Self {
            http1: OnceCell::from(given.without_alpn("h2")),
            usual: OnceCell::from(given),
        }
    }

    pub(super) fn get(&self, may_be_http2: bool) -> Result<TlsClient> {
        let (cell, names) = if may_be_http2 {
            (&self.usual, &["h2", "http/1.1"][..])
        } else {
            (&self.http1, &["http/1.1"][..])
        };
        if let Some(tls) = cell.get() {
            return Ok(tls.clone());
        }
        let tls = TlsClient::builder().alpn(names).build()?;
        // `OnceCell::get_or_try_init` is not stable.
        Ok(cell.get_or_init(|| tls).clone())
    }
}
