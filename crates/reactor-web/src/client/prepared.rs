//! `Prepared`: a request with all of its parts, ready to be sent.

use std::ops::Deref;
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Method, header};
use url::Url;

use super::watch::Timeouts;
use crate::body::Body;

/// A request with all of its parts, ready to be sent.
pub(super) struct Prepared {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Headers,
    pub(super) body: Body,
    pub(super) timeouts: Timeouts,
}

/// The headers of a request. A request that has none of its own shares those of the client.
pub(super) enum Headers {
    Own(HeaderMap),
    Shared(Rc<HeaderMap>),
}

impl Prepared {
    pub(super) fn set_body(&mut self, kind: &'static str, body: impl Into<Body>) {
        self.body = body.into();
        self.headers
            .to_mut()
            .entry(header::CONTENT_TYPE)
            // A type that the program has set before stays.
            .or_insert(HeaderValue::from_static(kind));
    }
}

impl Headers {
    /// The headers, to be changed: shared ones are copied.
    pub(super) fn to_mut(&mut self) -> &mut HeaderMap {
        match self {
            Self::Own(own) => own,
            Self::Shared(shared) => Rc::make_mut(shared),
        }
    }
}

impl Deref for Headers {
    type Target = HeaderMap;

    fn deref(&self) -> &HeaderMap {
        match self {
            Self::Own(own) => own,
            Self::Shared(shared) => shared,
        }
    }
}

/// The value of `Authorization` for user and password (Basic).
pub(super) fn basic(user: &str, password: &str) -> HeaderValue {
    let encoded = STANDARD.encode(format!("{user}:{password}"));
    // Base64 has no character that a header may not have.
    let mut value = HeaderValue::try_from(format!("Basic {encoded}"))
        .unwrap_or(HeaderValue::from_static("Basic"));
    // Not shown by `Debug`, and not put into the table of HPACK.
    value.set_sensitive(true);
    value
}
