//! `LineInput`: cuts input into lines, which the peer has edited itself.

use crate::error::TelnetError;

/// Cuts data into lines, each ended by CR LF, by LF, or by a CR alone.
#[derive(Debug)]
pub(crate) struct LineInput {
    line: Vec<u8>,
    /// The last line ended with a CR: an LF right behind it belongs to the same line end. Set at
    /// the end of a line, cleared by the next byte.
    after_cr: bool,
    limit: usize,
}

impl Default for LineInput {
    fn default() -> Self {
        Self {
            line: Vec::new(),
            after_cr: false,
            limit: 16 * 1024,
        }
    }
}

impl LineInput {
    pub(crate) fn set_limit(&mut self, bytes: usize) {
        self.limit = bytes;
    }

    /// Takes bytes up to the first end of a line. Returns their number, and the line if it is
    /// complete.
    pub(crate) fn advance(&mut self, input: &[u8]) -> Result<(usize, Option<String>), TelnetError> {
        let Some(first) = input.first() else {
            return Ok((0, None));
        };
        let skipped = usize::from(std::mem::take(&mut self.after_cr) && *first == b'\n');
        let input = &input[skipped..];
        let end = memchr::memchr2(b'\r', b'\n', input);
        let taken = &input[..end.unwrap_or(input.len())];
        // Checked before the bytes are added, so that the line never takes more memory than the
        // limit.
        if self.line.len() + taken.len() > self.limit {
            return Err(TelnetError::LineTooLong { limit: self.limit });
        }
        self.line.extend_from_slice(taken);
        let Some(end) = end else {
            return Ok((skipped + taken.len(), None));
        };
        // The line is given at its CR, without a wait for an LF, which may never come: RFC 854 lets
        // a client end a line with CR NUL, and the framing has removed the NUL.
        self.after_cr = input[end] == b'\r';
        let line = String::from_utf8_lossy(&self.line).into_owned();
        self.line.clear();
        Ok((skipped + end + 1, Some(line)))
    }

    /// Removes the last character, for the command "erase character".
    pub(crate) fn erase_character(&mut self) {
        // Removes bytes up to and with the first one of the character, the only one that is not
        // a continuation byte of UTF-8.
        let is_inside = |byte: u8| byte & 0xc0 == 0x80;
        while self.line.pop().is_some_and(is_inside) {}
    }

    pub(crate) fn erase_line(&mut self) {
        self.line.clear();
    }
}
