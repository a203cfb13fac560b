//! Messages of errors, and the error that is only a message.

use std::error::Error;
use std::fmt::{self, Write};

/// The message of `error`, up to the point where its `Display` fails.
pub(super) fn text_of(error: &dyn Error) -> String {
    let mut text = String::new();
    // Errs if the `Display` of the error fails, where `to_string` would panic; the text so far is
    // kept.
    let _ = write!(text, "{error}");
    text
}

/// The error of [`Failure::msg`].
pub(super) struct Message(String);

impl Message {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Error for Message {}
