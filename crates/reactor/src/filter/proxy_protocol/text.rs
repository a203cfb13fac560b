//! Version 1 of the header: one line of text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::header::{Parsed, ProxyHeader, ProxyVersion, inet};

pub(super) const PREFIX: &[u8] = b"PROXY ";
/// Maximum length of a line with its CR LF, according to the specification.
const MAX_LINE: usize = 107;

/// Parses input that begins with `PREFIX`.
pub(super) fn parse(input: &[u8]) -> Parsed {
    // Only the line is limited; any number of bytes may follow the header.
    let within = &input[..input.len().min(MAX_LINE)];
    let Some(end) = within.iter().position(|&byte| byte == b'\n') else {
        return if input.len() < MAX_LINE {
            Parsed::Incomplete
        } else {
            Parsed::Bad("the line is longer than 107 bytes")
        };
    };
    let line = std::str::from_utf8(&input[..end])
        .ok()
        .and_then(|line| line.strip_suffix('\r'));
    match line.and_then(read_line) {
        Some(header) => Parsed::Header(header, end + 1),
        None => Parsed::Bad(
            "expected `PROXY TCP4`, `TCP6` with two addresses and two ports, or `UNKNOWN`",
        ),
    }
}

fn read_line(line: &str) -> Option<ProxyHeader> {
    let mut header = ProxyHeader::new(ProxyVersion::V1);
    // Words are separated by exactly one space, as specified; two spaces give an empty word, which
    // does not parse.
    let mut words = line.split(' ').skip(1);
    let family = words.next()?;
    if family == "UNKNOWN" {
        // According to the specification, the rest of such a line is ignored.
        return Some(header);
    }
    let ip = |word: &str| -> Option<IpAddr> {
        Some(match family {
            "TCP4" => word.parse::<Ipv4Addr>().ok()?.into(),
            "TCP6" => word.parse::<Ipv6Addr>().ok()?.into(),
            _ => return None,
        })
    };
    let [from, to] = [ip(words.next()?)?, ip(words.next()?)?];
    let [from_port, to_port] = [port(words.next()?)?, port(words.next()?)?];
    if words.next().is_some() {
        return None;
    }
    header.source = Some(inet(from, from_port));
    header.destination = Some(inet(to, to_port));
    Some(header)
}

/// Parses a port: digits only, without leading zeros.
fn port(word: &str) -> Option<u16> {
    let is_canonical =
        word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    is_canonical.then(|| word.parse().ok())?
}
