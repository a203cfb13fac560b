//! `Keywords`: maps keywords of IMAP to small letters in the names of files.

use super::flags::MaildirFlags;
use crate::store::{MailFlag, MailFlags};

/// Flags of IMAP that have a letter.
const FLAGS: [(MailFlag, MaildirFlags); 5] = [
    (MailFlag::Answered, MaildirFlags::REPLIED),
    (MailFlag::Deleted, MaildirFlags::TRASHED),
    (MailFlag::Draft, MaildirFlags::DRAFT),
    (MailFlag::Flagged, MaildirFlags::FLAGGED),
    (MailFlag::Seen, MaildirFlags::SEEN),
];

/// The keywords of a mailbox: at most 26.
#[derive(Clone, Debug, Default)]
pub(super) struct Keywords(Vec<(char, String)>);

impl Keywords {
    pub(super) fn iter(&self) -> impl Iterator<Item = &(char, String)> {
        self.0.iter()
    }

    /// Adds the keyword of a line of `reactor-uids`: letter and name. `None` if the line is damaged.
    pub(super) fn parse(&mut self, line: &str) -> Option<()> {
        let (letter, name) = line.split_once(' ')?;
        let letter: char = letter.parse().ok().filter(char::is_ascii_lowercase)?;
        self.0.push((letter, name.to_owned()));
        Some(())
    }

    /// The letter of a keyword, whose name is compared without regard to case.
    pub(super) fn letter(&self, name: &str) -> Option<char> {
        let mut keywords = self.0.iter();
        let found = keywords.find(|(_, other)| other.eq_ignore_ascii_case(name));
        found.map(|(letter, _)| *letter)
    }

    /// Gives letters to those of `names` that have none, as long as there are free ones. A letter
    /// in `used`, the flags of all messages, is not free even if it stands for no keyword: it is that
    /// of another program. Returns whether a name got a letter.
    pub(super) fn add(
        &mut self,
        names: &[String],
        used: impl Iterator<Item = MaildirFlags>,
    ) -> bool {
        let before = self.0.len();
        let used = used.fold(MaildirFlags::empty(), MaildirFlags::union);
        let is_used = |letter| MaildirFlags::from_letter(letter).is_none_or(|f| used.contains(f));
        for name in names {
            let is_taken = |letter: &char| self.0.iter().any(|(other, _)| other == letter);
            let is_name = !name.is_empty() && !name.contains(char::is_control);
            let free = ('a'..='z').find(|letter| !is_taken(letter) && !is_used(*letter));
            if let (true, None, Some(letter)) = (is_name, self.letter(name), free) {
                self.0.push((letter, name.clone()));
            }
        }
        self.0.len() > before
    }

    /// The flags that a client sees, for those in the name of a file.
    pub(super) fn to_mail(&self, flags: MaildirFlags) -> MailFlags {
        let set = FLAGS.iter().filter(|(_, letter)| flags.contains(*letter));
        let mut mail = MailFlags::from_iter(set.map(|(flag, _)| *flag));
        for (letter, name) in &self.0 {
            if MaildirFlags::from_letter(*letter).is_some_and(|letter| flags.contains(letter)) {
                mail.insert_keyword(name);
            }
        }
        mail
    }

    /// The letters for flags that a client sets; a keyword without a letter is left out.
    pub(super) fn to_maildir(&self, mail: &MailFlags) -> MaildirFlags {
        let set = FLAGS.iter().filter(|(flag, _)| mail.contains(*flag));
        let keywords = mail.keywords().iter().filter_map(|name| self.letter(name));
        let keywords = keywords.filter_map(MaildirFlags::from_letter);
        let letters = set.map(|(_, letter)| *letter).chain(keywords);
        letters.fold(MaildirFlags::empty(), MaildirFlags::union)
    }

    /// All letters that stand for a flag or a keyword. The others are those of other programs.
    pub(super) fn known(&self) -> MaildirFlags {
        let letters = self
            .0
            .iter()
            .filter_map(|(letter, _)| MaildirFlags::from_letter(*letter));
        let all = FLAGS.iter().map(|(_, letter)| *letter).chain(letters);
        all.fold(MaildirFlags::empty(), MaildirFlags::union)
    }
}
