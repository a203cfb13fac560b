//! What is to be sent: bytes, and descriptors that go with some of them.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use smallvec::SmallVec;

use crate::core::{Core, Spare};
use crate::io::RawStream;

/// What was sent is cut off the front of the buffer when it is so much, and half of
/// the buffer: so that each byte is moved once at the most.
const COMPACT_AT: usize = 64 * 1024;

/// So many descriptors may wait: each of them is one that this process has open.
pub(super) const MAX_DESCRIPTORS: usize = 64;

#[derive(Default)]
#[expect(
    clippy::box_collection,
    reason = "one word is moved to and fro, not three"
)]
pub(super) struct OutBuffer {
    /// Borrowed from the loop while there is something in it.
    buffer: Option<Box<Vec<u8>>>,
    /// So many bytes, at the front, are sent.
    sent: usize,
    /// So many wait behind them.
    waiting: usize,
    /// So many of those that wait were not written in answer to input.
    unprompted: usize,
    /// So many answers waited when they were last counted.
    counted_answers: usize,
    /// By so much a single write was larger than the limit.
    allowance: usize,
    /// Each goes with the byte at this place.
    descriptors: Option<Box<Descriptors>>,
}

type Descriptors = VecDeque<(usize, OwnedFd)>;

impl OutBuffer {
    #[inline]
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Adds `bytes` at the end.
    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8], core: &Core) {
        self.waiting += bytes.len();
        self.buffer
            .get_or_insert_with(|| core.buffers.take_spare())
            .extend_from_slice(bytes);
    }

    /// Adds what is in `bytes` at the end, and the room for it if none is in use.
    pub(super) fn push_buffer(&mut self, bytes: Spare, core: &Core) {
        if self.buffer.is_none() {
            self.waiting = bytes.len();
            self.buffer = Some(bytes);
        } else {
            self.push(&bytes, core);
            core.buffers.return_spare(bytes);
        }
    }

    /// What waits.
    pub(super) fn unsent(&self) -> &[u8] {
        self.buffer
            .as_ref()
            .map_or(&[], |buffer| &buffer[self.sent..])
    }

    /// Notes that the first `sent` bytes of what waits do so no more.
    pub(super) fn mark_sent(&mut self, sent: usize) {
        self.sent += sent;
        self.waiting -= sent;
    }

    /// Counts so many of the bytes that were just added as not written in answer to input.
    pub(super) fn add_unprompted(&mut self, written: usize) {
        self.unprompted += written;
    }

    /// How many bytes wait that were written in answer to input. Called between handlers: of
    /// what the last one has written, no more than `most` counts.
    ///
    /// An upload that is begun by the peer's greeting is one long answer. If it counted as
    /// such, a peer that sends everything back could not be read from, and both sides
    /// would wait for each other.
    pub(super) fn answers(&mut self, most: usize) -> usize {
        let answers = self.waiting - self.unprompted;
        let by_handler = answers.saturating_sub(self.counted_answers);
        let excess = by_handler.saturating_sub(most);
        self.unprompted += excess;
        self.counted_answers = answers - excess;
        self.counted_answers
    }

    /// Counts no longer those that were `sent`: answers and others in proportion, since which
    /// byte was written why is not kept.
    pub(super) fn forget_sent(&mut self, sent: usize) {
        let (waiting, before) = (self.waiting as u128, (self.waiting + sent) as u128);
        let left_of = |count: usize| (count as u128 * waiting / before.max(1)) as usize;
        self.unprompted = left_of(self.unprompted);
        self.counted_answers = left_of(self.counted_answers);
    }

    /// How much more than usual may wait, after a single write that was larger than the limit.
    pub(super) fn allowance(&self) -> usize {
        self.allowance
    }

    pub(super) fn set_allowance(&mut self, allowance: usize) {
        self.allowance = allowance;
    }

    /// How many descriptors wait.
    pub(super) fn waiting_descriptors(&self) -> usize {
        self.descriptors.as_ref().map_or(0, |waiting| waiting.len())
    }

    /// `descriptor` goes with the byte that is added next.
    pub(super) fn push_descriptor(&mut self, descriptor: OwnedFd) {
        let place = self.sent + self.waiting;
        let descriptors = self.descriptors.get_or_insert_default();
        descriptors.push_back((place, descriptor));
    }

    /// Sends what `stream` takes; gives how much that was.
    #[inline]
    pub(super) fn send(&mut self, stream: &RawStream) -> io::Result<usize> {
        if self.descriptors.is_some() {
            return self.send_with_descriptors(stream);
        }
        let Some(buffer) = &self.buffer else {
            return Ok(0);
        };
        let sent = stream.send(&buffer[self.sent..])?;
        self.sent += sent;
        self.waiting -= sent;
        Ok(sent)
    }

    /// As above. What goes in one call begins with those descriptors that go with
    /// the first byte, and ends before the next one that has some.
    #[cold]
    fn send_with_descriptors(&mut self, stream: &RawStream) -> io::Result<usize> {
        let mut all_sent = 0;
        while self.waiting() > 0 {
            let (Some(descriptors), Some(buffer)) = (&mut self.descriptors, &self.buffer) else {
                break;
            };
            let with_first = descriptors
                .iter()
                .take_while(|(place, _)| *place == self.sent);
            let with_first: SmallVec<[BorrowedFd<'_>; 4]> = with_first
                .map(|(_, descriptor)| descriptor.as_fd())
                .collect();
            let next = descriptors.get(with_first.len());
            let until = next.map_or(buffer.len(), |(place, _)| *place);
            let part = &buffer[self.sent..until];
            let sent = if with_first.is_empty() {
                stream.send(part)?
            } else {
                stream.send_with(part, &with_first)?
            };
            if sent == 0 {
                return Ok(all_sent);
            }
            let count = with_first.len();
            drop(with_first);
            drop(descriptors.drain(..count));
            if descriptors.is_empty() {
                self.descriptors = None;
            }
            self.sent += sent;
            self.waiting -= sent;
            all_sent += sent;
        }
        if self.waiting() > 0 {
            all_sent += self.send(stream)?;
        }
        Ok(all_sent)
    }

    /// Gives back the room that is not needed any more, and how much waits.
    #[inline]
    pub(super) fn tidy(&mut self, core: &Core) -> usize {
        if self.waiting == 0 {
            self.sent = 0;
            if let Some(buffer) = self.buffer.take() {
                core.buffers.return_spare(buffer);
            }
        } else if self.sent >= COMPACT_AT && self.sent >= self.waiting {
            self.compact();
        }
        self.waiting
    }

    #[cold]
    fn compact(&mut self) {
        let sent = std::mem::take(&mut self.sent);
        if let Some(buffer) = &mut self.buffer {
            buffer.drain(..sent);
        }
        for (place, _) in self.descriptors.iter_mut().flat_map(|list| list.iter_mut()) {
            *place -= sent;
        }
    }

    /// Forgets what waits.
    pub(super) fn discard(mut self, core: &Core) {
        if let Some(buffer) = self.buffer.take() {
            core.buffers.return_spare(buffer);
        }
    }
}
