//! Redirects: the request that follows an answer with another location.

use http::{HeaderMap, Method, StatusCode, header};
use url::Url;

use super::error::ClientError;
use super::origin::{Origin, shown};
use super::prepared::Prepared;
use crate::body::Body;

/// Headers that describe the content, and are removed with it.
// RFC 9110, 15.4.
const OF_CONTENT: [header::HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LOCATION,
    header::TRANSFER_ENCODING,
];

/// Headers that another origin must not get.
// A `Host` of the program's own names the first server; the others are secrets for it (RFC 9110,
// 15.4).
const OF_ORIGIN: [header::HeaderName; 4] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::HOST,
    header::PROXY_AUTHORIZATION,
];

/// The URL to which an answer redirects, if it does: `Location`, resolved against `url`.
pub(super) fn location(
    status: StatusCode,
    headers: &HeaderMap,
    url: &Url,
) -> Result<Option<Url>, ClientError> {
    // 300 offers a choice, 304 is for a cache, and 305 would let a server name a proxy (RFC 9110,
    // 15.4.6).
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    // A redirect without `Location` is treated as any other answer.
    let Some(value) = headers.get(header::LOCATION) else {
        return Ok(None);
    };
    let bad = |reason: String| ClientError::BadUrl {
        url: String::from_utf8_lossy(value.as_bytes()).into_owned(),
        reason: format!("{} redirects there, and {reason}", shown(url)),
    };
    let text = str::from_utf8(value.as_bytes()).map_err(|error| bad(error.to_string()))?;
    let mut next = url.join(text).map_err(|error| bad(error.to_string()))?;
    if next.fragment().is_none() {
        // RFC 9110, 10.2.2.
        next.set_fragment(url.fragment());
    }
    Ok(Some(next))
}

/// Turns `request` into the one that follows the redirect. `body` is a copy of its body, or `None`
/// if that cannot be sent again.
pub(super) fn follow(
    status: StatusCode,
    request: &mut Prepared,
    body: Option<Body>,
    next: Url,
) -> Result<(), ClientError> {
    let becomes_get = match status.as_u16() {
        // A POST becomes a GET, as in all clients; RFC 9110 (15.4.2, 15.4.3) allows it.
        301 | 302 => request.method == Method::POST,
        // RFC 9110, 15.4.4.
        303 => request.method != Method::HEAD,
        // 307 and 308 keep the method, and so the body (RFC 9110, 15.4.8 and 15.4.9).
        _ => false,
    };
    if becomes_get {
        request.method = Method::GET;
        let headers = request.headers.to_mut();
        for name in OF_CONTENT {
            headers.remove(name);
        }
    } else {
        request.body = body.ok_or(ClientError::BodySpent { status })?;
    }
    // The schemes are compared, too: secrets that went over TLS must not go on in clear.
    if Origin::of(&next)? != Origin::of(&request.url)? {
        let headers = request.headers.to_mut();
        for name in OF_ORIGIN {
            headers.remove(name);
        }
    }
    request.url = next;
    Ok(())
}
