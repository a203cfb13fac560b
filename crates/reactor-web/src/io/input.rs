//! `Input`: the bytes that have arrived and that hyper has not read yet, and how they end.

use std::io;

use reactor::ConnectionClosed;

/// Number of unread bytes from which on the connection does not read from the socket.
const CAPACITY: usize = 64 * 1024;

/// Largest capacity with which an empty buffer is kept: most requests and answers fit, and an idle
/// connection stays small.
pub(super) const KEPT: usize = 4 * 1024;

/// Input that has arrived.
#[derive(Default)]
pub(super) struct Input {
    bytes: Vec<u8>,
    /// Number of bytes at the front of `bytes` that were read.
    read: usize,
    /// Whether reading from the socket is paused. Set by `push` at `CAPACITY`, cleared by `consume`
    /// at half of it.
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
    /// Adds `data`; returns whether the caller must pause reading.
    pub(super) fn push(&mut self, data: &[u8]) -> bool {
        // The buffer begins again only when all of it was read, so that no bytes are moved.
        if self.read == self.bytes.len() {
            self.bytes.clear();
            self.read = 0;
        }
        self.bytes.extend_from_slice(data);
        let is_full = self.bytes.len() - self.read >= CAPACITY;
        self.is_paused |= is_full;
        is_full
    }

    /// Puts `bytes` before the unread bytes.
    pub(super) fn give_back(&mut self, bytes: &[u8]) {
        // Replaces the bytes at the front that were read, which hyper has copied.
        self.bytes.splice(..self.read, bytes.iter().copied());
        self.read = 0;
    }

    /// Takes the unread bytes.
    pub(super) fn take_unread(&mut self) -> Vec<u8> {
        // The buffer itself goes to the next protocol, and this `Io` reads no further input.
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.drain(..std::mem::take(&mut self.read));
        bytes
    }

    /// Frees the buffer, if it is empty.
    pub(super) fn release(&mut self) {
        if self.read == self.bytes.len() {
            self.bytes = Vec::new();
            self.read = 0;
        }
    }

    /// Notes that the peer has finished sending, unless the connection is over.
    pub(super) fn end(&mut self) {
        // A loss that came before stays.
        self.end.get_or_insert(End::Finished);
    }

    /// Notes that the connection is over.
    pub(super) fn lose(&mut self, reason: ConnectionClosed) {
        self.end = match (self.end.take(), reason) {
            // Both sides have finished in order, so the reader still gets an end, not an error.
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

    /// The error of a write on a connection that is over or closing.
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

    /// Marks `count` bytes as read; returns whether the caller must resume reading.
    pub(super) fn consume(&mut self, count: usize) -> bool {
        self.read += count.min(self.bytes.len() - self.read);
        if self.read == self.bytes.len() && self.bytes.capacity() > KEPT {
            // An idle connection keeps its buffer, and the next input is likely to be small.
            self.bytes = Vec::new();
            self.read = 0;
        }
        // At half of the bound, so that a slow reader does not pause and resume for each piece.
        let resumes = self.is_paused && self.bytes.len() - self.read <= CAPACITY / 2;
        self.is_paused &= !resumes;
        resumes
    }
}
