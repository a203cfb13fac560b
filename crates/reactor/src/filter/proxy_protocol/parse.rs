//! Parser of PROXY headers: which version it is.

use super::header::Parsed;
use super::{binary, text};

/// Looks for a header in `input`, which begins the connection.
pub(super) fn parse(input: &[u8]) -> Parsed {
    let common = |prefix: &[u8]| input.iter().zip(prefix).all(|(one, other)| one == other);
    if common(&binary::SIGNATURE) {
        return binary::parse(input);
    }
    if common(text::PREFIX) {
        return text::parse(input);
    }
    Parsed::Bad("expected a PROXY header at the beginning of the connection")
}
