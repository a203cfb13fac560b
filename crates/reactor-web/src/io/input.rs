//! `Input`: what has arrived and was not read.

use std::io;

use reactor::ConnectionClosed;

/// Bound of the input that was not read yet.
const CAPACITY: usize = 64 * 1024;

/// Size of a buffer that is kept when it is empty: that of a usual request or answer.
pub(super) const KEPT: usize = 4 * 1024;

/// Input that has arrived.
#[derive(Default)]
pub(super) struct Input {
    bytes: Vec<u8>,
    /// The first of them were read.
    read: usize,
    /// Whether the connection is not read from, since so much waits here.
    is_paused: bool,
    pub(super) end: Option<End>,
}

/// Why nothing more comes.
pub(super) enum End {
    /// The peer has finished sending.
    Finished,
    /// The connection is over.
    Lost(ConnectionClosed),
}

impl Input {
    /// Adds `data`; returns whether the connection is to be paused.
    pub(super) fn push(&mut self, data: &[u8]) -> bool {
        // Reused only when all was read, so that nothing is moved. What is unread at that time is
        // at most the bound and one read, so the buffer does not grow without end.
        if self.read == self.bytes.len() {
            self.bytes.clear();
            self.read = 0;
        }
        self.bytes.extend_from_slice(data);
        let is_full = self.bytes.len() - self.read >= CAPACITY;
        self.is_paused |= is_full;
        is_full
    }

    /// Puts `bytes` before what was not read.
    pub(super) fn give_back(&mut self, bytes: &[u8]) {
        // In place of what was read, which hyper has copied.
        self.bytes.splice(..self.read, bytes.iter().copied());
        self.read = 0;
    }

    /// Takes what was not read.
    pub(super) fn take_unread(&mut self) -> Vec<u8> {
        // The buffer itself goes to the next protocol, and this `Io` reads no more.
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.drain(..std::mem::take(&mut self.read));
        bytes
    }

    pub(super) fn end(&mut self) {
        // A loss that came before stays.
        self.end.get_or_insert(End::Finished);
    }

    pub(super) fn lose(&mut self, reason: ConnectionClosed) {
        self.end = match (self.end.take(), reason) {
            // Both sides have finished: what was an end stays one.
            (Some(End::Finished), ConnectionClosed::Done) => Some(End::Finished),
            (_, reason) => Some(End::Lost(reason)),
        };
    }

    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes[self.read..]
    }

    pub(super) fn is_lost(&self) -> bool {
        matches!(self.end, Some(End::Lost(_)))
    }

    /// Why a write is refused.
    pub(super) fn write_error(&self) -> io::Error {
        match &self.end {
            Some(End::Lost(ConnectionClosed::Lost(error))) => {
                // `io::Error` is not `Clone`, and each read and write gets one.
                io::Error::new(error.kind(), error.to_string())
            }
            Some(End::Lost(reason)) => {
                io::Error::new(io::ErrorKind::NotConnected, reason.to_string())
            }
            Some(End::Finished) | None => io::ErrorKind::BrokenPipe.into(),
        }
    }

    /// Takes `count` bytes; returns whether the connection is to be resumed.
    pub(super) fn consume(&mut self, count: usize) -> bool {
        self.read += count.min(self.bytes.len() - self.read);
        if self.read == self.bytes.len() && self.bytes.capacity() > KEPT {
            // The next input is likely to be small, and an idle connection keeps this.
            self.bytes = Vec::new();
            self.read = 0;
        }
        // At half of the bound, so that a slow reader does not pause and resume for each piece.
        let resumes = self.is_paused && self.bytes.len() - self.read <= CAPACITY / 2;
        self.is_paused &= !resumes;
        resumes
    }
}
