//! Decompresses content as it is read.

use std::io;

use deferred::Failure;
use http::{HeaderMap, HeaderValue, header};

use crate::body::Body;
use crate::coding::{Decoded, Decoder};
use crate::negotiation::Coding;

/// Value of `Accept-Encoding`: the codings that a client can decompress.
pub(super) const ACCEPTED: HeaderValue = HeaderValue::from_static("gzip, br, zstd, deflate");

/// Decompresses `body` if `Content-Encoding` names a known coding. Then that header and
/// `Content-Length` are removed.
pub(super) fn decode(headers: &mut HeaderMap, body: Body) -> Body {
    let Some(encoding) = headers.get(header::CONTENT_ENCODING) else {
        return body;
    };
    if http_body::Body::is_end_stream(&body) {
        // The answer to HEAD, or 304.
        return body;
    }
    let name = encoding.to_str().unwrap_or_default();
    let decoder = match Coding::named(name) {
        Some(coding) => Decoder::new(coding),
        None if name.eq_ignore_ascii_case("deflate") => Decoder::deflate(),
        // Unknown, or several codings in a list: the program gets the content and the header as
        // they came.
        None => return body,
    };
    headers.remove(header::CONTENT_ENCODING);
    // This is the length of the compressed content.
    headers.remove(header::CONTENT_LENGTH);
    // No limit here: the limit applies where the content is collected.
    Body::boxed(Decoded::new(body, decoder, u64::MAX, unreadable))
}

fn unreadable(error: io::Error) -> Failure {
    Failure::new(error).context("the content cannot be decompressed")
}
