//! `Screen`: draws the prompt and the line on a terminal. It remembers the row of the cursor and
//! nothing else of what the terminal shows, so each change but an appended character draws the
//! whole line anew.

use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The prompt and the line that are drawn, and the cursor in them.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) prompt: &'a str,
    pub(super) line: &'a str,
    /// Offset in `line`, in bytes.
    pub(super) cursor: usize,
}

#[derive(Debug)]
pub(super) struct Screen {
    columns: usize,
    /// Rows between the first row of the prompt and that of the cursor: 0 if both are in one.
    row: usize,
}

impl Default for Screen {
    fn default() -> Self {
        Self {
            columns: 80,
            row: 0,
        }
    }
}

impl Screen {
    pub(super) fn set_columns(&mut self, columns: usize) {
        // A character may be two columns wide, and a terminal may claim to have none.
        self.columns = columns.max(2);
    }

    /// Erases prompt and line, and draws them again from the row of the prompt.
    pub(super) fn draw(&mut self, view: View<'_>, output: &mut String) {
        self.erase(output);
        output.push_str(view.prompt);
        output.push_str(view.line);
        let before = view.prompt.width() + view.line[..view.cursor].width();
        let total = before + view.line[view.cursor..].width();
        if total > 0 && total.is_multiple_of(self.columns) {
            // The cursor waits behind the last column until something is written: this takes it
            // to the next row, on every terminal.
            output.push_str(" \r");
        }
        // All of it is written, so the cursor is at its end: back to its place, by rows and
        // columns.
        let (last_row, row) = (total / self.columns, before / self.columns);
        if last_row > row {
            // Writing to a `String` does not fail, here and below.
            let _ = write!(output, "\x1b[{}A", last_row - row);
        }
        if before < total {
            output.push('\r');
            let column = before % self.columns;
            if column > 0 {
                let _ = write!(output, "\x1b[{column}C");
            }
        }
        self.row = row;
    }

    /// Shows a character that was appended to the line, with the cursor behind it: writes that
    /// character alone, if it needs no more.
    pub(super) fn append(&mut self, view: View<'_>, character: char, output: &mut String) {
        let total = view.prompt.width() + view.line.width();
        let width = character.width().unwrap_or(0);
        // A mark that combines with the character before it (width 0), and a character that reaches
        // or crosses the edge of the terminal, need the whole drawn.
        if width == 0 || total % self.columns < width {
            return self.draw(view, output);
        }
        output.push(character);
        self.row = total / self.columns;
    }

    /// Erases prompt and line, with all below; the cursor is where the prompt began.
    pub(super) fn erase(&mut self, output: &mut String) {
        if self.row > 0 {
            let _ = write!(output, "\x1b[{}A", self.row);
        }
        output.push_str("\r\x1b[J");
        self.row = 0;
    }

    /// Puts the cursor into the row below the line, which stays on the terminal.
    pub(super) fn leave(&mut self, view: View<'_>, output: &mut String) {
        let end = View {
            cursor: view.line.len(),
            ..view
        };
        if view.cursor < view.line.len() {
            self.draw(end, output);
        }
        output.push('\n');
        self.row = 0;
    }
}
