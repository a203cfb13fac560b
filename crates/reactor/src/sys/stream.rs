//! Reads and writes of stream sockets, which never wait.

use std::io::IoSlice;
use std::os::fd::AsFd;

use rustix::io::Result;
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

/// Writes what the system takes.
#[inline]
pub(crate) fn send(socket: impl AsFd, bytes: &[u8]) -> Result<usize> {
    rustix::net::send(socket, bytes, SEND_FLAGS)
}

/// Most systems take no more pieces in one call.
const MOST_PIECES: usize = 1024;

/// Writes what the system takes of `pieces`, in one call.
pub(crate) fn send_pieces(socket: impl AsFd, pieces: &[IoSlice<'_>]) -> Result<usize> {
    let pieces = &pieces[..pieces.len().min(MOST_PIECES)];
    rustix::net::sendmsg(
        socket,
        pieces,
        &mut SendAncillaryBuffer::default(),
        SEND_FLAGS,
    )
}
