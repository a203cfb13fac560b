//! `Compression`: compresses answers with a coding that the client accepts.

use std::fmt;

use http::header::{self, Entry};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body::Body as _;
use reactor::ReactorHandle;

use crate::app::{Middleware, Next};
use crate::body::Body;
use crate::coding::{Encoded, IN_LOOP, encode_whole};
use crate::negotiation::{Accepted, Coding};
use crate::request::Request;
use crate::response::{Answer, Response};

/// Smaller answers are sent as they are: they would fit into one packet anyway.
const MIN_SIZE: u64 = 1024;

/// Middleware that compresses answers with Brotli, zstd or gzip, whichever the client accepts.
///
/// An answer is compressed if its type is text (`text/*`, JSON, XML, JavaScript, SVG, WebAssembly
/// and the like), and if it is not
///
/// - shorter than 1 KiB ([`min_size`](Self::min_size)),
/// - encoded already, or a range of something, or marked `Cache-Control: no-transform`.
///
/// A compressed answer has no `Content-Length`, unless its content was in memory and at most 16 KiB
/// long; its `ETag` becomes a weak one, and caches get `Vary: accept-encoding`. Pieces of a stream,
/// like those of [`Events`](crate::Events), reach the client as soon as they are written. More than
/// 16 KiB at once are compressed in another thread, so that other connections need not wait.
///
/// **Secrets**: an attacker that can make a browser ask for a page with text of the attacker's
/// choice in it, and sees the sizes of the answers, can find out a secret on the same page
/// (BREACH). Do not compress pages that have both, or mask the secret differently in each answer.
///
/// # Examples
///
/// ```
/// use reactor_web::{App, Compression, testing::TestClient};
///
/// let app = App::new().get("/", |_| "again and ".repeat(1000)).wrap(Compression::new());
/// let client = TestClient::new(app)?;
/// let answer = client.get_with("/", &[("accept-encoding", "gzip;q=0.5, br")]);
/// assert_eq!(answer.header("content-encoding"), Some("br"));
/// assert_eq!(answer.header("vary"), Some("accept-encoding"));
/// assert!(answer.bytes().len() < 100);
/// assert_eq!(client.get("/").bytes().len(), 10_000);
/// # Ok::<(), deferred::Failure>(())
/// ```
#[doc(alias = "EncoderFactory")]
#[doc(alias = "CompressionLayer")]
#[doc(alias = "GzipEncoderFactory")]
#[derive(Clone)]
pub struct Compression {
    min_size: u64,
}

impl Compression {
    /// Compresses answers of 1 KiB or more, with all codings.
    pub fn new() -> Self {
        Self { min_size: MIN_SIZE }
    }

    /// Sets from how many bytes on an answer is compressed. An answer of unknown length always is.
    #[must_use]
    pub fn min_size(mut self, bytes: u64) -> Self {
        self.min_size = bytes;
        self
    }

    /// Compresses a response, if `takes` accepts it. `is_head` if only its head is sent.
    fn compress(
        &self,
        response: &mut Response,
        accepted: Accepted,
        is_head: bool,
        reactor: &ReactorHandle,
    ) {
        // A 304 has the headers of the whole answer, `Vary` among them (RFC 9110, 15.4.5).
        if response.status() == StatusCode::NOT_MODIFIED {
            return vary(response.headers_mut());
        }
        if !self.takes(response) {
            return;
        }
        // Set even if this client accepts no coding, so that a cache asks again for a client that
        // does.
        vary(response.headers_mut());
        let Some(coding) = accepted.best().next() else {
            return;
        };
        if !is_head && let Some(bytes) = response.body_mut().take_short(IN_LOOP) {
            // Errs only if there is no memory for the encoder: then the answer stays as it is.
            let encoded = encode_whole(coding, &bytes).ok();
            let shorter = encoded.filter(|encoded| encoded.len() < bytes.len());
            let is_encoded = shorter.is_some();
            *response.body_mut() = Body::from(shorter.unwrap_or(bytes));
            if is_encoded {
                mark(response.headers_mut(), coding);
            }
            return;
        }
        mark(response.headers_mut(), coding);
        let body = std::mem::take(response.body_mut());
        *response.body_mut() = Body::boxed(Encoded::new(body, coding, reactor));
    }

