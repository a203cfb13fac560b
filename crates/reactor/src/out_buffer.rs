//! `OutBuffer`: bytes that wait to be written, and how many of them were.
//!
//! Its memory comes from the loop's spare buffers and goes back to them as soon as nothing
//! waits, so that what is idle has none.

use crate::core::{Core, Spare};

/// From this many written bytes on, the bytes that wait are moved to the front of the buffer,
/// if they are fewer: so each byte is moved once at most.
const COMPACT_AT: usize = 64 * 1024;

/// INVARIANT: `written + waiting` is the length of the buffer, or 0 without one.
#[derive(Default)]
#[expect(
    clippy::box_collection,
    reason = "one word is moved to and fro, not three"
)]
pub(crate) struct OutBuffer {
    buffer: Option<Box<Vec<u8>>>,
    /// How many bytes at the front of the buffer are written.
    written: usize,
    waiting: usize,
}

impl OutBuffer {
    /// How many bytes wait.
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

    /// Where in the buffer the byte goes that is pushed next.
    pub(crate) fn end(&self) -> usize {
        self.written + self.waiting
    }

    /// Where in the buffer the first byte is that waits.
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

    /// As [`push`](Self::push), and takes the memory of `bytes` if none is in use.
    pub(crate) fn push_buffer(&mut self, bytes: Spare, core: &Core) {
        if self.buffer.is_none() {
            self.waiting = bytes.len();
            self.buffer = Some(bytes);
        } else {
            self.push(&bytes, core);
            core.buffers.return_spare(bytes);
        }
    }

    /// The first `written` bytes that wait are written.
    #[inline]
    pub(crate) fn advance(&mut self, written: usize) {
        self.written += written;
        self.waiting -= written;
    }

    /// Gives back memory that is not needed any more. Gives by how much the bytes that wait
    /// have moved to the front.
    #[inline]
    pub(crate) fn tidy(&mut self, core: &Core) -> usize {
        if self.waiting == 0 {
            self.written = 0;
            if let Some(buffer) = self.buffer.take() {
                // An idle connection keeps no buffer: the loop lends it to the next one that
                // writes.
                core.buffers.return_spare(buffer);
            }
            return 0;
        }
        self.compact()
    }

    #[cold]
    fn compact(&mut self) -> usize {
        // Moving costs `waiting` bytes: only if at least as many were written since the last move,
        // so that each byte is moved once on average, and not for a few bytes.
        if self.written < COMPACT_AT || self.written < self.waiting {
            return 0;
        }
        let written = std::mem::take(&mut self.written);
        if let Some(buffer) = &mut self.buffer {
            buffer.drain(..written);
        }
        written
    }

    /// Forgets what waits.
    pub(crate) fn discard(self, core: &Core) {
        if let Some(buffer) = self.buffer {
            core.buffers.return_spare(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{COMPACT_AT, OutBuffer};

    /// With memory that is the test's, so that no loop is needed.
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
