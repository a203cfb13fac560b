//! `FirstError` and `FailureGroup`: the errors of combinators, which contain failures.

use std::error::Error;
use std::fmt::{self, Write};

use super::Failure;
use super::inside::{Inside, print_nested};

/// One of several Deferreds failed, and with it the Deferred that was made of them.
///
/// The failure's error is the [`source`](Error::source), so that
/// [`Failure::check`] finds it through this one.
///
/// # Examples
///
/// ```
/// use deferred::{FirstError, fail, gather_results, succeed};
/// use std::num::ParseIntError;
///
/// let parsed = gather_results([
///     succeed(1),
///     fail("one".parse::<i32>().unwrap_err()),
/// ]);
/// let failure = parsed.into_result().unwrap().unwrap_err();
/// assert!(failure.is::<ParseIntError>());
/// assert_eq!(failure.check::<FirstError>().unwrap().index(), 1);
/// ```
#[derive(Clone)]
pub struct FirstError {
    index: usize,
    /// `None` only while this is dropped.
    failure: Inside<Option<Failure>>,
}

impl FirstError {
    pub(crate) fn new(index: usize, failure: Failure) -> Self {
        Self {
            index,
            failure: Inside::new(Some(failure)),
        }
    }

    /// Which of the Deferreds failed: its place in the input, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// What it failed with.
    pub fn failure(&self) -> &Failure {
        match &*self.failure {
            Some(failure) => failure,
            None => unreachable!("it is taken out only when this is dropped"),
        }
    }
}

impl fmt::Display for FirstError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the deferred at index {} failed", self.index)
    }
}

/// What `Display` says, and the full story of the failure.
impl fmt::Debug for FirstError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        Members::First(self).write_stories(f)
    }
}

impl Error for FirstError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.failure().as_error())
    }
}

/// None of several Deferreds succeeded: what each of them failed with.
///
/// The group is empty if there was no Deferred at all.
///
/// # Examples
///
/// ```
/// use deferred::{Cancelled, Failure, FailureGroup, fail, race};
///
/// let fastest = race([fail::<i32>(Cancelled::new()), fail(Failure::msg("no route"))]);
/// let failure = fastest.into_result().unwrap().unwrap_err();
/// let group = failure.check::<FailureGroup>().unwrap();
/// let messages: Vec<_> = group.iter().map(|failure| failure.message()).collect();
/// assert_eq!(messages, ["the deferred was cancelled", "no route"]);
/// ```
#[doc(alias = "AggregateError")]
#[derive(Clone)]
pub struct FailureGroup {
    failures: Inside<Vec<Failure>>,
}

impl FailureGroup {
    pub(crate) fn new(failures: Vec<Failure>) -> Self {
        Self {
            failures: Inside::new(failures),
        }
    }

    /// The failures, in the order of the input.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Failure, FailureGroup, fail, race};
    ///
    /// let mirrors = ["near", "far"].map(|name| fail::<()>(Failure::msg(format!("{name} is down"))));
    /// let failure = race(mirrors).into_result().unwrap().unwrap_err();
    /// let group = failure.check::<FailureGroup>().unwrap();
    /// assert_eq!(group.failures()[1].message(), "far is down");
    /// ```
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// Goes through the failures, in the order of the input.
    pub fn iter(&self) -> std::slice::Iter<'_, Failure> {
        self.failures.iter()
    }
}

impl<'a> IntoIterator for &'a FailureGroup {
    type Item = &'a Failure;
    type IntoIter = std::slice::Iter<'a, Failure>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for FailureGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((last, others)) = self.failures.split_last() else {
            return f.write_str("there was no deferred that could have succeeded");
        };
        print_nested(f, |f| {
            f.write_str("all of the deferreds failed: ")?;
            for failure in others {
                write!(f, "{failure}; ")?;
            }
            write!(f, "{last}")
        })
    }
}

/// What `Display` says, and the full story of each failure.
impl fmt::Debug for FailureGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        Members::Group(self).write_stories(f)
    }
}

// Without a source: `source` could name only one of several failures.
impl Error for FailureGroup {}

/// The failures in an error.
pub(super) enum Members<'a> {
    First(&'a FirstError),
    Group(&'a FailureGroup),
}

/// The failures that are in `error` itself, if it is of a type that has some.
pub(super) fn members_of<'a>(error: &'a (dyn Error + 'static)) -> Option<Members<'a>> {
    let first = error.downcast_ref().map(Members::First);
    first.or_else(|| error.downcast_ref().map(Members::Group))
}

impl Members<'_> {
    /// Writes the full story of each, indented, each line beginning with a line break.
    pub(super) fn write_stories(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print_nested(f, |f| match self {
            Self::First(first) => print_member(f, first.index, first.failure()),
            Self::Group(group) => {
                let mut members = group.iter().enumerate();
                members.try_for_each(|(index, member)| print_member(f, index, member))
            }
        })
    }
}

fn print_member(f: &mut fmt::Formatter<'_>, index: usize, member: &Failure) -> fmt::Result {
    write!(f, "\n  the failure at index {index}: ")?;
    let mut indented = Indented(f);
    write!(indented, "{member:?}")
}

/// Indents each line after the first by two more spaces.
struct Indented<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Indented<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Not `lines`: a piece may end in the middle of a line, and the next one goes on there.
        for (index, line) in text.split('\n').enumerate() {
            if index > 0 {
                self.0.write_str("\n  ")?;
            }
            self.0.write_str(line)?;
        }
        Ok(())
    }
}
