//! The TLS configuration of a client, made when it is needed first.

use std::cell::OnceCell;

use deferred::Result;
use reactor_tls::TlsClient;

/// The protocol of connections that are to be HTTP/1.1 (RFC 7301).
const HTTP1: [&str; 1] = ["http/1.1"];

/// The TLS of a client: what the program gives, or else the usual one, with the roots of the
/// platform.
#[derive(Default)]
pub(super) struct Tls {
    usual: OnceCell<TlsClient>,
    /// For connections that are to be HTTP/1.1.
    // For upgrades: a server that agrees on `h2` by ALPN would not take them.
    http1: OnceCell<TlsClient>,
}

impl Tls {
    pub(super) fn new(given: Option<TlsClient>) -> Self {
        let Some(given) = given else {
            return Self::default();
        };
        Self {
            http1: OnceCell::from(given.with_alpn(HTTP1)),
            usual: OnceCell::from(given),
        }
    }

    pub(super) fn get(&self, may_be_http2: bool) -> Result<TlsClient> {
        let (cell, names) = if may_be_http2 {
            (&self.usual, &["h2", "http/1.1"][..])
        } else {
            (&self.http1, &HTTP1[..])
        };
        if let Some(tls) = cell.get() {
            return Ok(tls.clone());
        }
        let tls = TlsClient::builder().alpn(names).build()?;
        // `OnceCell::get_or_try_init` is not stable.
        Ok(cell.get_or_init(|| tls).clone())
    }
}
