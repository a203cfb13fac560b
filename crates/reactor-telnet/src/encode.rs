//! Encodes output: text with its line ends, escaped; negotiations and subnegotiations.

use memchr::memchr3;

use crate::options::{IAC, SB, SE, TelnetOption, Verb};

/// Appends text: a line end `\n` or `\r\n` as CR LF, a CR that ends no line as CR NUL, and
/// the byte 255 doubled.
pub(crate) fn text(text: &[u8], output: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr3(IAC, b'\n', b'\r', rest) {
        output.extend_from_slice(&rest[..at]);
        let mut taken = at + 1;
        match rest[at] {
            IAC => output.extend_from_slice(&[IAC, IAC]),
            // RFC 854: a CR is followed by LF or by NUL, and by nothing else.
            b'\r' if rest.get(taken) != Some(&b'\n') => output.extend_from_slice(b"\r\0"),
            b'\r' => {
                taken += 1;
                output.extend_from_slice(b"\r\n");
            }
            _ => output.extend_from_slice(b"\r\n"),
        }
        rest = &rest[taken..];
    }
    output.extend_from_slice(rest);
}

/// Appends bytes as they are, but for 255, which is doubled.
pub(crate) fn binary(bytes: &[u8], output: &mut Vec<u8>) {
    for piece in bytes.split_inclusive(|&byte| byte == IAC) {
        output.extend_from_slice(piece);
        if piece.last() == Some(&IAC) {
            output.push(IAC);
        }
    }
}

pub(crate) fn negotiation(verb: Verb, option: TelnetOption) -> [u8; 3] {
    [IAC, verb.byte(), option.0]
}

pub(crate) fn subnegotiation(option: TelnetOption, content: &[u8]) -> Vec<u8> {
    let mut output = vec![IAC, SB, option.0];
    binary(content, &mut output);
    output.extend_from_slice(&[IAC, SE]);
    output
}
