//! `Origin` and `Destination`: the keys by which the pool finds a connection for a request.

use url::Url;

use super::error::ClientError;

/// Scheme, host and port of a URL (RFC 6454). Requests to one origin may use one connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    /// The scheme is `https`.
    pub(super) is_secure: bool,
    /// As in a URL, with an IPv6 address in brackets.
    host: String,
    pub(super) port: u16,
}

/// A proxy that tunnels a connection to a server (CONNECT).
#[cfg(feature = "proxy")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Via {
    pub(super) origin: Origin,
    /// The header `Proxy-Authorization`. It is part of the key, so that a tunnel that was opened
    /// with one login does not serve requests with another.
    pub(super) authorization: Option<http::HeaderValue>,
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
        let host = host.to_owned();
        Ok(Self {
            is_secure,
            host,
            port,
        })
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
    pub(super) fn authority(&self) -> String {
        let default = if self.is_secure { 443 } else { 80 };
        if self.port == default {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

fn bad(url: &Url, reason: &str) -> ClientError {
    ClientError::BadUrl {
        url: shown(url).into(),
        reason: reason.to_owned(),
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
