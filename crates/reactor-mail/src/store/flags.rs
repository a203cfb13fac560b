//! `MailFlags`: the flags and keywords of a message.

use std::fmt;

/// A flag that IMAP defines.
///
/// # Examples
///
/// ```
/// use reactor_mail::{MailFlag, MailFlags};
///
/// let flags = MailFlags::from_iter([MailFlag::Seen]);
/// assert!(flags.contains(MailFlag::Seen) && !flags.contains(MailFlag::Deleted));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MailFlag {
    /// The message has been answered.
    Answered = 1,
    /// The message is removed when the mailbox is expunged.
    Deleted = 2,
    /// The message is a draft, which is not finished.
    Draft = 4,
    /// The message is marked for attention.
    Flagged = 8,
    /// The message has been read.
    Seen = 16,
}

impl MailFlag {
    /// All flags, in alphabetical order.
    pub const ALL: [Self; 5] = [
        Self::Answered,
        Self::Deleted,
        Self::Draft,
        Self::Flagged,
        Self::Seen,
    ];
}

/// The flags of a message: those of [`MailFlag`], and keywords, whose names clients choose.
///
/// # Examples
///
/// ```
/// use reactor_mail::{FlagChange, MailFlag, MailFlags};
///
/// let mut flags = MailFlags::from_iter([MailFlag::Seen]);
/// flags.insert_keyword("$Junk");
/// let mut added = MailFlags::new();
/// added.insert(MailFlag::Deleted);
/// flags.change(FlagChange::Add, &added);
/// assert_eq!(flags.to_string(), "Deleted Seen $Junk");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct MailFlags {
    /// A union of `MailFlag`s.
    bits: u8,
    /// Sorted and without duplicates, both without regard to case.
    keywords: Vec<String>,
}

/// How a set of flags changes the flags of a message.
///
/// # Examples
///
/// ```
/// use reactor_mail::{FlagChange, MailFlag, MailFlags};
///
/// let mut flags = MailFlags::from_iter([MailFlag::Seen, MailFlag::Draft]);
/// flags.change(FlagChange::Remove, &MailFlags::from_iter([MailFlag::Draft]));
/// assert_eq!(flags, MailFlags::from_iter([MailFlag::Seen]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagChange {
    /// The given flags are added.
    Add,
    /// The given flags are removed.
    Remove,
    /// The given flags replace all flags.
    Replace,
}

impl MailFlags {
    /// No flags.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a flag is set.
    pub fn contains(&self, flag: MailFlag) -> bool {
        self.bits & flag as u8 != 0
    }

    /// Sets a flag.
    pub fn insert(&mut self, flag: MailFlag) {
        self.bits |= flag as u8;
    }

    /// Clears a flag.
    pub fn remove(&mut self, flag: MailFlag) {
        self.bits &= !(flag as u8);
    }

    /// Whether there is no flag and no keyword.
    pub fn is_empty(&self) -> bool {
        self.bits == 0 && self.keywords.is_empty()
    }

    /// The flags that are set, without the keywords.
    pub fn iter(&self) -> impl Iterator<Item = MailFlag> {
        let bits = self.bits;
        let is_set = move |flag: &MailFlag| bits & *flag as u8 != 0;
        MailFlag::ALL.into_iter().filter(is_set)
    }

    /// The keywords, sorted without regard to case.
    pub fn keywords(&self) -> &[String] {
        &self.keywords
    }

    /// Whether a keyword is set. Case does not matter.
    pub fn contains_keyword(&self, keyword: &str) -> bool {
        self.find(keyword).is_ok()
    }

    /// Sets a keyword. A keyword that is not a valid atom of IMAP is not shown to clients.
    pub fn insert_keyword(&mut self, keyword: &str) {
        if let Err(place) = self.find(keyword) {
            self.keywords.insert(place, keyword.to_owned());
        }
    }

    /// Clears a keyword.
    pub fn remove_keyword(&mut self, keyword: &str) {
        if let Ok(place) = self.find(keyword) {
            self.keywords.remove(place);
        }
    }

    /// Adds `others`, removes them, or replaces these flags by them.
    pub fn change(&mut self, change: FlagChange, others: &Self) {
        match change {
            FlagChange::Add => {
                self.bits |= others.bits;
                for keyword in &others.keywords {
                    self.insert_keyword(keyword);
                }
            }
            FlagChange::Remove => {
                self.bits &= !others.bits;
                for keyword in &others.keywords {
                    self.remove_keyword(keyword);
                }
            }
            FlagChange::Replace => self.clone_from(others),
        }
    }

    fn find(&self, keyword: &str) -> Result<usize, usize> {
        self.keywords
            .binary_search_by(|other| lower(other).cmp(lower(keyword)))
    }
}

fn lower(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().map(|byte| byte.to_ascii_lowercase())
}

impl FromIterator<MailFlag> for MailFlags {
    fn from_iter<I: IntoIterator<Item = MailFlag>>(flags: I) -> Self {
        let mut all = Self::new();
        flags.into_iter().for_each(|flag| all.insert(flag));
        all
    }
}

impl fmt::Display for MailFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = self.iter().map(|flag| format!("{flag:?}"));
        let all: Vec<String> = flags.chain(self.keywords.iter().cloned()).collect();
        f.write_str(&all.join(" "))
    }
}

impl fmt::Debug for MailFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailFlags({self})")
    }
}
