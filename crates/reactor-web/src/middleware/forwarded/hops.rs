//! Hops: the addresses that proxies have written into headers, the client's first.

use std::net::SocketAddr;

use http::{HeaderMap, HeaderName, header};

use super::proxies::Proxies;
use crate::middleware::quoted::unquote;

/// The client's address, protocol and host, according to the headers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// `None` if the proxy next to this server names no address.
    pub(super) peer: Option<SocketAddr>,
    pub(super) proto: Option<String>,
    pub(super) host: Option<String>,
}

/// The error of a `Forwarded` header that cannot be parsed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The right-most address of the list in `name` that is not a trusted proxy; if all are, the
/// left-most.
///
/// An element that is not an address ends the search: what stands to its left was written by a
/// proxy whose own address is unknown, and so cannot be trusted.
pub(super) fn of_list(
    headers: &HeaderMap,
    name: HeaderName,
    proxies: &Proxies,
) -> Option<SocketAddr> {
    let mut peer = None;
    for element in values(headers, name).rev() {
        let Some(address) = element.and_then(address) else {
            break;
        };
        peer = Some(address);
        if !proxies.trust_ip(address.ip()) {
            break;
        }
    }
    peer
}

/// The last value of `name`.
pub(super) fn last(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    values(headers, name).next_back()?.map(str::to_owned)
}

/// As [`of_list`], for the header `Forwarded`. The protocol and the host are those of the element
/// at which the search ends: that element was written by the proxy to which the client has
/// connected.
pub(super) fn of_standard(headers: &HeaderMap, proxies: &Proxies) -> Result<Found, Malformed> {
    let mut elements = Vec::new();
    for line in headers.get_all(header::FORWARDED) {
        parse(line.to_str().map_err(|_| Malformed)?, &mut elements)?;
    }
    let mut found = Found::default();
    for element in elements.into_iter().rev() {
        let address = element.node.as_deref().and_then(address);
        found = Found {
            peer: address.or(found.peer),
            proto: element.proto,
            // Empty if the request had no host.
            host: element.host.filter(|host| !host.is_empty()),
        };
        if !address.is_some_and(|address| proxies.trust_ip(address.ip())) {
            break;
        }
    }
    Ok(found)
}

/// The elements of a list, which may have several lines; `None` for a line that is not text.
fn values(headers: &HeaderMap, name: HeaderName) -> impl DoubleEndedIterator<Item = Option<&str>> {
    let mut elements = Vec::new();
    for line in headers.get_all(name) {
        match line.to_str() {
            Ok(line) => {
                let named = line.split(',').map(str::trim);
                elements.extend(named.filter(|element| !element.is_empty()).map(Some));
            }
            Err(_) => elements.push(None),
        }
    }
    elements.into_iter()
}

/// Parses an address with optional brackets and an optional port; 0 without one.
fn address(text: &str) -> Option<SocketAddr> {
    let address = text.parse::<SocketAddr>().ok().or_else(|| {
        // A port may be obfuscated, such as `_a` (RFC 7239, 6).
        let hidden = text
            .rsplit_once(':')
            .filter(|(_, port)| port.starts_with('_'));
        let ip = hidden.map_or(text, |(ip, _)| ip);
        let bare = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']'));
        Some(SocketAddr::new(bare.unwrap_or(ip).parse().ok()?, 0))
    })?;
    Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
}

/// An element of `Forwarded`.
#[derive(Default)]
struct Element {
    node: Option<String>,
    proto: Option<String>,
    host: Option<String>,
}

/// Adds the elements of a line: `name=value;name="value", ..` (RFC 7239, 4).
///
/// Strict: if a client could leave a quote open, the part that a proxy has added would be read as
/// text of the client.
fn parse(mut text: &str, elements: &mut Vec<Element>) -> Result<(), Malformed> {
    loop {
        // A list may have empty elements (RFC 9110, 5.6.1).
        text = text.trim_start_matches([' ', '\t', ',']);
        if text.is_empty() {
            return Ok(());
        }
        let mut element = Element::default();
        loop {
            text = pair(text, &mut element)?.trim_start_matches([' ', '\t']);
            match text.strip_prefix(';') {
                Some(rest) => text = rest.trim_start_matches([' ', '\t']),
                None => break,
            }
        }
        elements.push(element);
        if !text.is_empty() && !text.starts_with(',') {
            return Err(Malformed);
        }
    }
}

/// Sets the pair at the beginning of `text` in `element`; returns the text after it.
fn pair<'a>(text: &'a str, element: &mut Element) -> Result<&'a str, Malformed> {
    let (name, rest) = text.split_once('=').ok_or(Malformed)?;
    let (value, rest) = match rest.strip_prefix('"') {
        Some(quoted) => unquote(quoted).ok_or(Malformed)?,
        None => {
            let end = rest.find([';', ',', ' ', '\t']).unwrap_or(rest.len());
            let value = &rest[..end];
            // More characters than a token may have, since IPv6 addresses are often not quoted.
            let is_value = |byte: u8| byte.is_ascii_graphic() && byte != b'"';
            if value.is_empty() || !value.bytes().all(is_value) {
                return Err(Malformed);
            }
            (value.to_owned(), &rest[end..])
        }
    };
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || !name.bytes().all(is_of_name) {
        return Err(Malformed);
    }
    let place = match name.to_ascii_lowercase().as_str() {
        "for" => &mut element.node,
        "proto" => &mut element.proto,
        "host" => &mut element.host,
        // `by`, and extensions.
        _ => return Ok(rest),
    };
    // Each at most once (RFC 7239, 4).
    match place.replace(value) {
        None => Ok(rest),
        Some(_) => Err(Malformed),
    }
}
