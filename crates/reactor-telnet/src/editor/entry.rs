//! `Entry`: the line that is being entered, its cursor, and the changes that keys make to it.

use super::keys::Key;
use super::screen::View;

/// Most bytes of a line, so that a peer cannot fill the memory of the server.
const MOST: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) prompt: String,
    pub(super) line: String,
    /// Offset in `line`, in bytes, at the beginning of a character.
    pub(super) cursor: usize,
    /// A password: nothing of the line is shown, and Enter adds it to no history.
    pub(super) is_secret: bool,
}

impl Entry {
    /// The part of the entry that is drawn: of a secret, the prompt alone.
    pub(super) fn view(&self) -> View<'_> {
        let is_shown = !self.is_secret;
        View {
            prompt: &self.prompt,
            line: if is_shown { &self.line } else { "" },
            cursor: if is_shown { self.cursor } else { 0 },
        }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.cursor == self.line.len()
    }

    pub(super) fn before_cursor(&self) -> &str {
        &self.line[..self.cursor]
    }

    /// Takes the line out, and leaves an empty one with the same prompt.
    pub(super) fn take(&mut self) -> String {
        self.cursor = 0;
        std::mem::take(&mut self.line)
    }

    pub(super) fn replace(&mut self, line: String) {
        self.cursor = line.len();
        self.line = line;
    }

    /// Puts a character in before the cursor. Returns `false` for a control character, and if the
    /// line has no room for it.
    pub(super) fn insert(&mut self, character: char) -> bool {
        let fits = self.line.len() + character.len_utf8() <= MOST;
        if character.is_control() || !fits {
            return false;
        }
        self.line.insert(self.cursor, character);
        self.cursor += character.len_utf8();
        true
    }

    /// Replaces the word before the cursor by `word`, if `word` is longer; returns whether it
    /// is. Only the lengths are compared, since the words that a protocol offers should begin
    /// with the text that the peer has typed.
    pub(super) fn complete(&mut self, word: &str) -> bool {
        let start = self.before_cursor().rfind(' ').map_or(0, |at| at + 1);
        let is_longer = word.len() > self.cursor - start;
        if is_longer {
            self.line.replace_range(start..self.cursor, word);
            self.cursor = start + word.len();
        }
        is_longer
    }

    /// Moves the cursor or deletes characters; returns whether that changed anything.
    pub(super) fn edit(&mut self, key: Key) -> bool {
        let (line, cursor) = (&self.line, self.cursor);
        // The places one character before and behind the cursor; at an end of the line, the cursor.
        let before = line[..cursor].char_indices().next_back();
        let left = before.map_or(cursor, |(at, _)| at);
        let right = line[cursor..].chars().next();
        let right = right.map_or(cursor, |character| cursor + character.len_utf8());
        let (from, to) = match key {
            Key::Left | Key::Control('b') => return self.go_to(left),
            Key::Right | Key::Control('f') => return self.go_to(right),
            Key::WordLeft => return self.go_to(self.word_left()),
            Key::WordRight => return self.go_to(self.word_right()),
            Key::Home | Key::Control('a') => return self.go_to(0),
            Key::End | Key::Control('e') => return self.go_to(line.len()),
            Key::Backspace => (left, cursor),
            Key::Delete | Key::Control('d') => (cursor, right),
            Key::Control('w') => (self.word_left(), cursor),
            Key::Control('u') => (0, cursor),
            Key::Control('k') => (cursor, line.len()),
            _ => return false,
        };
        self.line.replace_range(from..to, "");
        self.cursor = from;
        from < to
    }

    /// Moves the cursor to `place`; returns whether that is another place.
    fn go_to(&mut self, place: usize) -> bool {
        std::mem::replace(&mut self.cursor, place) != place
    }

    /// The beginning of the word before the cursor.
    fn word_left(&self) -> usize {
        let before = self.before_cursor().trim_end();
        before.rfind(' ').map_or(0, |at| at + 1)
    }

    /// The end of the word behind the cursor.
    fn word_right(&self) -> usize {
        let rest = &self.line[self.cursor..];
        let spaces = rest.len() - rest.trim_start().len();
        let word = rest[spaces..].find(' ');
        word.map_or(self.line.len(), |length| self.cursor + spaces + length)
    }
}
