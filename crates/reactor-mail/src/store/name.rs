//! `MailboxName`: the name of a mailbox, checked so that it is safe in a path.

use std::error::Error;
use std::fmt;

/// Most bytes of a name in UTF-8.
const MAX_NAME: usize = 1024;

/// The name of a mailbox: components with `/` between them, in Unicode.
///
/// A store can use it as a path: it has at least one component, no component is empty, `.` or `..`,
/// and it has no control characters, so no NUL and no line end. It has at most 1,024 bytes. INBOX,
/// alone or as the first component, is the same name in upper and lower case; all other names are
/// compared byte by byte.
///
/// # Examples
///
/// ```
/// use reactor_mail::MailboxName;
///
/// let name = MailboxName::new("inbox/Größe").unwrap();
/// assert_eq!(name.as_str(), "INBOX/Größe");
/// assert_eq!(name.components().last(), Some("Größe"));
/// assert!(MailboxName::new("../etc").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxName(String);

impl MailboxName {
    /// Takes a name in Unicode.
    ///
    /// # Errors
    ///
    /// [`InvalidMailboxName`] if it breaks one of the rules that [`MailboxName`] lists.
    pub fn new(name: &str) -> Result<Self, InvalidMailboxName> {
        let is_good = |component: &str| !matches!(component, "" | "." | "..");
        if name.len() > MAX_NAME || !name.split('/').all(is_good) || name.contains(char::is_control)
        {
            return Err(InvalidMailboxName);
        }
        let (first, rest) = name.split_at(name.find('/').unwrap_or(name.len()));
        // Normalized here, so that names can be compared byte by byte.
        if first.eq_ignore_ascii_case("INBOX") {
            return Ok(Self(format!("INBOX{rest}")));
        }
        Ok(Self(name.to_owned()))
    }

    /// INBOX, which each account has.
    pub fn inbox() -> Self {
        Self("INBOX".to_owned())
    }

    /// Whether this is INBOX.
    pub fn is_inbox(&self) -> bool {
        self.0 == "INBOX"
    }

    /// The name in Unicode.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components between the slashes; at least one.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The name one level above; `None` if this one has a single component.
    pub fn parent(&self) -> Option<Self> {
        let (parent, _) = self.0.rsplit_once('/')?;
        Some(Self(parent.to_owned()))
    }

    /// Whether this stands below `other`.
    pub fn is_below(&self, other: &Self) -> bool {
        let rest = self.0.strip_prefix(&other.0);
        rest.is_some_and(|rest| rest.starts_with('/'))
    }

    /// The name that this mailbox gets if `from` is renamed to `to`; `None` if it is neither `from`
    /// nor below it, and so keeps its name.
    ///
    /// # Errors
    ///
    /// [`InvalidMailboxName`] if the new name is too long.
    pub fn renamed(&self, from: &Self, to: &Self) -> Option<Result<Self, InvalidMailboxName>> {
        if self == from {
            return Some(Ok(to.clone()));
        }
        let below = self.is_below(from).then(|| &self.0[from.0.len()..])?;
        // `new` checks it, because it may be longer than this one.
        Some(Self::new(&format!("{}{below}", to.0)))
    }
}

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The name is not one that a mailbox can have.
///
/// # Examples
///
/// ```
/// use reactor_mail::{InvalidMailboxName, MailboxName};
///
/// assert_eq!(MailboxName::new("a//b"), Err(InvalidMailboxName));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidMailboxName;

impl fmt::Display for InvalidMailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a name for a mailbox")
    }
}

impl Error for InvalidMailboxName {}
