//! `History`: the lines that were entered before.

use std::collections::VecDeque;

/// Lines that are kept.
const MOST: usize = 200;

#[derive(Debug, Default)]
pub(super) struct History {
    lines: VecDeque<String>,
    /// How many lines back the one is that is shown; 0 is the one that is being entered.
    back: usize,
    /// What was being entered when the first older line was asked for.
    entered: String,
}

impl History {
    /// Adds a line, unless it is empty or the last one again.
    pub(super) fn add(&mut self, line: &str) {
        self.back = 0;
        if line.trim().is_empty() || self.lines.back().is_some_and(|last| last == line) {
            return;
        }
        if self.lines.len() == MOST {
            self.lines.pop_front();
        }
        self.lines.push_back(line.to_owned());
    }

    /// The line before the one that is shown.
    pub(super) fn older(&mut self, shown: &str) -> Option<String> {
        let index = self.lines.len().checked_sub(self.back + 1)?;
        if self.back == 0 {
            shown.clone_into(&mut self.entered);
        }
        self.back += 1;
        self.lines.get(index).cloned()
    }

    /// The line after the one that is shown.
    pub(super) fn newer(&mut self) -> Option<String> {
        self.back = self.back.checked_sub(1)?;
        if self.back == 0 {
            return Some(std::mem::take(&mut self.entered));
        }
        self.lines.get(self.lines.len() - self.back).cloned()
    }

    /// The oldest first.
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }
}
