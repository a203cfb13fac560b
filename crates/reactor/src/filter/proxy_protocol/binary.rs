//! Version 2 of the header: binary, with extensions.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::header::{Parsed, ProxyHeader, ProxyVersion, inet};
use crate::address::{Address, UnixAddress};

/// Signature of version 2, which is no valid request of any common protocol.
pub(super) const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Length of signature (12), version and command (1), family and protocol (1), length field (2).
const FIXED_LENGTH: usize = 16;
/// Maximum length of the addresses and extensions after the fixed part. The longest addresses,
/// those of UNIX sockets, take 216 bytes.
const MAX_LENGTH: usize = 4096;
const UNIX_PATH_LENGTH: usize = 108;

/// Parses input that begins with `SIGNATURE`, or is a beginning of it.
pub(super) fn parse(input: &[u8]) -> Parsed {
    if input.len() < FIXED_LENGTH {
        return Parsed::Incomplete;
    }
    // Big-endian, like all numbers of the header.
    let length = usize::from(u16::from_be_bytes([input[14], input[15]]));
    // Checked before the body has arrived, because until then the input is kept, up to this length.
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
    /// A connection that the sender makes for itself, such as a health check.
    Local,
    Proxy,
}

/// Reads addresses and extensions. `None` if `body` is too short for them.
fn read_body(command: Command, family: u8, body: &[u8]) -> Option<ProxyHeader> {
    let mut header = ProxyHeader::new(ProxyVersion::V2);
    if command == Command::Local {
        // According to the specification, the addresses of a `LOCAL` header are ignored.
        return Some(header);
    }
    let mut body = body;
    // The lower four bits are the transport of the client (1 for streams, 2 for datagrams); both
    // are accepted.
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
        // `AF_UNSPEC` or an unknown family: the header has no address.
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
