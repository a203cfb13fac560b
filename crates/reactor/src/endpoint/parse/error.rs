//! Why an endpoint description cannot be used.

use std::error::Error;
use std::fmt;

/// Why an endpoint description cannot be used: see [`EndpointParser`](super::EndpointParser).
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
    /// The parser has no endpoint of that prefix, or none for this side: see the message, which
    /// names those there are.
    UnknownPrefix,
    /// An argument that the endpoint needs is not there.
    Missing,
    /// There is an argument too many, or one whose keyword the endpoint does not know, or the
    /// same one twice.
    Unexpected,
    /// The value of an argument cannot be used.
    BadValue,
    /// The text ends behind a backslash.
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

    /// The value of the argument `name` cannot be used. The parser adds the description
    /// that it stands in.
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

    /// Names the description that the error is about, unless a nested one is named already.
    pub(super) fn within(mut self, text: &str) -> Self {
        if self.text.is_empty() {
            text.clone_into(&mut self.text);
        }
        self
    }

    /// What kind of error it is.
    pub fn kind(&self) -> EndpointErrorKind {
        self.kind
    }

    /// The description, as it was given.
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
