//! Reads and writes of stream sockets, which never block.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;

use rustix::io::{Errno, Result};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};

// With `DONTWAIT`, no call blocks, even if the socket is in blocking mode: an adopted socket may be
// shared with other processes, so its mode is not changed.
pub(crate) const RECV_FLAGS: RecvFlags = RecvFlags::DONTWAIT;
#[cfg(not(target_vendor = "apple"))]
pub(crate) const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL.union(SendFlags::DONTWAIT);
#[cfg(target_vendor = "apple")]
pub(crate) const SEND_FLAGS: SendFlags = SendFlags::DONTWAIT; // the runtime ignores SIGPIPE

/// Reads once. Returns 0 at the end of the input.
#[inline]
pub(crate) fn receive(socket: impl AsFd, buffer: &mut [u8]) -> Result<usize> {
    rustix::net::recv(socket, buffer, RECV_FLAGS).map(|(received, _)| received)
}

/// Calls `send`, again if a signal interrupts it. Returns 0 if the system takes no bytes now.
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

/// Writes as many bytes as the system takes, and returns their number: 0 if it takes none now.
#[inline]
pub(crate) fn send(socket: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    retried(|| rustix::net::send(&socket, bytes, SEND_FLAGS))
}

/// Most pieces in one call. Most systems have this limit (`IOV_MAX`).
const MOST_PIECES: usize = 1024;

/// As [`send`], for several pieces in one call.
pub(crate) fn send_pieces(socket: impl AsFd, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
    let pieces = &pieces[..pieces.len().min(MOST_PIECES)];
    let mut ancillary = SendAncillaryBuffer::default();
    retried(|| rustix::net::sendmsg(&socket, pieces, &mut ancillary, SEND_FLAGS))
}
