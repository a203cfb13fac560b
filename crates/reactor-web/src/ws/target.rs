//! `Target`: the parts of a WebSocket URL.

use deferred::{Failure, Result};
use http::{HeaderValue, Uri};

/// The parts of a WebSocket URL.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) is_secure: bool,
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// The value of the header `Host`.
    pub(super) authority: HeaderValue,
    pub(super) path: Uri,
}

impl Target {
    pub(super) fn new(url: &str) -> Result<Self> {
        // A fragment is never sent to a server.
        let url = url.split_once('#').map_or(url, |(url, _)| url);
        let uri: Uri = url.parse()?;
        // `http` and `https` are accepted, too, as in the WebSocket API of browsers.
        let is_secure = match uri.scheme_str() {
            Some("ws" | "http") => false,
            Some("wss" | "https") => true,
            _ => return Err(Failure::msg(format!("`{url}` is no URL of a WebSocket"))),
        };
        let Some(authority) = uri.authority() else {
            return Err(Failure::msg(format!("`{url}` names no host")));
        };
        // Refused, because a user would go into `Host`, and would authenticate nothing.
        if authority.as_str().contains('@') {
            return Err(Failure::msg(
                "a user in the URL of a WebSocket is not supported",
            ));
        }
        let host = authority.host();
        let path = uri.path_and_query().cloned();
        Ok(Self {
            is_secure,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: authority
                .port_u16()
                .unwrap_or(if is_secure { 443 } else { 80 }),
            // As in the URL, with the port if there is one (RFC 6455, 4.1).
            authority: HeaderValue::from_str(authority.as_str())?,
            path: path.map_or_else(|| Uri::from_static("/"), Uri::from),
        })
    }
}
