//! A body from a file, read in other threads as the client takes it.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use deferred::{CancelOnDrop, Failure, Result};
use http_body::{Body, Frame, SizeHint};
use reactor::ReactorHandle;
use rustix::buffer::spare_capacity;

use super::piece::Piece;

/// Most bytes that are read at once. A file that is not longer is read in the same job as its
/// look-up.
pub(super) const CHUNK: usize = 128 * 1024;

/// Reads `count` bytes of `file`.
///
/// # Errors
///
/// [`FileShrank`] if the file ends before.
pub(super) fn read(file: &File, offset: u64, count: usize) -> Result<Bytes> {
    let mut bytes = Vec::with_capacity(count);
    while bytes.len() < count {
        let place = offset + bytes.len() as u64;
        match rustix::io::pread(file, spare_capacity(&mut bytes), place) {
            // The end of the file, as it is by now.
            Ok(0) => return Err(FileShrank.into()),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
    }
    // `pread` may have read more than `count`, if the allocator has given more capacity.
    bytes.truncate(count);
    Ok(bytes.into())
}

/// The pieces of a body, one after the other.
///
/// While a chunk is on its way to the client, the next one is read: up to two wait in memory.
pub(super) struct FileBody {
    reactor: ReactorHandle,
    // Shared with the thread that reads: it is closed when both are done.
    file: Arc<File>,
    pieces: VecDeque<Piece>,
    /// The read that is under way, if any.
    // Set by `read_on`, taken when the bytes have come. At most one read is under way.
    reading: Option<CancelOnDrop<Bytes>>,
    /// Number of bytes that are still to be sent.
    // hyper ends the connection if the body ends before this is zero.
    left: u64,
}

impl FileBody {
    pub(super) fn new(reactor: &ReactorHandle, file: File, pieces: Vec<Piece>) -> Self {
        Self {
            reactor: reactor.clone(),
            file: Arc::new(file),
            left: pieces.iter().map(Piece::length).sum(),
            pieces: pieces.into(),
            reading: None,
        }
    }

    /// Begins to read the next chunk, if a read is next.
    fn read_on(&mut self) {
        let Some(Piece::File(offset, left)) = self.pieces.front_mut() else {
            return;
        };
        // Where `usize` has 32 bits, `left` may not fit; then it is more than a chunk.
        let count = usize::try_from(*left).unwrap_or(CHUNK).min(CHUNK);
        let (file, place) = (Arc::clone(&self.file), *offset);
        // The piece becomes what this read leaves over: a read gives all of `count`, or fails.
        *offset += count as u64;
        *left -= count as u64;
        if *left == 0 {
            self.pieces.pop_front();
        }
        let reading = self
            .reactor
            .defer_to_thread(move || read(&file, place, count));
        self.reading = Some(reading.cancel_on_drop());
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        if self.reading.is_none() {
            if let Some(Piece::Bytes(_)) = self.pieces.front()
                && let Some(Piece::Bytes(bytes)) = self.pieces.pop_front()
            {
                // A read of the next piece begins before hyper asks for it.
                self.read_on();
                return Poll::Ready(Some(Ok(bytes)));
            }
            self.read_on();
        }
        let Some(reading) = &mut self.reading else {
            return Poll::Ready(None);
        };
        let result = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        // After an error, nothing more of the file is sent.
        if result.is_ok() {
            self.read_on();
        }
        Poll::Ready(Some(result))
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let body = self.get_mut();
        let next = ready!(body.poll_bytes(cx));
        if let Some(Ok(bytes)) = &next {
            body.left -= bytes.len() as u64;
        }
        Poll::Ready(next.map(|result| result.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A file has become shorter while it was sent. The answer has promised more, so its connection is
/// closed, which tells the client that something is missing.
#[derive(Debug)]
struct FileShrank;

impl fmt::Display for FileShrank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a file has become shorter while it was sent")
    }
}

impl Error for FileShrank {}
