//! `Keys`: decodes the bytes that a terminal sends into keys.

use std::fmt;

use vte::{Params, Parser, Perform};

/// A key. Keys with the same effect share a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Char(char),
    Enter,
    Tab,
    Backspace,
    Delete,
    Left,
    Right,
    WordLeft,
    WordRight,
    Up,
    Down,
    Home,
    End,
    /// A letter with Ctrl, given in lower case.
    Control(char),
}

/// Parser of the bytes of a terminal. Escape sequences and characters of several bytes may be
/// cut anywhere.
pub(crate) struct Keys {
    parser: Parser,
    found: Found,
}

#[derive(Default)]
struct Found {
    key: Option<Key>,
    /// Set by a CR and cleared by the next key: an LF right behind the CR is the same Enter, as
    /// some clients send both.
    after_cr: bool,
    /// Set by `ESC O`, the beginning of a function key, and cleared by the next event of the
    /// parser: a letter, which it reports as a character, completes the key; anything else means
    /// that there is no such key.
    is_single_shift: bool,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            parser: Parser::new(),
            found: Found::default(),
        }
    }
}

impl Keys {
    /// Reads a byte; returns the key, if this byte completes one.
    pub(crate) fn advance(&mut self, byte: u8) -> Option<Key> {
        self.parser.advance(&mut self.found, &[byte]);
        self.found.key.take()
    }
}

impl Found {
    fn key(&mut self, key: Key) {
        self.after_cr = false;
        self.key = Some(key);
    }

    /// The key whose escape sequence ends with `letter`. `has_modifier`: Ctrl, Alt or Shift is
    /// held, with which the arrows to the left and right move by words.
    fn function_key(&mut self, letter: char, has_modifier: bool) {
        let key = match letter {
            'A' => Key::Up,
            'B' => Key::Down,
            'C' if has_modifier => Key::WordRight,
            'D' if has_modifier => Key::WordLeft,
            'C' => Key::Right,
            'D' => Key::Left,
            'H' => Key::Home,
            'F' => Key::End,
            _ => return,
        };
        self.key(key);
    }
}

impl Perform for Found {
    fn print(&mut self, c: char) {
        if std::mem::take(&mut self.is_single_shift) {
            self.function_key(c, false);
        } else if c == '\u{7f}' {
            self.key(Key::Backspace);
        } else {
            self.key(Key::Char(c));
        }
    }

    fn execute(&mut self, byte: u8) {
        self.is_single_shift = false;
        match byte {
            b'\r' => {
                self.key(Key::Enter);
                self.after_cr = true;
            }
            b'\n' if std::mem::take(&mut self.after_cr) => {}
            b'\n' => self.key(Key::Enter),
            b'\t' => self.key(Key::Tab),
            0x08 | 0x7f => self.key(Key::Backspace),
            // After the arms above, which are Ctrl-M, Ctrl-J, Ctrl-I and Ctrl-H by their codes.
            1..=26 => self.key(Key::Control(char::from(byte - 1 + b'a'))),
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, params: &Params, _: &[u8], ignore: bool, action: char) {
        self.is_single_shift = false;
        if ignore {
            return;
        }
        let mut numbers = params
            .iter()
            .map(|param| param.first().copied().unwrap_or(0));
        let (first, modifier) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        match (action, first) {
            // 1 and 4 are Home and End of the VT220 and the Linux console, 7 and 8 those of rxvt.
            ('~', 1 | 7) => self.key(Key::Home),
            ('~', 3) => self.key(Key::Delete),
            ('~', 4 | 8) => self.key(Key::End),
            ('~', _) => {}
            // xterm sends the modifiers as the second number, as one plus a bit for each: 1 is
            // none.
            (letter, _) => self.function_key(letter, modifier > 1),
        }
    }

    fn esc_dispatch(&mut self, intermediates: &[u8], _: bool, byte: u8) {
        self.is_single_shift = matches!((intermediates, byte), ([], b'O'));
        match (intermediates, byte) {
            // Alt with a letter comes as ESC and the letter. Readline moves by words with these
            // two.
            ([], b'b') => self.key(Key::WordLeft),
            ([], b'f') => self.key(Key::WordRight),
            _ => {}
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}
