//! Parser of PROXY headers: which version it is.

use super::header::Parsed;
use super::{binary, text};

/// Looks for a header in `input`, which begins the connection.
pub(super) fn parse(input: &[u8]) -> Parsed {
    // The shorter one decides, because the input may end within the prefix. The two prefixes differ
    // in their first byte, so no input passes both tests but the empty one.
    let common = |prefix: &[u8]| input.iter().zip(prefix).all(|(one, other)| one == other);
    if common(&binary::SIGNATURE) {
        return binary::parse(input);
    }
    if common(text::PREFIX) {
        return text::parse(input);
    }
    Parsed::Bad("expected a PROXY header at the beginning of the connection")
}
