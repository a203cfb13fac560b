//! What a failure says, and the errors that it makes itself.

use std::error::Error;
use std::fmt::{self, Write};

use super::Failure;
use super::members::members_of;

impl Failure {
    /// What the error and its sources say. Many errors repeat what their source
    /// says at the end of their own text; then the source is left out.
    fn texts(&self) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        for error in self.chain() {
            let text = text_of(error);
            if !texts.last().is_some_and(|last| last.ends_with(&text)) {
                texts.push(text);
            }
        }
        texts
    }
}

/// The error and what caused it, on one line.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.texts().join(": "))
    }
}

/// The full story: the error, its causes, where it was raised, what it passed.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.texts().join("\n  caused by: "))?;
        write!(f, "\n  raised at {}", self.inner.raised_at)?;
        write!(f, "{}", self.inner.stage_trace)?;
        // Those inside of it tell of those inside of them.
        self.chain()
            .find_map(members_of)
            .map_or(Ok(()), |members| members.tell(f))?;
        if let Some(backtrace) = self.backtrace() {
            write!(f, "\n  backtrace:\n{backtrace}")?;
        }
        Ok(())
    }
}

/// What `error` says, as far as it can say it.
pub(super) fn text_of(error: &dyn Error) -> String {
    let mut text = String::new();
    // `to_string` would panic if its `Display` fails.
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
