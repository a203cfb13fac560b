//! `Output`: long answers, written as fast as the client takes them, in turns with the other work
//! of the loop.

use std::mem;
use std::time::Duration;

use bytes::Bytes;
use deferred::{Result, sleep};
use reactor::{Connection, ReactorHandle};

use super::session::ImapSession;

/// What is written at once.
const PIECE: usize = 64 * 1024;

/// The bytes of messages that are looked through before the loop does other work.
const TURN: usize = 4 * 1024 * 1024;

/// What looking at a message costs at least, in bytes.
const MESSAGE: usize = 4 * 1024;

pub(super) struct Output {
    connection: Connection<ImapSession>,
    reactor: ReactorHandle,
    buffer: Vec<u8>,
    /// Bytes looked through in this turn.
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

    /// Counts a message of `bytes` that was looked through. After a while, the loop does other work
    /// first.
    pub(super) async fn worked(&mut self, bytes: usize) -> Result<()> {
        self.work += bytes + MESSAGE;
        if self.work < TURN {
            return Ok(());
        }
        self.work = 0;
        sleep(&self.reactor, Duration::ZERO).await
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.flush().await?;
        }
        Ok(())
    }

    /// Writes bytes that may be many, without a copy of all of them.
    pub(super) async fn write_body(&mut self, body: &Bytes) -> Result<()> {
        if body.len() < PIECE {
            return self.write(body).await;
        }
        self.flush().await?;
        for piece in body.chunks(PIECE) {
            self.connection.ready().await?;
            self.connection.write(piece)?;
        }
        Ok(())
    }

    /// Writes what is left.
    pub(super) async fn flush(&mut self) -> Result<()> {
        self.connection.ready().await?;
        self.connection.write(mem::take(&mut self.buffer))?;
        Ok(())
    }
}
