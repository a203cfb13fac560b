//! The client of a request that a proxy has forwarded, and the headers that name it.

use http::{HeaderName, header};
use reactor::Address;

pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(crate) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// All headers that may say where a request is from.
pub(crate) const ORIGINS: [HeaderName; 7] = [
    header::FORWARDED,
    X_FORWARDED_FOR,
    X_FORWARDED_HOST,
    X_FORWARDED_PROTO,
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-real-ip"),
];

/// A client, as a trusted proxy has named it.
pub(crate) struct ForwardedClient {
    pub(crate) peer: Address,
    pub(crate) is_secure: bool,
}
