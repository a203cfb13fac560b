//! `EndpointError`: why an endpoint description is invalid.

use std::error::Error;
use std::fmt;

/// Error of an endpoint description: see [`EndpointParser`](super::EndpointParser).
///
/// # Examples
///
/// ```
/// use reactor::endpoint::{EndpointErrorKind, EndpointParser};
///
/// let parser = EndpointParser::new();
/// let error = parser.server("tcp:eighty").err().expect("it is no number");
/// assert_eq!(error.kind(), EndpointErrorKind::BadValue);
/// assert_eq!(
///     error.to_string(),
///     r#"bad endpoint "tcp:eighty": port "eighty" is not a number from 0 to 65535"#
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointError {
    text: String,
    kind: EndpointErrorKind,
    message: String,
}

/// The kinds of [`EndpointError`].
///
/// # Examples
///
/// ```
/// use reactor::endpoint::{EndpointErrorKind, EndpointParser};
///
/// let parser = EndpointParser::new();
/// let kind = |text| parser.client(text).err().map(|error| error.kind());
/// assert_eq!(kind("tpc:example.org:80"), Some(EndpointErrorKind::UnknownPrefix));
/// assert_eq!(kind("tcp:example.org"), Some(EndpointErrorKind::Missing));
/// assert_eq!(kind("tcp:example.org:80:colour=red"), Some(EndpointErrorKind::Unexpected));
/// assert_eq!(kind("tcp:example.org:80"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointErrorKind {
    /// The parser does not know the prefix, or knows it only for the other side (client or server).
    /// The message lists the known prefixes.
    UnknownPrefix,
    /// A required argument is missing.
    Missing,
    /// There is one argument too many, or an argument has an unknown keyword or is given twice.
    Unexpected,
    /// The value of an argument is invalid.
    BadValue,
    /// The text ends with a backslash that escapes nothing.
    BadEscape,
}

impl EndpointError {
    pub(in crate::endpoint) fn new(kind: EndpointErrorKind, message: String) -> Self {
        Self {
            text: String::new(),
            kind,
            message,
        }
    }

    /// Makes the error of an invalid value of the argument `name`. The parser adds the description
    /// that contains it.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::endpoint::EndpointError;
    ///
    /// let error = EndpointError::bad_value("colour", "beige", "must be red or blue");
    /// assert!(error.to_string().ends_with(r#"colour "beige" must be red or blue"#));
    /// ```
    pub fn bad_value(name: &str, value: &str, why: impl fmt::Display) -> Self {
        let message = format!("{name} {value:?} {why}");
        Self::new(EndpointErrorKind::BadValue, message)
    }

    /// Stores the description. If the error has one already, that of a nested endpoint, the message
    /// names that one, too.
    pub(super) fn within(mut self, text: &str) -> Self {
        let nested = std::mem::replace(&mut self.text, text.to_owned());
        if !nested.is_empty() {
            self.message = format!("in {nested:?}: {}", self.message);
        }
        self
    }

    /// The kind of error.
    pub fn kind(&self) -> EndpointErrorKind {
        self.kind
    }

    /// The description, as it was given: the whole one, if it has another endpoint in it.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad endpoint {:?}: {}", self.text, self.message)
    }
}

impl Error for EndpointError {}
