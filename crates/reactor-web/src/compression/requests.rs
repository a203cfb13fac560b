//! `Decompression`: decompresses the bodies of requests.

use std::{fmt, io};

use deferred::Failure;
use http::{HeaderValue, StatusCode, header};

use crate::app::{Middleware, Next};
use crate::body::Body;
use crate::coding::{Decoded, Decoder};
use crate::error::HttpError;
use crate::negotiation::Coding;
use crate::request::Request;
use crate::response::Answer;

/// Value of `Accept-Encoding` in a 415: the codings that the client may use.
const ACCEPTED: HeaderValue = HeaderValue::from_static("br, zstd, gzip");

/// Middleware that decompresses the bodies of requests that come with `Content-Encoding`: `gzip`, `br` or
/// `zstd`.
///
/// Handlers see a request without that header, and read what the client has compressed. Without this
/// middleware, they read the bytes as they came.
///
/// The decompressed size is limited, so that a few bytes cannot fill the memory: by
/// [`limit`](Self::limit), or else by the limit of the app for bodies, 2 MiB by default. A longer
/// body is a 413. At any time, at most 8 KiB are decoded ahead. The decoder also keeps the window
/// of the coding: up to 16 MiB with Brotli, and 8 MiB with zstd. An unknown coding, or more than
/// one, is a 415.
///
/// # Examples
///
/// ```
/// use reactor_web::{App, Body, Decompression, testing::TestClient};
///
/// let app = App::new().post("/", |req| req.text()).wrap(Decompression::new());
/// let client = TestClient::new(app)?;
/// // `hello`, in a frame of zstd.
/// let bytes = b"\x28\xb5\x2f\xfd\x20\x05\x29\x00\x00hello";
/// let headers = [("content-encoding", "zstd")];
/// let answer = client.send(http::Method::POST, "/", &headers, Body::from(&bytes[..]));
/// assert_eq!(answer.text(), "hello");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[doc(alias = "RequestDecompressionLayer")]
#[derive(Clone, Default)]
pub struct Decompression {
    limit: Option<u64>,
}

impl Decompression {
    /// Decompresses, with the limit of the app for bodies.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the most bytes of one decompressed body.
    #[must_use]
    pub fn limit(mut self, bytes: u64) -> Self {
        self.limit = Some(bytes);
        self
    }
}

impl Middleware for Decompression {
    fn handle(&self, mut request: Request, next: Next) -> Answer {
        let mut names = request.headers().get_all(header::CONTENT_ENCODING).iter();
        let coding = match (names.next(), names.next()) {
            (None, _) => return next.run(request),
            (Some(name), None) => match name.to_str().unwrap_or_default().trim() {
                name if name.eq_ignore_ascii_case("identity") => {
                    request.headers_mut().remove(header::CONTENT_ENCODING);
                    return next.run(request);
                }
                name => Coding::named(name),
            },
            // Two codings, applied one after the other.
            (Some(_), Some(_)) => None,
        };
        let Some(coding) = coding else {
            let error = HttpError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE)
                .with_message("the body has a coding that this server does not know")
                .with_header(header::ACCEPT_ENCODING, ACCEPTED);
            return Answer::now(Err::<(), _>(error.into()));
        };
        let limit = self.limit.unwrap_or_else(|| request.body_limit());
        let decoder = Decoder::new(coding);
        let body = Decoded::new(request.take_body(), decoder, limit, unreadable);
        request.replace_body(Body::boxed(body));
        // For the methods of `Request` that read the whole body.
        request.set_body_limit(limit);
        let headers = request.headers_mut();
        headers.remove(header::CONTENT_ENCODING);
        // This is the length of the compressed body.
        headers.remove(header::CONTENT_LENGTH);
        next.run(request)
    }
}

/// A 400: the body is not in the coding that the client has named.
fn unreadable(error: io::Error) -> Failure {
    HttpError::bad_request(format!("the body cannot be decoded: {error}")).into()
}

impl fmt::Debug for Decompression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompression")
            .field("limit", &self.limit)
            .finish()
    }
}
