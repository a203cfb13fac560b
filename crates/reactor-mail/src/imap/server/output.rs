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

/// Number of bytes that are gathered before a write; also the size of the pieces of a long body.
const PIECE: usize = 64 * 1024;

/// Number of bytes of messages that are parsed or searched before the loop does other work.
const TURN: usize = 4 * 1024 * 1024;

/// Number of bytes that a message counts in addition to its own, so that a million messages of
/// which only the flags are read count, too.
const MESSAGE: usize = 4 * 1024;

/// The output of one command. The caller ends it with [`flush`](Self::flush); without that, the
/// last bytes are dropped with it.
pub(super) struct Output {
    connection: Connection<ImapSession>,
    reactor: ReactorHandle,
    /// Bytes that are not written yet: fewer than `PIECE` between calls.
    buffer: Vec<u8>,
    /// Bytes that were parsed or searched since the loop last did other work.
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

    /// Counts a message of which `bytes` bytes are parsed or searched. At each `TURN` bytes, lets
    /// the loop do other work first, so that a long FETCH or SEARCH does not delay other
    /// connections.
    pub(super) async fn worked(&mut self, bytes: usize) -> Result<()> {
        self.searched(bytes + MESSAGE).await
    }

    /// Counts `bytes` that are searched once more, as [`worked`](Self::worked).
    pub(super) async fn searched(&mut self, bytes: usize) -> Result<()> {
        self.work += bytes;
        if self.work < TURN {
            return Ok(());
        }
        self.work = 0;
        // A timer of zero fires in the next turn, after the sources that are ready in this one.
        sleep(&self.reactor, Duration::ZERO).await
    }

    /// Copies `bytes` to the buffer, and flushes the buffer when it is full. For short pieces.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.flush().await?;
        }
        Ok(())
    }

    /// Writes a body of any length. From `PIECE` bytes on, it goes to the connection in pieces,
    /// each when the client has taken those before it, so that the buffer stays small.
    pub(super) async fn write_body(&mut self, body: &Bytes) -> Result<()> {
        if body.len() < PIECE {
            return self.write(body).await;
        }
        // The buffer is written first, because it has the announcement of this body.
        self.flush().await?;
        for piece in body.chunks(PIECE) {
            self.connection.ready().await?;
            self.connection.write(piece)?;
        }
        Ok(())
    }

    /// Writes the buffer, when the connection has room for it.
    pub(super) async fn flush(&mut self) -> Result<()> {
        self.connection.ready().await?;
        self.connection.write(mem::take(&mut self.buffer))?;
        Ok(())
    }
}
