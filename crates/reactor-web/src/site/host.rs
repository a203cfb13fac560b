//! The rule of the `Host` header, which hyper leaves to us.

use http::uri::Authority;
use http::{Version, header, request};

use crate::error::HttpError;

/// Checks that a request names its host as RFC 9112 (§3.2) prescribes: in HTTP/1.1 by one `Host`
/// header, whose value is a host and a port, or nothing.
///
/// Two of them, read differently by a proxy and by this server, are a way past the proxy.
pub(super) fn check(head: &request::Parts) -> Result<(), HttpError> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Err(HttpError::bad_request("there is more than one Host header"));
    }
    let Some(host) = first else {
        return if head.version == Version::HTTP_11 {
            Err(HttpError::bad_request("there is no Host header"))
        } else {
            Ok(())
        };
    };
    let is_right = |host: &[u8]| {
        is_plain(host) || Authority::try_from(host).is_ok_and(|it| !it.as_str().contains('@'))
    };
    if is_right(host.as_bytes()) {
        Ok(())
    } else {
        Err(HttpError::bad_request("the Host header is no host"))
    }
}

/// Whether `host` is empty, or a name or an IPv4 address and maybe a port: what is sent as a rule,
/// looked at without a parser.
fn is_plain(host: &[u8]) -> bool {
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    match host.iter().position(|byte| !is_of_name(byte)) {
        None => true,
        Some(end) => {
            let port = &host[end + 1..];
            let is_port = matches!(port.len(), 1..=5) && port.iter().all(u8::is_ascii_digit);
            end > 0 && host[end] == b':' && is_port
        }
    }
}
