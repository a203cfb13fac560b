//! The value of a `Host` header.

use http::uri::Authority;

/// Whether `host` is a host, and maybe a port (RFC 9112, 3.2), or empty.
pub(crate) fn is_host(host: &[u8]) -> bool {
    is_plain(host) || Authority::try_from(host).is_ok_and(|it| is_host_and_port(&it))
}

fn is_host_and_port(authority: &Authority) -> bool {
    // `Authority` also accepts a user, and any text as a port.
    let rest = authority.as_str().strip_prefix(authority.host());
    rest.is_some_and(|rest| {
        let port = rest.strip_prefix(':');
        rest.is_empty() || port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// Whether `host` is empty, or a name or an IPv4 address with an optional port. This is the usual
/// case, and needs no parser.
// A longer port goes to the parser, which takes any number of digits.
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
