//! Parser of PROXY headers, versions 1 and 2.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::text;
use crate::address::{Address, UnixAddress};

/// Signature of version 2. By design, no server takes it for a request.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Length of signature (12), version and command (1), family and protocol (1), length field (2).
const FIXED_LENGTH: usize = 16;
/// Maximum length of the part behind the fixed one: addresses and extensions. The longest
/// address, of a UNIX socket, takes 216 bytes.
const MAX_LENGTH: usize = 4096;
const UNIX_PATH_LENGTH: usize = 108;

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
    /// The client's address. `None` if the header has none: the sender makes a health check
    /// (`LOCAL`), or does not know the address (`UNKNOWN`). Then the peer is the sender itself.
    pub source: Option<Address>,
    /// The address that the client has connected to.
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
    /// No header, with the reason.
    Bad(&'static str),
}

/// Looks for a header in `input`, which begins the connection.
pub(super) fn parse(input: &[u8]) -> Parsed {
    let common = |prefix: &[u8]| input.iter().zip(prefix).all(|(one, other)| one == other);
    if common(&SIGNATURE) {
        if input.len() < FIXED_LENGTH {
            return Parsed::Incomplete;
        }
        return parse_binary(input);
    }
    if common(text::PREFIX) {
        return text::parse(input);
    }
    Parsed::Bad("expected a PROXY header at the beginning of the connection")
}

fn parse_binary(input: &[u8]) -> Parsed {
    let length = usize::from(u16::from_be_bytes([input[14], input[15]]));
    if length > MAX_LENGTH {
        return Parsed::Bad("the addresses and extensions are longer than 4 KiB");
    }
    let command = match input[12] {
        0x20 => Command::Local,
        0x21 => Command::Proxy,
        other if other >> 4 != 2 => {
            return Parsed::Bad("expected version 2 behind the binary signature");
        }
        _ => return Parsed::Bad("expected the command LOCAL or PROXY"),
    };
    let Some(body) = input[FIXED_LENGTH..].get(..length) else {
        return Parsed::Incomplete;
    };
    match read_body(command, input[13], body) {
        Some(header) => Parsed::Header(header, FIXED_LENGTH + length),
        None => Parsed::Bad("the addresses or extensions are cut off"),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    /// The sender's own connection.
    Local,
    Proxy,
}

/// Reads addresses and extensions. `None` if `body` is too short for them.
fn read_body(command: Command, family: u8, body: &[u8]) -> Option<ProxyHeader> {
    let mut header = ProxyHeader::new(ProxyVersion::V2);
    if command == Command::Local {
        // By the specification, the addresses of a `LOCAL` header are ignored.
        return Some(header);
    }
    let mut body = body;
    // The lower half is the protocol of the client: 1 is a stream, 2 a datagram; both are accepted.
    let (source, destination) = match family >> 4 {
        1 => {
            let [one, other] = [take::<4>(&mut body)?, take::<4>(&mut body)?];
            let [from, to] = take_ports(&mut body)?;
            (
                inet(Ipv4Addr::from(one), from),
                inet(Ipv4Addr::from(other), to),
            )
        }
        2 => {
            let [one, other] = [take::<16>(&mut body)?, take::<16>(&mut body)?];
            let [from, to] = take_ports(&mut body)?;
            (
                inet(Ipv6Addr::from(one), from),
                inet(Ipv6Addr::from(other), to),
            )
        }
        3 => {
            let one = take::<UNIX_PATH_LENGTH>(&mut body)?;
            let other = take::<UNIX_PATH_LENGTH>(&mut body)?;
            (unix(&one), unix(&other))
        }
        // AF_UNSPEC, or a family that is not known here: the header gives no address.
        _ => return Some(header),
    };
    header.source = Some(source);
    header.destination = Some(destination);
    while !body.is_empty() {
        let [kind, high, low] = take::<3>(&mut body)?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (value, rest) = body.split_at_checked(length)?;
        header.extensions.push((kind, value.to_vec()));
        body = rest;
    }
    Some(header)
}

/// Splits `N` bytes off the front.
fn take<const N: usize>(body: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = body.split_first_chunk()?;
    *body = rest;
    Some(*taken)
}

fn take_ports(body: &mut &[u8]) -> Option<[u16; 2]> {
    let [a, b, c, d] = take::<4>(body)?;
    Some([u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])])
}

pub(super) fn inet(ip: impl Into<IpAddr>, port: u16) -> Address {
    Address::Inet(SocketAddr::new(ip.into(), port))
}

/// A path ends at the first zero; a name in the abstract namespace begins with one.
fn unix(path: &[u8]) -> Address {
    let until_zero = |bytes: &[u8]| {
        let end = bytes.iter().position(|&byte| byte == 0);
        bytes[..end.unwrap_or(bytes.len())].to_vec()
    };
    Address::Unix(match path.split_first() {
        Some((0, name)) => match until_zero(name) {
            name if name.is_empty() => UnixAddress::Unnamed,
            name => UnixAddress::Abstract(name),
        },
        _ => UnixAddress::Path(PathBuf::from(OsStr::from_bytes(&until_zero(path)))),
    })
}
