//! `MaildirFlags`: the flags in the name of a message's file.

use std::fmt;
use std::str::FromStr;

use super::error::MaildirError;

/// The flags of a message: a set of letters, which stand behind `:2,` in the name of its file.
///
/// The capital letters mean the same in all programs. Each program gives the small ones its own
/// meaning (Dovecot: keywords); a change of other flags keeps them.
///
/// # Examples
///
/// ```
/// use reactor_mail::MaildirFlags;
///
/// let flags: MaildirFlags = "SF".parse()?;
/// assert!(flags.contains(MaildirFlags::SEEN));
/// assert_eq!(flags.union(MaildirFlags::REPLIED).to_string(), "FRS");
/// # Ok::<(), reactor_mail::MaildirError>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct MaildirFlags(u64);

impl MaildirFlags {
    /// `D`: a draft.
    pub const DRAFT: Self = Self::of(b'D');
    /// `F`: marked by the user.
    pub const FLAGGED: Self = Self::of(b'F');
    /// `P`: passed on, by forwarding, resending or bouncing.
    pub const PASSED: Self = Self::of(b'P');
    /// `R`: replied to.
    pub const REPLIED: Self = Self::of(b'R');
    /// `S`: seen.
    pub const SEEN: Self = Self::of(b'S');
    /// `T`: to be removed.
    pub const TRASHED: Self = Self::of(b'T');

    /// No flag.
    pub const fn empty() -> Self {
        Self(0)
    }

    /// The bit of an ASCII letter: its distance from `A`.
    const fn of(letter: u8) -> Self {
        // 58 bits at most, for `A` to `z`; those of the six characters between the cases stay
        // unused.
        Self(1 << (letter - b'A'))
    }

    /// The flag of a letter; `None` for anything but an ASCII letter.
    pub const fn from_letter(letter: char) -> Option<Self> {
        if letter.is_ascii_alphabetic() {
            Some(Self::of(letter as u8))
        } else {
            None
        }
    }

    /// Whether no flag is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of `flags` are set.
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// These flags and `flags`.
    #[must_use]
    pub const fn union(self, flags: Self) -> Self {
        Self(self.0 | flags.0)
    }

    /// These flags without `flags`.
    #[must_use]
    pub const fn difference(self, flags: Self) -> Self {
        Self(self.0 & !flags.0)
    }

    /// The flags that are in both.
    #[must_use]
    pub const fn intersection(self, flags: Self) -> Self {
        Self(self.0 & flags.0)
    }

    /// The flags in a file's name; characters other than ASCII letters are left out.
    pub(super) fn from_name(letters: &str) -> Self {
        let flags = letters.chars().filter_map(Self::from_letter);
        flags.fold(Self::empty(), Self::union)
    }
}

impl FromStr for MaildirFlags {
    type Err = MaildirError;

    /// From letters in any order.
    fn from_str(letters: &str) -> Result<Self, MaildirError> {
        if !letters.chars().all(|letter| letter.is_ascii_alphabetic()) {
            let flags = letters.to_owned();
            return Err(MaildirError::InvalidFlags { flags });
        }
        Ok(Self::from_name(letters))
    }
}

impl fmt::Display for MaildirFlags {
    /// The letters in ASCII order, as in the names of files.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = (b'A'..=b'z').filter(|letter| letter.is_ascii_alphabetic());
        for letter in letters.filter(|&letter| self.contains(Self::of(letter))) {
            write!(f, "{}", char::from(letter))?;
        }
        Ok(())
    }
}

impl fmt::Debug for MaildirFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MaildirFlags({self})")
    }
}
