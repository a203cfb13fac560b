//! `Output`: writes long answers as fast as the client takes them, and lets the loop serve other
//! connections in between.
//!
//! Two things are bounded: the bytes that wait for a slow client (by [`PIECE`]), and the work of
//! one turn of the loop (by [`TURN`]), because a client that reads at full speed never makes the
//! first bound wait.

use std::mem;
use std::time::Duration;

use bytes::Bytes;
use deferred::{Result, sleep};
use reactor::{Connection, ReactorHandle};

use super::session::ImapSession;

/// Bytes that go to the connection in one write. A write waits for `Connection::ready`, which lets
/// one more pass while up to the high-water mark (64 KiB) waits: so about two pieces wait at most.
const PIECE: usize = 64 * 1024;

/// Work of one turn, in bytes of messages that were read or searched, plus [`MESSAGE`] for each.
const TURN: usize = 4 * 1024 * 1024;

/// Counted for a message on top of its bytes, so that many empty messages, or a search by flags
/// alone, end a turn, too: after 1024 of them at most.
const MESSAGE: usize = 4 * 1024;

/// The output of one command. The caller ends it with [`flush`](Self::flush); without that, the
/// last bytes are dropped with it.
pub(super) struct Output {
    connection: Connection<ImapSession>,
    reactor: ReactorHandle,
    /// Bytes that were not written yet: less than [`PIECE`] between two calls.
    buffer: Vec<u8>,
    /// Work since the last pause, in the unit of [`TURN`].
    work: usize,
}

impl Output {
    pub(super) fn new(connection: Connection<ImapSession>, reactor: ReactorHandle) -> Self {
        Self {
            connection,
            reactor,
            buffer: Vec::new(),
            work: 0,
        }
    }

    /// Counts a message of `bytes` as work. If that completes a [`TURN`], waits until the loop has
    /// served the others.
    pub(super) async fn worked(&mut self, bytes: usize) -> Result<()> {
        self.work += bytes + MESSAGE;
        if self.work < TURN {
            return Ok(());
        }
        self.work = 0;
        // A timer of zero fires in the next turn, after the sources that are ready in this one.
        sleep(&self.reactor, Duration::ZERO).await
    }

    /// Adds `bytes` to the buffer, and flushes a full one. For what is short: it is copied.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.flush().await?;
        }
        Ok(())
    }

    /// Writes the content of a message. From [`PIECE`] on, it goes to the connection piece by
    /// piece, so that the whole content is never copied into a buffer.
    pub(super) async fn write_body(&mut self, body: &Bytes) -> Result<()> {
        if body.len() < PIECE {
            return self.write(body).await;
        }
        // What was buffered comes first: it announces this content.
        self.flush().await?;
        for piece in body.chunks(PIECE) {
            self.connection.ready().await?;
            self.connection.write(piece)?;
        }
        Ok(())
    }

    /// Writes what is buffered, when the connection has room for it.
    pub(super) async fn flush(&mut self) -> Result<()> {
        self.connection.ready().await?;
        self.connection.write(mem::take(&mut self.buffer))?;
        Ok(())
    }
}
