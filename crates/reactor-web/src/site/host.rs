//! The rule of the `Host` header, which hyper leaves to us.

use http::{Version, header, request};

use crate::error::HttpError;
use crate::request::is_host;

/// Checks that a request names its host as RFC 9112 (§3.2) prescribes: in HTTP/1.1 by one `Host`
/// header, in other versions by at most one. Its value is a host with an optional port, or empty.
///
/// With two headers, a proxy may check one of them and this server obey the other.
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
    if is_host(host.as_bytes()) {
        Ok(())
    } else {
        Err(HttpError::bad_request("the Host header is no host"))
    }
}
