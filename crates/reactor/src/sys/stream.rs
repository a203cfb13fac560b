//! Reads and writes of stream sockets, which never wait.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;

use rustix::io::{Errno, Result};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};

// No call waits, whether or not the socket is non-blocking: one that was adopted may be
// shared with others, for whom it is to stay as it was.
pub(crate) const RECV_FLAGS: RecvFlags = RecvFlags::DONTWAIT;
#[cfg(not(target_vendor = "apple"))]
pub(crate) const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL.union(SendFlags::DONTWAIT);
#[cfg(target_vendor = "apple")]
pub(crate) const SEND_FLAGS: SendFlags = SendFlags::DONTWAIT; // the runtime ignores SIGPIPE

/// Reads once; 0 at the end.
#[inline]
pub(crate) fn receive(socket: impl AsFd, buffer: &mut [u8]) -> Result<usize> {
    rustix::net::recv(socket, buffer, RECV_FLAGS).map(|(received, _)| received)
}

/// Calls `send` again while a signal interrupts it; 0 if the system takes nothing now.
#[inline]
pub(crate) fn retried(mut send: impl FnMut() -> Result<usize>) -> io::Result<usize> {
    loop {
        match send() {
            Ok(sent) => return Ok(sent),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(0),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Writes what the system takes; 0 if it takes nothing now.
#[inline]
pub(crate) fn send(socket: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    retried(|| rustix::net::send(&socket, bytes, SEND_FLAGS))
}

/// Most systems take no more pieces in one call.
const MOST_PIECES: usize = 1024;

/// As [`send`], of several pieces in one call.
pub(crate) fn send_pieces(socket: impl AsFd, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
    let pieces = &pieces[..pieces.len().min(MOST_PIECES)];
    let mut ancillary = SendAncillaryBuffer::default();
    retried(|| rustix::net::sendmsg(&socket, pieces, &mut ancillary, SEND_FLAGS))
}
