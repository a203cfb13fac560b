//! `FrameTooLong`: error of a frame above the limit of its framing.

use std::error::Error;
use std::fmt;

/// A frame is longer than its framing allows.
///
/// # Examples
///
/// ```
/// use reactor::Framing;
/// use reactor::framing::{FrameTooLong, LengthPrefixed, U32};
///
/// let mut framing = LengthPrefixed::<U32>::with_max_length(1000);
/// let failure = framing.decode(b"\xff\xff\xff\xff").unwrap_err();
/// let error = failure.trap::<FrameTooLong>()?;
/// assert_eq!((error.length(), error.max_length()), (u32::MAX as usize, 1000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameTooLong {
    length: usize,
    max_length: usize,
}

impl FrameTooLong {
    pub(super) fn new(length: usize, max_length: usize) -> Self {
        Self { length, max_length }
    }

    /// The length in the prefix of the frame, or the number of its bytes that have arrived.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The longest frame allowed, in bytes.
    pub fn max_length(&self) -> usize {
        self.max_length
    }
}

impl fmt::Display for FrameTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { length, max_length } = self;
        write!(
            f,
            "a frame of {length} bytes is longer than {max_length} bytes"
        )
    }
}

impl Error for FrameTooLong {}
