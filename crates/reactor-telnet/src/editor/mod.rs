//! `Editor`: edits a line on the peer's terminal, key by key.

mod entry;
mod history;
mod keys;
mod screen;

use self::entry::Entry;
use self::history::History;
use self::keys::{Key, Keys};
use self::screen::Screen;

/// What the keys of a peer lead to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Edited {
    /// A line was entered.
    Line(String),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D with nothing entered.
    Ended,
    /// Tab: the words that the one before the cursor may become are asked for.
    Complete,
}

/// The line that is being entered, and the terminal on which it is.
#[derive(Debug, Default)]
pub(crate) struct Editor {
    keys: Keys,
    screen: Screen,
    history: History,
    entry: Entry,
    /// Whether prompt and line stand on the terminal. Set by the `show` methods; cleared by `hide`
    /// and when a line is entered, until the next prompt: keys are not taken in between.
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

    /// Takes prompt and line off the terminal, for output that comes in between; gives whether
    /// they stood there.
    pub(crate) fn hide(&mut self, output: &mut String) -> bool {
        if self.is_shown {
            self.screen.erase(output);
        }
        std::mem::take(&mut self.is_shown)
    }

    /// Shows them as they were.
    pub(crate) fn show_again(&mut self, output: &mut String) {
        self.is_shown = true;
        self.draw(output);
    }

    /// Takes bytes up to the first that leads to something; gives how many these are.
    pub(crate) fn advance(&mut self, input: &[u8], output: &mut String) -> (usize, Option<Edited>) {
        for (index, &byte) in input.iter().enumerate() {
            let key = self.keys.advance(byte);
            if let Some(edited) = key.and_then(|key| self.press(key, output)) {
                return (index + 1, Some(edited));
            }
        }
        (input.len(), None)
    }

    /// What stands before the cursor, which is to be completed.
    pub(crate) fn before_cursor(&self) -> &str {
        self.entry.before_cursor()
    }

    /// Completes the last word before the cursor by all that `words` have in common. If that is
    /// no more than stands there, the words are listed.
    pub(crate) fn complete(&mut self, words: &[String], output: &mut String) {
        let mut common = common_beginning(words).to_owned();
        if words.len() == 1 && self.entry.is_at_end() {
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

    /// The lines that were entered, the oldest first.
    pub(crate) fn history(&self) -> impl Iterator<Item = &str> {
        self.history.lines()
    }

    fn press(&mut self, key: Key, output: &mut String) -> Option<Edited> {
        match key {
            Key::Enter => {
                if !self.entry.is_secret {
                    self.history.add(&self.entry.line);
                }
                self.leave(output);
                return Some(Edited::Line(self.entry.take()));
            }
            Key::Control('c') => {
                self.leave(output);
                self.entry.take();
                return Some(Edited::Interrupted);
            }
            Key::Control('d') if self.entry.line.is_empty() => {
                self.leave(output);
                return Some(Edited::Ended);
            }
            Key::Tab if !self.entry.is_secret => return Some(Edited::Complete),
            Key::Char(character) => self.insert(character, output),
            Key::Up | Key::Control('p') => {
                let line = self.history.older(&self.entry.line);
                self.recall(line, output);
            }
            Key::Down | Key::Control('n') => {
                let line = self.history.newer();
                self.recall(line, output);
            }
            Key::Control('l') => {
                output.push_str("\x1b[H\x1b[2J");
                self.draw(output);
            }
            _ if self.entry.edit(key) => self.draw(output),
            _ => output.push(BELL),
        }
        None
    }

    fn insert(&mut self, character: char, output: &mut String) {
        if !self.entry.insert(character) {
            output.push(BELL);
        } else if self.entry.is_secret {
            // Not even how long it is.
        } else if self.entry.is_at_end() {
            self.screen.append(self.entry.view(), character, output);
        } else {
            self.draw(output);
        }
    }

    fn recall(&mut self, line: Option<String>, output: &mut String) {
        match line {
            Some(line) if !self.entry.is_secret => {
                self.entry.replace(line);
                self.draw(output);
            }
            _ => output.push(BELL),
        }
    }

    /// Goes to the row below the line, which stays.
    fn leave(&mut self, output: &mut String) {
        self.screen.leave(self.entry.view(), output);
        self.is_shown = false;
    }

    fn draw(&mut self, output: &mut String) {
        self.screen.draw(self.entry.view(), output);
    }
}

/// What all words begin with.
fn common_beginning(words: &[String]) -> &str {
    let Some(first) = words.first() else {
        return "";
    };
    words.iter().fold(first, |common: &str, word| {
        let same = common.chars().zip(word.chars()).take_while(|(a, b)| a == b);
        let length = same.map(|(character, _)| character.len_utf8()).sum();
        &common[..length]
    })
}
