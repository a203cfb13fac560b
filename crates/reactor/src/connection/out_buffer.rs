//! What is to be sent: bytes, and descriptors that go with some of them.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use smallvec::SmallVec;

use crate::core::Core;
use crate::wire::Wire;

/// What was sent is cut off the front of the buffer when it is so much, and half of
/// the buffer: so that each byte is moved once at the most.
const COMPACT_AT: usize = 64 * 1024;

#[derive(Default)]
pub(super) struct OutBuffer {
    bytes: Vec<u8>,
    /// So many of `bytes`, at the front, are sent.
    sent: usize,
    /// The system took less than there was: it will say when it takes more.
    pub(super) is_stuck: bool,
    /// Each goes with the byte at this place.
    descriptors: Option<Box<Descriptors>>,
}

type Descriptors = VecDeque<(usize, OwnedFd)>;

impl OutBuffer {
    #[inline]
    pub(super) fn waiting(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Adds `bytes` at the end.
    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8], core: &Core) {
        if self.bytes.capacity() == 0 && !bytes.is_empty() {
            self.bytes = core.buffers.take_spare();
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// `descriptor` goes with the byte that is added next.
    pub(super) fn push_descriptor(&mut self, descriptor: OwnedFd) {
        let place = self.bytes.len();
        let descriptors = self.descriptors.get_or_insert_default();
        descriptors.push_back((place, descriptor));
    }

    /// Sends what `wire` takes; gives how much that was.
    #[inline]
    pub(super) fn send(&mut self, wire: &Wire) -> io::Result<usize> {
        if self.descriptors.is_some() {
            return self.send_with_descriptors(wire);
        }
        let sent = wire.send(&self.bytes[self.sent..])?;
        self.sent += sent;
        Ok(sent)
    }

    /// As above. What goes in one call begins with those descriptors that go with
    /// the first byte, and ends before the next one that has some.
    #[cold]
    fn send_with_descriptors(&mut self, wire: &Wire) -> io::Result<usize> {
        let mut all_sent = 0;
        while self.waiting() > 0 {
            let Some(descriptors) = self.descriptors.as_mut() else {
                break;
            };
            let with_first = descriptors
                .iter()
                .take_while(|(place, _)| *place == self.sent);
            let with_first: SmallVec<[BorrowedFd<'_>; 4]> = with_first
                .map(|(_, descriptor)| descriptor.as_fd())
                .collect();
            let next = descriptors.get(with_first.len());
            let until = next.map_or(self.bytes.len(), |(place, _)| *place);
            let part = &self.bytes[self.sent..until];
            let sent = if with_first.is_empty() {
                wire.send(part)?
            } else {
                wire.send_with(part, &with_first)?
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
            all_sent += sent;
        }
        if self.waiting() > 0 {
            all_sent += self.send(wire)?;
        }
        Ok(all_sent)
    }

    /// Gives back the room that is not needed any more.
    #[inline]
    pub(super) fn tidy(&mut self, core: &Core) {
        if self.waiting() == 0 {
            self.sent = 0;
            core.buffers.return_spare(std::mem::take(&mut self.bytes));
        } else if self.sent >= COMPACT_AT && self.sent >= self.waiting() {
            let sent = std::mem::take(&mut self.sent);
            self.bytes.drain(..sent);
            for (place, _) in self.descriptors.iter_mut().flat_map(|list| list.iter_mut()) {
                *place -= sent;
            }
        }
    }

    /// Forgets what waits.
    pub(super) fn discard(mut self, core: &Core) {
        core.buffers.return_spare(std::mem::take(&mut self.bytes));
    }
}
