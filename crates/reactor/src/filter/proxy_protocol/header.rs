//! `ProxyHeader`: the contents of a PROXY header, of either version.

use std::net::{IpAddr, SocketAddr};

use crate::address::Address;

/// Contents of a PROXY header.
///
/// # Examples
///
/// ```
/// use reactor::filter::proxy_protocol::{ProxyHeader, ProxyProtocol, ProxyVersion};
/// use reactor::testing::FilterDriver;
///
/// let mut driver = FilterDriver::new(ProxyProtocol::from_any().filter())?;
/// driver.receive(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x09\xc0\x00\x02\x01\x04\xd2\x00\x50")?;
/// let header = driver.info::<ProxyHeader>().unwrap();
/// assert_eq!(header.version, ProxyVersion::V2);
/// assert_eq!(header.source.unwrap().to_string(), "192.0.2.9:1234");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxyHeader {
    /// The version of the header.
    pub version: ProxyVersion,
    /// The client's address. `None` if the header has no address: the sender makes a health check
    /// (`LOCAL`), or does not know the address (`UNKNOWN`). Then the address of the peer is that of
    /// the sender.
    pub source: Option<Address>,
    /// The address to which the client has connected.
    pub destination: Option<Address>,
    /// Extensions (TLVs) of version 2: types and values, in their order.
    pub extensions: Vec<(u8, Vec<u8>)>,
}

impl ProxyHeader {
    pub(super) fn new(version: ProxyVersion) -> Self {
        Self {
            version,
            source: None,
            destination: None,
            extensions: Vec::new(),
        }
    }
}

/// The version of a PROXY header.
///
/// # Examples
///
/// ```
/// use reactor::filter::proxy_protocol::ProxyVersion;
///
/// assert!(ProxyVersion::V1 < ProxyVersion::V2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ProxyVersion {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// Result of parsing the beginning of a connection.
#[derive(Debug)]
pub(super) enum Parsed {
    /// A header, and its length.
    Header(ProxyHeader, usize),
    /// The input so far is the beginning of a header.
    Incomplete,
    /// The input is not a valid header, for this reason.
    Bad(&'static str),
}

pub(super) fn inet(ip: impl Into<IpAddr>, port: u16) -> Address {
    Address::Inet(SocketAddr::new(ip.into(), port))
}
