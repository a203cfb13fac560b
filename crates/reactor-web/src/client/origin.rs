//! `Origin` and `Destination`: the keys by which the pool finds a connection for a request.
//! `Server`: an origin with its forms in a request.

use std::rc::Rc;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};
use url::Url;

use super::error::ClientError;

/// Scheme, host and port of a URL (RFC 6454). Requests to one origin may use one connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    /// The scheme is `https`.
    pub(super) is_secure: bool,
    /// As in a URL, with an IPv6 address in brackets.
    // Shared, since the key of each request contains it.
    host: Rc<str>,
    pub(super) port: u16,
}

/// The server of a URL: its origin, with the forms of it that requests contain.
pub(super) struct Server {
    pub(super) origin: Origin,
    /// As in a whole URL.
    authority: Authority,
    /// The value of `Host` for HTTP/1.1, unless the request has a `Host` of its own.
    pub(super) host: HeaderValue,
}

/// A proxy that tunnels a connection to a server (CONNECT).
#[cfg(feature = "proxy")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Via {
    pub(super) origin: Origin,
    /// The header `Proxy-Authorization`. It is part of the key, so that a tunnel that was opened
    /// with one login does not serve requests with another.
    pub(super) authorization: Option<HeaderValue>,
}

/// Key of the pool: the requests of one destination share connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Destination {
    /// The server; for `http` behind a proxy, the proxy, which gets whole URLs as request targets
    /// and so serves requests to all servers by the same connections.
    pub(super) origin: Origin,
    /// The proxy that opens a tunnel to the server; only for `https` behind a proxy.
    #[cfg(feature = "proxy")]
    pub(super) tunnel: Option<Via>,
    /// Whether the connection may turn out to speak HTTP/2, so that all requests share one. It is
    /// part of the key, because an upgrade needs HTTP/1.1 (WebSocket): it must not get a connection
    /// on which TLS has agreed on HTTP/2.
    pub(super) may_be_http2: bool,
}

impl Origin {
    pub(super) fn of(url: &Url) -> Result<Self, ClientError> {
        let is_secure = match url.scheme() {
            "http" => false,
            "https" => true,
            // The URLs of redirects come here, too.
            _ => return Err(bad(url, "only http and https can be asked for")),
        };
        let Some(host) = url.host_str() else {
            return Err(bad(url, "there is no host"));
        };
        // `Url` accepts port 0; the system would refuse the connection with a less clear error.
        let Some(port) = url.port_or_known_default().filter(|port| *port != 0) else {
            return Err(bad(url, "nothing can listen on port 0"));
        };
        Ok(Self {
            is_secure,
            host: host.into(),
            port,
        })
    }

    /// Whether this is the origin of `url`.
    fn is_of(&self, url: &Url) -> bool {
        let scheme = if self.is_secure { "https" } else { "http" };
        url.scheme() == scheme
            && url.host_str() == Some(&*self.host)
            && url.port_or_known_default() == Some(self.port)
    }

    /// The host for a resolver and for the check of a certificate: an IPv6 address without
    /// brackets.
    pub(super) fn host(&self) -> &str {
        let inside = self
            .host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        inside.unwrap_or(&self.host)
    }

    /// The target of a CONNECT, which has the port in any case (RFC 9110, section 9.3.6).
    #[cfg(feature = "proxy")]
    pub(super) fn host_and_port(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The value of a `Host` header: the port stands there only if it is not the scheme's default.
    fn authority(&self) -> String {
        let default = if self.is_secure { 443 } else { 80 };
        if self.port == default {
            self.host.as_ref().to_owned()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl Server {
    pub(super) fn of(url: &Url) -> Result<Self, ClientError> {
        let origin = Origin::of(url)?;
        let text = origin.authority();
        let host = HeaderValue::try_from(&text).map_err(|error| bad(url, error))?;
        let authority = Authority::try_from(text).map_err(|error| bad(url, error))?;
        Ok(Self {
            origin,
            authority,
            host,
        })
    }

    /// Whether this is the server of `url`.
    pub(super) fn is_of(&self, url: &Url) -> bool {
        self.origin.is_of(url)
    }

    /// The whole URL of `path`, without a user: for HTTP/2, and for a proxy.
    pub(super) fn absolute(&self, path: PathAndQuery) -> http::Result<Uri> {
        let scheme = if self.origin.is_secure {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        };
        Uri::builder()
            .scheme(scheme)
            .authority(self.authority.clone())
            .path_and_query(path)
            .build()
    }
}

/// Path and query of `url`: the target of a request to its server by HTTP/1.1.
pub(super) fn path_of(url: &Url) -> Result<PathAndQuery, ClientError> {
    // Without the fragment, which is not sent (RFC 9110, 7.1).
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    path.parse()
        .map_err(|error: http::uri::InvalidUri| bad(url, error))
}

fn bad(url: &Url, reason: impl ToString) -> ClientError {
    ClientError::BadUrl {
        url: shown(url).into(),
        reason: reason.to_string(),
    }
}

/// A URL for messages: without its user and password.
pub(super) fn shown(url: &Url) -> Url {
    let mut url = url.clone();
    if !url.username().is_empty() || url.password().is_some() {
        // Both err only for a URL without a host, which has no user either.
        let _ = url.set_username("");
        let _ = url.set_password(None);
    }
    url
}