    /// Whether a response is to be compressed.
    fn takes(&self, response: &Response) -> bool {
        let headers = response.headers();
        let has = |name: header::HeaderName| headers.contains_key(name);
        let status = response.status();
        if !(status.is_success() || status.is_client_error() || status.is_server_error())
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::PARTIAL_CONTENT)
            || has(header::CONTENT_ENCODING)
            || has(header::CONTENT_RANGE)
        {
            return false;
        }
        let mut directives = headers.get_all(header::CACHE_CONTROL).iter();
        let forbids = |value: &HeaderValue| {
            let text = value.to_str().unwrap_or_default();
            let mut directives = text.split(',');
            directives.any(|one| one.trim().eq_ignore_ascii_case("no-transform"))
        };
        // An answer to HEAD has its length only in this header.
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()?.parse().ok());
        let length = length.or_else(|| response.body().size_hint().exact());
        !directives.any(forbids)
            && length.is_none_or(|length| length >= self.min_size)
            && headers.get(header::CONTENT_TYPE).is_some_and(is_text)
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware for Compression {
    fn handle(&self, request: Request, next: Next) -> Answer {
        let accepted = Accepted::of(request.headers());
        let is_head = *request.method() == Method::HEAD;
        let (this, reactor) = (self.clone(), request.reactor().clone());
        next.respond(request)
            .map_response(move |response| this.compress(response, accepted, is_head, &reactor))
    }
}

/// Whether content of this type usually becomes shorter.
fn is_text(kind: &HeaderValue) -> bool {
    let kind = kind.to_str().unwrap_or_default();
    let kind = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let Some((group, name)) = kind.split_once('/') else {
        return false;
    };
    match group {
        "text" => true,
        "application" => name.ends_with("+json") || name.ends_with("+xml") || TEXTS.contains(&name),
        "image" => matches!(name, "svg+xml" | "bmp" | "x-icon" | "vnd.microsoft.icon"),
        "font" => matches!(name, "ttf" | "otf" | "collection"),
        _ => false,
    }
}

/// Types `application/..` that are text, or as compressible as text.
const TEXTS: [&str; 10] = [
    "ecmascript",
    "graphql",
    "javascript",
    "json",
    "rtf",
    "sql",
    "wasm",
    "x-javascript",
    "x-ndjson",
    "xml",
];

/// Tells caches that the answer depends on the client's `Accept-Encoding`.
fn vary(headers: &mut HeaderMap) {
    let names = headers.get_all(header::VARY);
    let mut texts = names.iter().filter_map(|value| value.to_str().ok());
    let is_there = |text: &str| {
        let mut names = text.split(',').map(str::trim);
        names.any(|name| name == "*" || name.eq_ignore_ascii_case("accept-encoding"))
    };
    if !texts.any(is_there) {
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
}

/// Changes the headers of an answer for its encoded content.
fn mark(headers: &mut HeaderMap, coding: Coding) {
    let name = HeaderValue::from_static(coding.name());
    headers.insert(header::CONTENT_ENCODING, name);
    headers.remove(header::CONTENT_LENGTH);
    // A range of the plain content is not a range of the encoded bytes, which may also differ each
    // time.
    headers.remove(header::ACCEPT_RANGES);
    if let Entry::Occupied(mut tag) = headers.entry(header::ETAG)
        && tag.get().as_bytes().starts_with(b"\"")
        // A strong tag says that the bytes are the same (RFC 9110, 8.8.1). A weak one stays as it
        // is.
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.get().as_bytes()].concat())
    {
        tag.insert(weak);
    }
}

impl fmt::Debug for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compression")
            .field("min_size", &self.min_size)
            .finish()
    }
}
