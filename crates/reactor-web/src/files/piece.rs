//! `Piece`: a part of a body that is sent from a file.

use std::ops::RangeInclusive;

use bytes::Bytes;

/// A piece of a body.
#[derive(Debug)]
pub(super) enum Piece {
    Bytes(Bytes),
    /// Offset in the file, and the number of bytes from there on, which is not zero.
    File(u64, u64),
}

impl Piece {
    pub(super) fn of(range: &RangeInclusive<u64>) -> Self {
        Self::File(*range.start(), size(range))
    }

    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, length) => *length,
        }
    }
}

/// The number of bytes in a range.
pub(super) fn size(range: &RangeInclusive<u64>) -> u64 {
    // Both ends are in it. A range is within the file, so the sum does not overflow.
    range.end() - range.start() + 1
}
