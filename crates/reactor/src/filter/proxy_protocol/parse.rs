//! Parser of PROXY headers: finds out the version.

use super::header::Parsed;
use super::{binary, text};

/// Parses the header at the beginning of `input`, which is the beginning of the connection.
pub(super) fn parse(input: &[u8]) -> Parsed {
    // Compares as many bytes as the shorter of the two has, because the input may end within the
    // prefix. The two prefixes differ in their first byte, so only empty input passes both tests.
    let common = |prefix: &[u8]| input.iter().zip(prefix).all(|(one, other)| one == other);
    if common(&binary::SIGNATURE) {
        return binary::parse(input);
    }
    if common(text::PREFIX) {
        return text::parse(input);
    }
    Parsed::Bad("expected a PROXY header at the beginning of the connection")
}
