//! `SCM_RIGHTS`: descriptors that are sent with the bytes of a UNIX socket.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::cmsg_space;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, recvmsg, sendmsg,
};

use super::stream;

/// Most descriptors that the system sends with one message.
pub(crate) const MOST: usize = 253;

/// Room for other control messages, such as credentials or a timestamp, which are received if they
/// were enabled before the socket was adopted.
const OTHERS: usize = 128;

/// Received descriptors get the close-on-exec flag atomically, where the system can do that. On
/// other systems, [`CLOSE_ON_EXEC`] is set after the receive, and a process that another thread
/// forks in between inherits them.
#[cfg(not(any(target_vendor = "apple", target_os = "illumos", target_os = "solaris")))]
const RECV_FLAGS: RecvFlags = stream::RECV_FLAGS.union(RecvFlags::CMSG_CLOEXEC);
#[cfg(any(target_vendor = "apple", target_os = "illumos", target_os = "solaris"))]
const RECV_FLAGS: RecvFlags = stream::RECV_FLAGS;

/// The flag that has to be set on received descriptors, if any.
#[cfg(not(any(target_vendor = "apple", target_os = "illumos", target_os = "solaris")))]
const CLOSE_ON_EXEC: Option<FdFlags> = None;
#[cfg(any(target_vendor = "apple", target_os = "illumos", target_os = "solaris"))]
const CLOSE_ON_EXEC: Option<FdFlags> = Some(FdFlags::CLOEXEC);

/// Reads once. Returns `None` if there is no input now, 0 at the end of the input.
pub(crate) fn receive(
    socket: impl AsFd,
    buffer: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> io::Result<Option<usize>> {
    loop {
        match receive_once(&socket, buffer, descriptors) {
            Ok(received) => return Ok(Some(received)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

fn receive_once(
    socket: impl AsFd,
    buffer: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    let mut room = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MOST)) + OTHERS];
    let mut ancillary = RecvAncillaryBuffer::new(&mut room);
    let message = recvmsg(
        socket,
        &mut [IoSliceMut::new(buffer)],
        &mut ancillary,
        RECV_FLAGS,
    )?;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            for descriptor in rights {
                if let Some(flags) = CLOSE_ON_EXEC {
                    fcntl_setfd(&descriptor, flags)?;
                }
                descriptors.push(descriptor);
            }
        }
    }
    if message.flags.contains(ReturnFlags::CTRUNC) {
        // The system does not tell which descriptors are missing, so the protocol might take the
        // received ones for others.
        descriptors.clear();
        return Err(io::Error::other(
            "descriptors that the peer has sent are lost: this process has too many open",
        ));
    }
    Ok(message.bytes)
}

/// Sends as many bytes as the system takes, and returns their number: 0 if it takes none now.
pub(crate) fn send(
    socket: impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    let mut room = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MOST))];
    let mut ancillary = SendAncillaryBuffer::new(&mut room);
    // Does not happen, because a connection queues fewer descriptors than there is room for.
    if !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let bytes = [IoSlice::new(bytes)];
    stream::retried(|| sendmsg(&socket, &bytes, &mut ancillary, stream::SEND_FLAGS))
}
