//! `History`: the lines that were entered, and the position of the one that is shown.

use std::collections::VecDeque;

/// Most lines that are kept; then the oldest one is removed for each new one.
const MOST: usize = 200;

#[derive(Debug, Default)]
pub(super) struct History {
    lines: VecDeque<String>,
    /// Number of lines from the newest back to the one that is shown: 1 is the newest, 0 the line
    /// that is being entered. `leave` resets it to 0.
    back: usize,
    /// The unfinished line, kept while an older one is shown in its place.
    entered: String,
}

impl History {
    /// Adds a line, unless it is empty or the last one again.
    pub(super) fn add(&mut self, line: &str) {
        if line.trim().is_empty() || self.lines.back().is_some_and(|last| last == line) {
            return;
        }
        if self.lines.len() == MOST {
            self.lines.pop_front();
        }
        self.lines.push_back(line.to_owned());
    }

    /// Goes back to the line that is being entered, and forgets its saved text: the line was
    /// entered or given up.
    pub(super) fn leave(&mut self) {
        self.back = 0;
        self.entered.clear();
    }

    /// Goes one line back and returns that; `None` at the oldest. `shown` is the line on the
    /// terminal, which is kept if it is the unfinished one.
    pub(super) fn older(&mut self, shown: &str) -> Option<String> {
        let index = self.lines.len().checked_sub(self.back + 1)?;
        if self.back == 0 {
            // Only from the unfinished line: a line of the history that was edited on the way is
            // not kept.
            shown.clone_into(&mut self.entered);
        }
        self.back += 1;
        self.lines.get(index).cloned()
    }

    /// Goes one line forward and returns that line: after the newest one, the unfinished one, and
    /// after that `None`.
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
