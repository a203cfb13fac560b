//! `Display` and `Debug` of a failure.

use std::fmt;

use super::Failure;
use super::members::members_of;
use super::message::text_of;

impl Failure {
    /// The messages of the error and of its sources. Many errors end with the message of their
    /// source; then the source is left out.
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

/// The error and its sources, on one line.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.texts().join(": "))
    }
}

/// The full story: the error, its sources, the place where it was raised, the stages that it
/// passed.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.texts().join("\n  caused by: "))?;
        write!(f, "\n  raised at {}", self.inner.raised_at)?;
        write!(f, "{}", self.inner.stage_trace)?;
        // Each member prints its own members.
        self.chain()
            .find_map(members_of)
            .map_or(Ok(()), |members| members.write_stories(f))?;
        if let Some(backtrace) = self.backtrace() {
            write!(f, "\n  backtrace:\n{backtrace}")?;
        }
        Ok(())
    }
}
