//! `Config`: the configuration of a client.

use std::rc::Rc;
use std::time::Duration;

use http::HeaderMap;
#[cfg(feature = "compression")]
use http::header;
use reactor::endpoint::ClientEndpoint;

#[cfg(feature = "cookies")]
use super::cookies::CookieJar;
use super::origin::Origin;
use super::pool::PoolLimits;
#[cfg(feature = "proxy")]
use super::proxy::ProxyRule;
use super::watch::Timeouts;

/// Timeout of connecting, the look-up of the name and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Timeout from the end of a request to the head of its answer.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Timeout between two pieces of the content of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Most requests under way to one origin.
const IN_FLIGHT: usize = 100;

/// Most idle connections that are kept for one origin.
const IDLE: usize = 32;

/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Most redirects that are followed.
const REDIRECTS: usize = 10;

/// The most bytes of an answer that are collected.
const BODY_LIMIT: u64 = 16 * 1024 * 1024;

/// Makes the endpoint of a host and a port.
pub(super) type Connector = Rc<dyn Fn(&str, u16) -> Box<dyn ClientEndpoint>>;

/// The configuration that all requests of a client share.
pub(super) struct Config {
    pub(super) timeouts: Timeouts,
    pub(super) pool: PoolLimits,
    pub(super) body_limit: u64,
    /// Headers sent with each request that does not set them.
    pub(super) headers: HeaderMap,
    pub(super) connector: Option<Connector>,
    pub(super) redirects: usize,
    #[cfg(feature = "compression")]
    pub(super) decompresses: bool,
    #[cfg(feature = "cookies")]
    pub(super) cookies: Option<CookieJar>,
    #[cfg(feature = "proxy")]
    pub(super) proxy: Option<ProxyRule>,
    #[cfg(feature = "http2")]
    pub(super) http2_prior_knowledge: bool,
}

impl Config {
    /// Adds the headers of the client, which do not replace those of the request. Returns whether
    /// the content is to be decompressed.
    pub(super) fn complete(&self, headers: &mut HeaderMap) -> bool {
        for (name, value) in &self.headers {
            if !headers.contains_key(name) {
                headers.insert(name.clone(), value.clone());
            }
        }
        #[cfg(feature = "compression")]
        // A range of compressed content cannot be decompressed.
        if self.decompresses
            && !headers.contains_key(header::ACCEPT_ENCODING)
            && !headers.contains_key(header::RANGE)
        {
            headers.insert(header::ACCEPT_ENCODING, super::decoded::ACCEPTED);
            return true;
        }
        false
    }

    /// Whether a server may turn out to speak HTTP/2.
    #[cfg(feature = "http2")]
    pub(super) fn may_be_http2(&self, origin: &Origin) -> bool {
        // With TLS, the server says so by ALPN. A server of http has no way to say so, since the
        // upgrade to `h2c` is deprecated (RFC 9113, 3.1).
        origin.is_secure || self.http2_prior_knowledge
    }

    #[cfg(not(feature = "http2"))]
    pub(super) fn may_be_http2(&self, _: &Origin) -> bool {
        false
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timeouts: Timeouts {
                connect: CONNECT_TIMEOUT,
                head: HEAD_TIMEOUT,
                read: READ_TIMEOUT,
                whole: None,
            },
            pool: PoolLimits {
                in_flight: IN_FLIGHT,
                idle: IDLE,
                idle_timeout: IDLE_TIMEOUT,
            },
            body_limit: BODY_LIMIT,
            headers: default_headers(),
            connector: None,
            redirects: REDIRECTS,
            #[cfg(feature = "compression")]
            decompresses: true,
            #[cfg(feature = "cookies")]
            cookies: None,
            #[cfg(feature = "proxy")]
            proxy: None,
            #[cfg(feature = "http2")]
            http2_prior_knowledge: false,
        }
    }
}

fn default_headers() -> HeaderMap {
    use http::{HeaderValue, header};
    let name = concat!("reactor-web/", env!("CARGO_PKG_VERSION"));
    let mut headers = HeaderMap::new();
    headers.insert(header::USER_AGENT, HeaderValue::from_static(name));
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    headers
}
