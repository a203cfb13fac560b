//! `Message`: text or bytes.

use std::fmt;

/// A message: text or bytes.
///
/// # Examples
///
/// ```
/// use reactor_web::ws::Message;
///
/// assert_eq!(Message::from("hello"), Message::Text("hello"));
/// assert_eq!(Message::from("hello").as_bytes(), b"hello");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// Text.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
}

impl<'a> Message<'a> {
    /// The bytes of the message.
    pub fn as_bytes(&self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(data) => data,
        }
    }

    /// The text, if the message is text.
    pub fn as_text(&self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }
}

impl<'a> From<&'a str> for Message<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Message<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Message<'a> {
    fn from(data: &'a [u8]) -> Self {
        Self::Binary(data)
    }
}

impl<'a, const LENGTH: usize> From<&'a [u8; LENGTH]> for Message<'a> {
    fn from(data: &'a [u8; LENGTH]) -> Self {
        Self::Binary(data)
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.debug_tuple("Text").field(text).finish(),
            Self::Binary(data) => write!(f, "Binary({} bytes)", data.len()),
        }
    }
}
