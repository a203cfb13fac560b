//! `OutBuffer`: bytes to be written, and the number of them that were written already.
//!
//! Its memory comes from the loop's spare buffers, and returns to them as soon as no byte waits, so
//! that an idle connection has no buffer.

use crate::core::{Core, Spare};

/// Number of written bytes from which on the waiting bytes are moved to the front of the buffer, if
/// they are not more than the written ones.
const COMPACT_AT: usize = 64 * 1024;

/// INVARIANT: `written + waiting` is the length of the buffer, or 0 without one.
#[derive(Default)]
#[expect(
    clippy::box_collection,
    reason = "one word is moved to and fro, not three"
)]
pub(crate) struct OutBuffer {
    buffer: Option<Box<Vec<u8>>>,
    /// Number of bytes at the front of the buffer that were written.
    written: usize,
    waiting: usize,
}

impl OutBuffer {
    /// Number of bytes that wait.
    #[inline]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// The bytes that wait.
    #[inline]
    pub(crate) fn unwritten(&self) -> &[u8] {
        match &self.buffer {
            Some(buffer) => &buffer[self.written..],
            None => &[],
        }
    }

    /// Position in the buffer of the byte that is pushed next, until [`tidy`](Self::tidy) moves it.
    pub(crate) fn end(&self) -> usize {
        self.written + self.waiting
    }

    /// Position in the buffer of the first waiting byte.
    pub(crate) fn start(&self) -> usize {
        self.written
    }

    #[inline]
    pub(crate) fn push(&mut self, bytes: &[u8], core: &Core) {
        self.waiting += bytes.len();
        self.buffer
            .get_or_insert_with(|| core.buffers.take_spare())
            .extend_from_slice(bytes);
    }

    /// As [`push`](Self::push), but takes over the memory of `bytes` if the buffer has none.
    pub(crate) fn push_buffer(&mut self, bytes: Spare, core: &Core) {
        if self.buffer.is_none() {
            self.waiting = bytes.len();
            self.buffer = Some(bytes);
        } else {
            self.push(&bytes, core);
            core.buffers.return_spare(bytes);
        }
    }

    /// Records that the first `written` of the waiting bytes were written.
    #[inline]
    pub(crate) fn advance(&mut self, written: usize) {
        self.written += written;
        self.waiting -= written;
    }

    /// Frees memory that is not needed any more. Returns by how many bytes the waiting bytes were
    /// moved to the front: the caller subtracts this from the positions of waiting bytes that it
    /// keeps. If no byte waits, no such position is left, and the result is 0.
    #[inline]
    pub(crate) fn tidy(&mut self, core: &Core) -> usize {
        if self.waiting == 0 {
            self.written = 0;
            if let Some(buffer) = self.buffer.take() {
                // An idle connection keeps no buffer: the loop lends it to the next connection that
                // writes.
                core.buffers.return_spare(buffer);
            }
            return 0;
        }
        self.compact()
    }

    #[cold]
    fn compact(&mut self) -> usize {
        // Moving copies `waiting` bytes. So this is done only if at least as many bytes were
        // written since the last move, which makes one copy of each byte on average, and not for
        // few bytes.
        if self.written < COMPACT_AT || self.written < self.waiting {
            return 0;
        }
        let written = std::mem::take(&mut self.written);
        if let Some(buffer) = &mut self.buffer {
            buffer.drain(..written);
        }
        written
    }

    /// Drops the waiting bytes.
    pub(crate) fn discard(self, core: &Core) {
        if let Some(buffer) = self.buffer {
            core.buffers.return_spare(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{COMPACT_AT, OutBuffer};

    /// Makes a buffer with memory of the test, so that no loop is needed.
    impl OutBuffer {
        fn of(bytes: Vec<u8>) -> Self {
            Self {
                waiting: bytes.len(),
                written: 0,
                buffer: Some(Box::new(bytes)),
            }
        }
    }

    fn numbered(length: usize) -> Vec<u8> {
        (0..length).map(|n| n as u8).collect()
    }

    #[test]
    fn an_empty_buffer_has_no_memory() {
        let empty = OutBuffer::default();
        assert_eq!((empty.waiting(), empty.start(), empty.end()), (0, 0, 0));
        assert!(empty.unwritten().is_empty() && empty.buffer.is_none());
    }

    #[test]
    fn what_is_written_is_behind_the_cursor() {
        let mut out = OutBuffer::of(b"hello world".to_vec());
        out.advance(6);
        assert_eq!(out.unwritten(), b"world");
        assert_eq!((out.waiting(), out.start(), out.end()), (5, 6, 11));
        out.advance(5);
        assert_eq!((out.waiting(), out.unwritten().len()), (0, 0));
    }

    #[test]
    fn the_rest_moves_to_the_front_when_most_is_written_and_it_pays() {
        let bytes = numbered(3 * COMPACT_AT);
        let mut out = OutBuffer::of(bytes.clone());
        out.advance(COMPACT_AT);
        assert_eq!(out.compact(), 0, "more waits than is written");
        out.advance(COMPACT_AT);
        assert_eq!(out.compact(), 2 * COMPACT_AT);
        assert_eq!(out.unwritten(), &bytes[2 * COMPACT_AT..]);
        assert_eq!((out.start(), out.end()), (0, COMPACT_AT));
        out.advance(COMPACT_AT - 1);
        assert_eq!(out.compact(), 0, "too little is written");
        assert_eq!(out.unwritten(), &bytes[3 * COMPACT_AT - 1..]);
    }
}
