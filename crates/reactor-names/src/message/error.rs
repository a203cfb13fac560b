//! `MessageError`: why bytes are not a DNS message.

use std::error::Error;
use std::fmt;

/// Why bytes cannot be decoded as a DNS message, or a message cannot be encoded.
///
/// # Examples
///
/// ```
/// use reactor_names::{MessageError, decode_message};
///
/// // 65,535 answers are announced, and there are none.
/// let boasting = b"\x12\x34\x81\x80\0\0\xff\xff\0\0\0\0";
/// assert_eq!(decode_message(boasting), Err(MessageError::Counts));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageError {
    /// The bytes end inside of the message.
    Truncated,
    /// The header announces more questions and records than the bytes can hold.
    Counts,
    /// A name has more than 255 bytes.
    NameTooLong,
    /// A byte that should begin a label, a pointer or the end of a name has another type.
    LabelType,
    /// A compression pointer does not point to an earlier name.
    ForwardPointer,
    /// Names follow too many compression pointers.
    TooManyPointers,
    /// Compression pointers make the names far longer than the message.
    TooManyLabels,
    /// The message does not fit into this size.
    TooLong {
        /// The most bytes that it may have.
        max_size: u16,
    },
    /// Something else does not have the form that it must have.
    Malformed(String),
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed DNS message: ")?;
        match self {
            Self::Truncated => f.write_str("it ends early"),
            Self::Counts => f.write_str("it cannot hold as many records as it announces"),
            Self::NameTooLong => f.write_str("a name is longer than 255 bytes"),
            Self::LabelType => f.write_str("unknown type of label"),
            Self::ForwardPointer => f.write_str("a compression pointer does not point backward"),
            Self::TooManyPointers => f.write_str("too many compression pointers"),
            Self::TooManyLabels => f.write_str("the names are too long for the message"),
            Self::TooLong { max_size } => write!(f, "it is longer than {max_size} bytes"),
            Self::Malformed(reason) => f.write_str(reason),
        }
    }
}

impl Error for MessageError {}
