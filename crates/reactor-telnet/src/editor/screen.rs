//! `Screen`: draws the prompt and the line on a terminal, whose only known state is where the
//! cursor is.

use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What is drawn.
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
    /// Rows from that of the prompt down to that of the cursor.
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
        self.columns = columns.max(2);
    }

    /// Draws the whole anew, from the row of the prompt.
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
        let (last_row, row) = (total / self.columns, before / self.columns);
        if last_row > row {
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

    /// A character was appended to the line, with the cursor behind it.
    pub(super) fn append(&mut self, view: View<'_>, character: char, output: &mut String) {
        let total = view.prompt.width() + view.line.width();
        let width = character.width().unwrap_or(0);
        // At the edge of the terminal, and for what combines with the character before it, the
        // whole is drawn.
        if width == 0 || total % self.columns < width {
            return self.draw(view, output);
        }
        output.push(character);
        self.row = total / self.columns;
    }

    /// Takes prompt and line off the terminal; the cursor is where the prompt was.
    pub(super) fn erase(&mut self, output: &mut String) {
        if self.row > 0 {
            let _ = write!(output, "\x1b[{}A", self.row);
        }
        output.push_str("\r\x1b[J");
        self.row = 0;
    }

    /// Leaves the line as it is; what follows begins below it.
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
