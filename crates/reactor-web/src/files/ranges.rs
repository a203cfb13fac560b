//! `Selection`: the ranges that a request asks for; and `Parts`, the body of an answer with
//! several.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;

use bytes::Bytes;
use http::HeaderValue;
use http_range_header::{RangeUnsatisfiableError, parse_range_header_with_max_ranges};

use super::piece::{Piece, size};

/// Most ranges of one request. With more, the answer is the whole file.
// Each range has a head of its own in the answer, which may be longer than the range.
const MAX_RANGES: usize = 16;

/// The part of a file that is sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Selection {
    Whole,
    /// At least one range.
    Ranges(Vec<RangeInclusive<u64>>),
    /// No range begins within the file: a 416.
    Unsatisfiable,
}

impl Selection {
    /// The part of a file of this length that `range`, the value of the header, selects.
    ///
    /// A value that is not a list of byte ranges is ignored, as RFC 9110 (14.2) says, and the whole
    /// file is sent. So is a list of more than [`MAX_RANGES`], one with three that overlap, or one
    /// whose ranges have more bytes together than the file: it would make the server send a
    /// multiple of it.
    pub(super) fn of(range: Option<&HeaderValue>, length: u64) -> Self {
        const MOST: NonZeroUsize = NonZeroUsize::new(MAX_RANGES).expect("it is not zero");
        let Some(text) = range.and_then(|value| value.to_str().ok()) else {
            return Self::Whole;
        };
        let parsed = parse_range_header_with_max_ranges(text, MOST);
        match parsed.and_then(|ranges| ranges.validate(length)) {
            Ok(ranges) if ranges.is_empty() || ranges.iter().map(size).sum::<u64>() > length => {
                Self::Whole
            }
            Ok(ranges) => Self::Ranges(ranges),
            // A well-formed list of ranges of which none begins in the file: a 416 (RFC 9110,
            // 14.2).
            Err(RangeUnsatisfiableError::Unsatisfiable) => Self::Unsatisfiable,
            Err(_) => Self::Whole,
        }
    }
}

/// The value of `Content-Range`.
pub(super) fn content_range(range: &RangeInclusive<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", range.start(), range.end())
}

/// Several ranges as the parts of one body, `multipart/byteranges`.
pub(super) struct Parts {
    pub(super) kind: String,
    pub(super) pieces: Vec<Piece>,
}

impl Parts {
    /// The parts of a file of type `kind` with `length` bytes.
    pub(super) fn new(ranges: &[RangeInclusive<u64>], kind: &HeaderValue, length: u64) -> Self {
        // Random, so that it is unlikely to stand in the file.
        let boundary = format!("{:016x}", RandomState::new().hash_one(length));
        let kind = kind.to_str().unwrap_or("application/octet-stream");
        let mut pieces = Vec::with_capacity(2 * ranges.len() + 1);
        for range in ranges {
            let content_range = content_range(range, length);
            pieces.push(Piece::Bytes(Bytes::from(format!(
                "\r\n--{boundary}\r\ncontent-type: {kind}\r\ncontent-range: {content_range}\r\n\r\n"
            ))));
            pieces.push(Piece::of(range));
        }
        pieces.push(Piece::Bytes(Bytes::from(format!("\r\n--{boundary}--\r\n"))));
        let kind = format!("multipart/byteranges; boundary={boundary}");
        Self { kind, pieces }
    }
}
