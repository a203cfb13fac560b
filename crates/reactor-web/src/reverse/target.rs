//! `Base`: the URL of an upstream, below which requests are sent.

use deferred::Result;
use http::HeaderValue;
use reactor::UnixAddress;
use url::{Position, Url};

use crate::client::ClientError;
use crate::error::HttpError;

/// The URL of an upstream.
pub(super) struct Base {
    /// As the program has written it: for logs and errors.
    pub(super) name: String,
    /// Scheme, host and port, without a slash at the end.
    origin: String,
    /// Without a slash at the end.
    path: String,
    /// Value of `Host` for [`rewrite_host`](super::ReverseProxyBuilder::rewrite_host) and for
    /// health checks.
    pub(super) host: HeaderValue,
}

impl Base {
    /// Parses `text`. For a UNIX socket, adds to `unix` the host name that stands for the socket,
    /// and its address.
    pub(super) fn parse(text: &str, unix: &mut Vec<(String, UnixAddress)>) -> Result<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            // The domain `invalid` is reserved and never exists (RFC 6761), so it names no real
            // server.
            let host = format!("{}.unix.invalid", unix.len());
            unix.push((host.clone(), UnixAddress::from(path)));
            return Ok(Self {
                name: text.to_owned(),
                origin: format!("http://{host}"),
                path: String::new(),
                // HTTP/1.1 requires a host, and a UNIX socket has none.
                host: HeaderValue::from_static("localhost"),
            });
        }
        let bad = |reason: String| ClientError::BadUrl {
            url: text.to_owned(),
            reason,
        };
        let url = Url::parse(text).map_err(|error| bad(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad("an upstream is one of http, https or unix".to_owned()).into());
        }
        if !url.username().is_empty() || url.password().is_some() {
            let hidden = ClientError::BadUrl {
                url: url[Position::BeforeHost..Position::AfterPath].to_owned(),
                reason: "an upstream has no user and no password".to_owned(),
            };
            return Err(hidden.into());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad("an upstream has no query and no fragment".to_owned()).into());
        }
        // With the port only if it is not the scheme's default, as browsers send it.
        let authority = &url[Position::BeforeHost..Position::AfterPort];
        Ok(Self {
            name: text.to_owned(),
            origin: url[..Position::BeforePath].to_owned(),
            path: url.path().trim_end_matches('/').to_owned(),
            host: HeaderValue::try_from(authority)?,
        })
    }

    /// The URL of a request: `rest` is its path below the place where the proxy is mounted.
    pub(super) fn join(&self, rest: &str, query: Option<&str>) -> Result<String> {
        // Checked before backslashes are encoded, so that a backslash counts as a separator, too.
        if rest.split(['/', '\\']).any(is_dots) {
            // The client would resolve `..` in the URL, and so leave the path of the upstream.
            return Err(HttpError::bad_request("the path has `.` or `..` in it").into());
        }
        // A URL parser would read a backslash as a slash, so it is encoded. The `*` of `OPTIONS *`
        // is not a path (RFC 9112, 3.2.4), and is removed.
        let rest = rest.trim_start_matches('*').replace('\\', "%5C");
        let slash = if rest.starts_with('/') { "" } else { "/" };
        let mut url = [&self.origin, &self.path, slash, &rest].concat();
        // The request is for the mount itself, without a slash at the end, so the upstream gets its
        // path without one, too.
        if rest.is_empty() && !self.path.is_empty() {
            url.pop();
        }
        if let Some(query) = query {
            url.push('?');
            url.push_str(query);
        }
        Ok(url)
    }
}

/// Whether a segment of a path is `.` or `..`, in any spelling.
fn is_dots(segment: &str) -> bool {
    // The `url` crate resolves both spellings, as browsers do.
    let plain = segment.replace("%2e", ".").replace("%2E", ".");
    matches!(plain.as_str(), "." | "..")
}
