//! `LookupError`: why a lookup has no answer.

use std::error::Error;
use std::fmt;

use hickory_proto::rr::{Record, RecordType};

/// Why a lookup has no answer.
///
/// # Examples
/// A caller for which a name without a mail server is not an error:
///
/// ```
/// use deferred::{Deferred, Failure, Result};
/// use reactor_names::{LookupError, LookupErrorKind};
///
/// fn or_empty(lookup: Deferred<Vec<String>>) -> Deferred<Vec<String>> {
///     lookup.add_errback(|failure: Failure| -> Result<Vec<String>> {
///         match failure.downcast_ref::<LookupError>().map(LookupError::kind) {
///             Some(LookupErrorKind::NoSuchName | LookupErrorKind::NoRecords) => Ok(Vec::new()),
///             _ => Err(failure),
///         }
///     })
/// }
/// # or_empty(deferred::succeed(Vec::new())).ignore();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupError {
    kind: LookupErrorKind,
    name: String,
    record_type: RecordType,
    aliases: Vec<Record>,
    soa: Option<Box<Record>>,
}

/// What kind of [`LookupError`].
///
/// # Examples
///
/// ```
/// use reactor_names::LookupErrorKind;
///
/// assert_eq!(LookupErrorKind::NoSuchName.to_string(), "no such name");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LookupErrorKind {
    /// The name does not exist.
    NoSuchName,
    /// The name exists, but has no records of this type.
    NoRecords,
    /// The servers refuse to answer this question.
    Refused,
    /// The servers have failed to find the answer, or their answers are malformed.
    ServerFailed,
    /// No server has answered in time.
    TimedOut,
    /// The name is an alias of an alias, and so on, without an end.
    TooManyAliases,
    /// This is not a valid name: a label is empty or longer than 63 bytes, or the name is longer
    /// than 255.
    InvalidName,
}

impl LookupError {
    /// The error of a lookup of the records of type `record_type` of `name`, for a resolver of your
    /// own.
    pub fn new(kind: LookupErrorKind, name: impl Into<String>, record_type: RecordType) -> Self {
        Self {
            kind,
            name: name.into(),
            record_type,
            aliases: Vec::new(),
            soa: None,
        }
    }

    /// Adds the aliases and the SOA record of a negative answer.
    pub(crate) fn with_proof(mut self, aliases: Vec<Record>, soa: Option<Box<Record>>) -> Self {
        self.aliases = aliases;
        self.soa = soa;
        self
    }

    /// What kind of error.
    pub fn kind(&self) -> LookupErrorKind {
        self.kind
    }

    /// The name that was asked for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The aliases (`CNAME`) that lead from the name to the one that does not exist, or has no
    /// such records.
    pub fn aliases(&self) -> &[Record] {
        &self.aliases
    }

    /// The SOA record of the zone in which the name or its records do not exist. For as long as
    /// its TTL, the servers need not be asked again.
    pub fn soa(&self) -> Option<&Record> {
        self.soa.as_deref()
    }

    /// The type of records that was asked for.
    pub fn record_type(&self) -> RecordType {
        self.record_type
    }
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            name,
            record_type,
            ..
        } = self;
        write!(f, "{record_type} records of {name:?}: {kind}")
    }
}

impl fmt::Display for LookupErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSuchName => "no such name",
            Self::NoRecords => "no records of this type",
            Self::Refused => "the servers refuse to answer",
            Self::ServerFailed => "the servers have failed",
            Self::TimedOut => "no server has answered in time",
            Self::TooManyAliases => "too many aliases",
            Self::InvalidName => "not a valid name",
        })
    }
}

impl Error for LookupError {}
