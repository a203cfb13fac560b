//! `Editor`: edits a line on the peer's terminal, key by key.
//!
//! ```text
//!   bytes ──▶ Keys ──key──▶ Editor ──▶ Entry, History      the line and the cursor
//!                                  ──▶ Screen ──▶ output   what the terminal shows of them
//! ```
//!
//! A change goes to the entry first, and is drawn from it. Output is only collected in a `String`:
//! the caller sends it.

mod entry;
mod history;
mod keys;
mod screen;

use self::entry::Entry;
use self::history::History;
use self::keys::{Key, Keys};
use self::screen::Screen;

/// An event for the owner of the editor. All other keys only change the line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Edited {
    /// A line was entered.
    Line(String),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D with nothing entered.
    Ended,
    /// Tab. The owner finds the words that may stand in place of the one before the cursor, and
    /// calls [`Editor::complete`] with them.
    Complete,
}

/// The line that is being entered, and the terminal that shows it.
#[derive(Debug, Default)]
pub(crate) struct Editor {
    keys: Keys,
    screen: Screen,
    history: History,
    entry: Entry,
    /// Whether prompt and line stand on the terminal. Set by the `show` methods; cleared by `hide`,
    /// and when the line is left, until the next prompt. While it is clear, the owner passes no
    /// keys.
    is_shown: bool,
}

const BELL: char = '\x07';

impl Editor {
    pub(crate) fn set_columns(&mut self, columns: usize) {
        self.screen.set_columns(columns);
    }

    /// Shows the prompt, and asks for a line.
    pub(crate) fn show(&mut self, prompt: &str, is_secret: bool, output: &mut String) {
        self.hide(output);
        prompt.clone_into(&mut self.entry.prompt);
        self.entry.is_secret = is_secret;
        self.show_again(output);
    }

    /// Erases prompt and line from the terminal, if they stand there, to make place for output of
    /// the program. Returns whether they stood there.
    pub(crate) fn hide(&mut self, output: &mut String) -> bool {
        if self.is_shown {
            self.screen.erase(output);
        }
        std::mem::take(&mut self.is_shown)
    }

    /// Shows prompt and line as they were before [`hide`](Self::hide).
    pub(crate) fn show_again(&mut self, output: &mut String) {
        self.is_shown = true;
        self.draw(output);
    }

    /// Reads bytes up to and with the first that causes an event; returns their number. The rest
    /// belongs to the next prompt, or to another input mode, which the owner may set at the event.
    pub(crate) fn advance(&mut self, input: &[u8], output: &mut String) -> (usize, Option<Edited>) {
        for (index, &byte) in input.iter().enumerate() {
            let key = self.keys.advance(byte);
            if let Some(edited) = key.and_then(|key| self.press(key, output)) {
                return (index + 1, Some(edited));
            }
        }
        (input.len(), None)
    }

    /// The part of the line before the cursor, for the owner to complete its last word.
    pub(crate) fn before_cursor(&self) -> &str {
        self.entry.before_cursor()
    }

    /// Completes the last word before the cursor to the longest common beginning of `words`. If the
    /// line has that already, lists the words below it; if there is one word or none, rings the
    /// bell.
    pub(crate) fn complete(&mut self, words: &[String], output: &mut String) {
        let mut common = common_beginning(words).to_owned();
        if words.len() == 1 && self.entry.is_at_end() {
            // There is only one candidate, so the word is complete, and the space begins the
            // next one. Within a line, the rest of the line follows instead.
            common.push(' ');
        }
        if self.entry.complete(&common) {
            self.draw(output);
        } else if words.len() > 1 {
            self.leave(output);
            output.push_str(&words.join("  "));
            output.push('\n');
            self.show_again(output);
        } else {
            output.push(BELL);
        }
    }

    /// The lines that were entered and were not secret, the oldest first.
    pub(crate) fn history(&self) -> impl Iterator<Item = &str> {
        self.history.lines()
    }

    /// Applies a key to the line, and draws what it changed.
    fn press(&mut self, key: Key, output: &mut String) -> Option<Edited> {
        match key {
            Key::Enter => {
                self.history.leave();
                if !self.entry.is_secret {
                    self.history.add(&self.entry.line);
                }
                // Before the line is taken: the terminal goes below all rows of it.
                self.leave(output);
                return Some(Edited::Line(self.entry.take()));
            }
            Key::Control('c') => {
                self.history.leave();
                self.leave(output);
                self.entry.take();
                return Some(Edited::Interrupted);
            }
            // If the line is not empty, Ctrl-D deletes a character: see `Entry::edit`.
            Key::Control('d') if self.entry.line.is_empty() => {
                self.history.leave();
                self.leave(output);
                return Some(Edited::Ended);
            }
            Key::Tab if !self.entry.is_secret => return Some(Edited::Complete),
            Key::Char(character) => self.insert(character, output),
            // The history neither replaces a secret nor keeps it as the unfinished line: for a
            // secret, these keys go to `edit`, which does not know them, and the bell rings.
            Key::Up | Key::Control('p') if !self.entry.is_secret => {
                let line = self.history.older(&self.entry.line);
                self.recall(line, output);
            }
            Key::Down | Key::Control('n') if !self.entry.is_secret => {
                let line = self.history.newer();
                self.recall(line, output);
            }
            Key::Control('l') => {
                // The cursor goes home, and the screen is cleared: the prompt is the top row then.
                output.push_str("\x1b[H\x1b[2J");
                self.draw(output);
            }
            // The guard edits the line; it fails if the key means nothing or had nothing to change.
            _ if self.entry.edit(key) => self.draw(output),
            _ => output.push(BELL),
        }
        None
    }

    fn insert(&mut self, character: char, output: &mut String) {
        if !self.entry.insert(character) {
            output.push(BELL);
        } else if self.entry.is_secret {
            // Nothing is shown, not even a character for each key: that would reveal the length.
        } else if self.entry.is_at_end() {
            // The usual case: one character is sent, and not the whole line.
            self.screen.append(self.entry.view(), character, output);
        } else {
            self.draw(output);
        }
    }

    /// Puts a line of the history in the place of the entry.
    fn recall(&mut self, line: Option<String>, output: &mut String) {
        match line {
            Some(line) => {
                self.entry.replace(line);
                self.draw(output);
            }
            None => output.push(BELL),
        }
    }

    /// Leaves prompt and line on the terminal, with the cursor in the row below them.
    fn leave(&mut self, output: &mut String) {
        self.screen.leave(self.entry.view(), output);
        self.is_shown = false;
    }

    fn draw(&mut self, output: &mut String) {
        self.screen.draw(self.entry.view(), output);
    }
}

/// The longest beginning that all words have in common.
fn common_beginning(words: &[String]) -> &str {
    let Some(first) = words.first() else {
        return "";
    };
    // By characters, so that the slice does not end within one.
    words.iter().fold(first, |common: &str, word| {
        let same = common.chars().zip(word.chars()).take_while(|(a, b)| a == b);
        let length = same.map(|(character, _)| character.len_utf8()).sum();
        &common[..length]
    })
}
