//! Unsent output of a connection: bytes, the descriptors that are sent with some of them, and the
//! number of bytes that are answers to input.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use smallvec::SmallVec;

use crate::core::{Core, Spare};
use crate::io::RawStream;
use crate::out_buffer::OutBuffer;

/// Most descriptors that wait to be sent. Bounded, because each of them is open in this process.
pub(super) const MAX_DESCRIPTORS: usize = 64;

#[derive(Default)]
pub(super) struct Output {
    bytes: OutBuffer,
    /// Number of waiting bytes that are not answers to input.
    unprompted: usize,
    /// Number of waiting bytes that were answers when they were last counted.
    counted_answers: usize,
    /// Number of bytes by which a single write was larger than the limit.
    allowance: usize,
    /// Descriptors to be sent. Each has the position in the buffer of the byte with which it is
    /// sent.
    descriptors: Option<Box<Descriptors>>,
}

type Descriptors = VecDeque<(usize, OwnedFd)>;

impl Output {
    #[inline]
    pub(super) fn waiting(&self) -> usize {
        self.bytes.waiting()
    }

    /// Adds `bytes` at the end.
    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8], core: &Core) {
        self.bytes.push(bytes, core);
    }

    /// Adds the content of `bytes` at the end; takes over their memory if the buffer has none.
    pub(super) fn push_buffer(&mut self, bytes: Spare, core: &Core) {
        self.bytes.push_buffer(bytes, core);
    }

    /// The bytes that wait.
    pub(super) fn unsent(&self) -> &[u8] {
        self.bytes.unwritten()
    }

    /// Removes the first `sent` of the waiting bytes, which were sent.
    pub(super) fn mark_sent(&mut self, sent: usize) {
        self.bytes.advance(sent);
    }

    /// Counts `written` of the bytes that were just pushed as bytes that do not answer input.
    pub(super) fn add_unprompted(&mut self, written: usize) {
        self.unprompted += written;
    }

    /// Number of waiting bytes that were written in answer to input. Called between handlers; of
    /// the bytes that the last handler has written, at most `most` count.
    ///
    /// Why at most `most`: a client that starts a large upload when the server greets it writes one
    /// long answer. If all of that counted, the client would not read from a server that sends
    /// everything back, and both sides would wait for each other.
    pub(super) fn answers(&mut self, most: usize) -> usize {
        let answers = self.waiting() - self.unprompted;
        // `counted_answers` is the number of bytes of earlier handlers, so the last handler has
        // written the others.
        let by_handler = answers.saturating_sub(self.counted_answers);
        let excess = by_handler.saturating_sub(most);
        self.unprompted += excess;
        self.counted_answers = answers - excess;
        self.counted_answers
    }

    /// Subtracts `sent` bytes from the counts, in proportion, because it is not stored which bytes
    /// are answers.
    pub(super) fn forget_sent(&mut self, sent: usize) {
        // In 128 bits: the product of two sizes may not fit into 64.
        let (waiting, before) = (self.waiting() as u128, (self.waiting() + sent) as u128);
        let left_of = |count: usize| (count as u128 * waiting / before.max(1)) as usize;
        self.unprompted = left_of(self.unprompted);
        self.counted_answers = left_of(self.counted_answers);
    }

    /// Number of bytes that may wait above the limit, because a single write was larger than it.
    pub(super) fn allowance(&self) -> usize {
        self.allowance
    }

    pub(super) fn set_allowance(&mut self, allowance: usize) {
        self.allowance = allowance;
    }

    /// Number of descriptors that wait.
    pub(super) fn waiting_descriptors(&self) -> usize {
        self.descriptors.as_ref().map_or(0, |waiting| waiting.len())
    }

    /// Adds `descriptor`, to be sent with the byte that is pushed next.
    pub(super) fn push_descriptor(&mut self, descriptor: OwnedFd) {
        let place = self.bytes.end();
        let descriptors = self.descriptors.get_or_insert_default();
        descriptors.push_back((place, descriptor));
    }

    /// Sends as much as `stream` takes, and returns the number of bytes.
    #[inline]
    pub(super) fn send(&mut self, stream: &RawStream) -> io::Result<usize> {
        if self.descriptors.is_some() {
            return self.send_with_descriptors(stream);
        }
        if self.bytes.waiting() == 0 {
            return Ok(0);
        }
        let sent = stream.send(self.bytes.unwritten())?;
        self.bytes.advance(sent);
        Ok(sent)
    }

    /// As [`send`](Self::send), with descriptors. Each system call sends the descriptors of its
    /// first byte, and ends before the next byte that has descriptors.
    #[cold]
    fn send_with_descriptors(&mut self, stream: &RawStream) -> io::Result<usize> {
        let mut all_sent = 0;
        while self.waiting() > 0 {
            let Some(descriptors) = &mut self.descriptors else {
                break;
            };
            let (start, unwritten) = (self.bytes.start(), self.bytes.unwritten());
            let with_first = descriptors.iter().take_while(|(place, _)| *place == start);
            let with_first: SmallVec<[BorrowedFd<'_>; 4]> = with_first
                .map(|(_, descriptor)| descriptor.as_fd())
                .collect();
            // The receiver gets the descriptors with the first byte of a call. So a call ends
            // before the next byte that has descriptors of its own.
            let next = descriptors.get(with_first.len());
            let part = match next {
                Some((place, _)) => &unwritten[..*place - start],
                None => unwritten,
            };
            let sent = if with_first.is_empty() {
                stream.send(part)?
            } else {
                stream.send_with(part, &with_first)?
            };
            // If no byte was taken, no descriptor was taken, either; both are kept.
            if sent == 0 {
                return Ok(all_sent);
            }
            let count = with_first.len();
            drop(with_first);
            // The system sends descriptors with the first byte, even if it takes only that byte.
            // The receiver has copies, so these are closed.
            drop(descriptors.drain(..count));
            if descriptors.is_empty() {
                self.descriptors = None;
            }
            self.bytes.advance(sent);
            all_sent += sent;
        }
        if self.waiting() > 0 {
            all_sent += self.send(stream)?;
        }
        Ok(all_sent)
    }

    /// Frees the memory that is not needed any more. Returns the number of bytes that wait.
    #[inline]
    pub(super) fn tidy(&mut self, core: &Core) -> usize {
        let moved = self.bytes.tidy(core);
        if moved > 0 {
            // Positions of descriptors are offsets into the buffer, whose beginning has moved.
            self.move_descriptors(moved);
        }
        self.waiting()
    }

    #[cold]
    fn move_descriptors(&mut self, moved: usize) {
        for (place, _) in self.descriptors.iter_mut().flat_map(|list| list.iter_mut()) {
            *place -= moved;
        }
    }

    /// Drops all output.
    pub(super) fn discard(self, core: &Core) {
        self.bytes.discard(core);
    }
}
