//! Headers: removes those for one connection only, and sets those that say where a request is from.

use std::fmt::Write as _;
use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::request::{
    ORIGINS, Request, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, has_token,
};

/// Headers for one connection only (RFC 9110, 7.6.1), beside those that `Connection` names.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Removes the headers for one connection only.
pub(super) fn strip(headers: &mut HeaderMap) {
    // Collected first, since `Connection` itself is removed with them.
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        // Without `Host`, the request could be taken for one to another site.
        .filter(|name| *name != header::HOST)
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// The headers of `request` for an upstream.
pub(super) fn for_upstream(request: &Request, appends: bool) -> HeaderMap {
    // A copy: the request stays as it came, for another upstream and for the log.
    let mut headers = request.headers().clone();
    let takes_trailers = has_token(&headers, header::TE, "trailers");
    strip(&mut headers);
    if takes_trailers {
        // `trailers` is true for the connection to the upstream, too, since trailers are passed on
        // (RFC 9110, 6.5.1). gRPC requires it. The encodings in `TE` are not passed on.
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    join_cookies(&mut headers);
    // hyper sets the length of the body that is sent. A request with two lengths could be read in
    // two ways.
    headers.remove(header::CONTENT_LENGTH);
    // This proxy's server side itself sends 100 (Continue), when the upstream takes the body.
    headers.remove(header::EXPECT);
    if let Some(authority) = request.uri().authority()
        // The host of the target (HTTP/2, or a whole URL) replaces `Host`: an upstream must not use
        // another name than this server (RFC 9113, 8.3.1; RFC 9112, 3.2.2). An authority has no
        // character that a header may not have.
        && let Ok(host) = HeaderValue::try_from(authority.as_str())
    {
        headers.insert(header::HOST, host);
    }
    if !appends {
        for name in ORIGINS {
            headers.remove(name);
        }
    }
    // After `strip`: a client cannot have `Connection` remove what is added here.
    forward(&mut headers, request, appends);
    // A proxy must add itself (RFC 9110, 7.6.3). The entries of earlier proxies stay, even if their
    // `Forwarded` is removed.
    append(&mut headers, header::VIA, via(request));
    headers
}

/// Joins the `Cookie` headers to a single one, since HTTP/2 may split it (RFC 9113, 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(header::COOKIE).iter();
    if cookies.nth(1).is_none() {
        return;
    }
    let lines: Vec<&[u8]> = headers
        .get_all(header::COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    // Made of header values: none has a character that a header may not have.
    if let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}

/// Sets the headers that say where the request is from. If `appends`, the peer of the connection is
/// added as one more hop; else the client that a trusted proxy has named counts, or else the peer.
fn forward(headers: &mut HeaderMap, request: &Request, appends: bool) {
    let (peer, is_secure) = if appends {
        (request.connection_peer(), request.is_connection_secure())
    } else {
        (request.peer(), request.is_secure())
    };
    let client = peer.ip();
    let proto = if is_secure { "https" } else { "http" };
    let host = headers.get(header::HOST).cloned();
    if let Some(client) = client {
        append(headers, X_FORWARDED_FOR, client.to_string());
    }
    let element = element(client, host.as_ref(), proto);
    append(headers, header::FORWARDED, element);
    // If the first proxy has set host and protocol, its values stay.
    if let Some(host) = host {
        headers.entry(X_FORWARDED_HOST).or_insert(host);
    }
    headers
        .entry(X_FORWARDED_PROTO)
        .or_insert(HeaderValue::from_static(proto));
}

/// An element of `Forwarded` (RFC 7239).
fn element(client: Option<IpAddr>, host: Option<&HeaderValue>, proto: &str) -> String {
    let mut element = match client {
        Some(IpAddr::V4(address)) => format!("for={address}"),
        // In brackets and quotes (RFC 7239, 6).
        Some(IpAddr::V6(address)) => format!("for=\"[{address}]\""),
        // RFC 7239, 6.2. A UNIX socket has no address.
        None => "for=unknown".to_owned(),
    };
    // Left out if it has a quote, which would end the value.
    let host = host.and_then(|host| host.to_str().ok());
    if let Some(host) = host.filter(|host| !host.contains(['"', '\\'])) {
        // Writing to a string does not fail.
        let _ = write!(element, ";host=\"{host}\"");
    }
    element + ";proto=" + proto
}

fn via(request: &Request) -> String {
    let version = match request.version() {
        http::Version::HTTP_2 => "2.0",
        http::Version::HTTP_10 => "1.0",
        _ => "1.1",
    };
    format!("{version} reactor-web")
}

/// Adds `value` to a header that is a list, in one line.
fn append(headers: &mut HeaderMap, name: HeaderName, value: String) {
    // In one line, so that a reader that uses only the first or the last line gets the whole list.
    let mut list = Vec::new();
    for known in headers.get_all(&name) {
        list.extend_from_slice(known.as_bytes());
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(value.as_bytes());
    // Made of header values, an address and a host: none has a character that a header may not.
    if let Ok(list) = HeaderValue::from_bytes(&list) {
        headers.insert(name, list);
    }
}
