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
    /// For [`rewrite_host`](super::ReverseProxyBuilder::rewrite_host).
    pub(super) host: HeaderValue,
}

impl Base {
    /// Parses `text`; `unix` gets the UNIX sockets, by the host that stands for each.
    pub(super) fn parse(text: &str, unix: &mut Vec<(String, UnixAddress)>) -> Result<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            // `invalid` is reserved: no name server has it (RFC 6761).
            let host = format!("{}.unix.invalid", unix.len());
            unix.push((host.clone(), UnixAddress::from(path)));
            return Ok(Self {
                name: text.to_owned(),
                origin: format!("http://{host}"),
                path: String::new(),
                // A socket has no name, and HTTP/1.1 wants one.
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
        // With the port only if the scheme has another one, as browsers send it.
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
        // Before the backslashes are encoded, so that they separate segments.
        if rest.split(['/', '\\']).any(is_dots) {
            // A URL has none: the client would resolve them, and leave the path of the upstream.
            return Err(HttpError::bad_request("the path has `.` or `..` in it").into());
        }
        // In a URL of http, a backslash is a slash.
        // The target of `OPTIONS *` is no path (RFC 9112, 3.2.4).
        let rest = rest.trim_start_matches('*').replace('\\', "%5C");
        let slash = if rest.starts_with('/') { "" } else { "/" };
        let mut url = [&self.origin, &self.path, slash, &rest].concat();
        // Mounted at the path itself: the upstream's path is without a slash, too.
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
