//! `Origin`: what connections are shared by: scheme, host and port.

use url::Url;

use super::error::ClientError;

/// Scheme, host and port of a URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) is_secure: bool,
    /// As in a URL: an IPv6 address is in brackets.
    host: String,
    pub(super) port: u16,
}

/// A proxy for one request.
#[cfg(feature = "proxy")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Via {
    pub(super) origin: Origin,
    // A part of the key: a tunnel that was made for one user of the proxy is not for another.
    pub(super) authorization: Option<http::HeaderValue>,
}

/// What connections are shared by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Destination {
    /// The server, or the proxy that is sent whole URLs.
    pub(super) origin: Origin,
    /// The proxy that makes a tunnel to the server.
    #[cfg(feature = "proxy")]
    pub(super) tunnel: Option<Via>,
    /// Whether the server may turn out to speak HTTP/2, so that one connection is enough.
    // A part of the key: an upgrade to the same origin needs a connection of HTTP/1.1.
    pub(super) may_be_http2: bool,
}

impl Origin {
    pub(super) fn of(url: &Url) -> Result<Self, ClientError> {
        let is_secure = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(bad(url, "only http and https can be asked for")),
        };
        let Some(host) = url.host_str() else {
            return Err(bad(url, "there is no host"));
        };
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

    /// The host as a resolver and a certificate know it.
    pub(super) fn host(&self) -> &str {
        let inside = self
            .host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        inside.unwrap_or(&self.host)
    }

    /// Host and port, both, for a proxy.
    #[cfg(feature = "proxy")]
    pub(super) fn host_and_port(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// What a `Host` header says: without the port that the scheme has anyway.
    pub(super) fn authority(&self) -> String {
        let usual = if self.is_secure { 443 } else { 80 };
        if self.port == usual {
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

/// A URL as messages show it: without its password.
pub(super) fn shown(url: &Url) -> Url {
    let mut url = url.clone();
    if !url.username().is_empty() || url.password().is_some() {
        // Both err only for a URL without a host, which has no user either.
        let _ = url.set_username("");
        let _ = url.set_password(None);
    }
    url
}
