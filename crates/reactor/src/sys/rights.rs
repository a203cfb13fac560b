//! `SCM_RIGHTS`: descriptors that go with the bytes of a UNIX socket.

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

/// How many the system lets go with one message.
pub(crate) const MOST: usize = 253;

/// Room for what else comes with a message if it was asked for before the socket was adopted:
/// credentials, a time.
const OTHERS: usize = 128;

/// Received descriptors are closed on exec from the start, where the system can do that; elsewhere
/// [`CLOSE_ON_EXEC`] is set when they have come, which a fork of another thread may overtake.
#[cfg(not(any(target_vendor = "apple", target_os = "illumos", target_os = "solaris")))]
const RECV_FLAGS: RecvFlags = stream::RECV_FLAGS.union(RecvFlags::CMSG_CLOEXEC);
#[cfg(any(target_vendor = "apple", target_os = "illumos", target_os = "solaris"))]
const RECV_FLAGS: RecvFlags = stream::RECV_FLAGS;

/// The flag that received descriptors still need.
#[cfg(not(any(target_vendor = "apple", target_os = "illumos", target_os = "solaris")))]
const CLOSE_ON_EXEC: Option<FdFlags> = None;
#[cfg(any(target_vendor = "apple", target_os = "illumos", target_os = "solaris"))]
const CLOSE_ON_EXEC: Option<FdFlags> = Some(FdFlags::CLOEXEC);

/// Reads once: `None` if there is nothing now, 0 at the end.
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
        // Which of them, the system does not say: those that have come might be taken for others.
        descriptors.clear();
        return Err(io::Error::other(
            "descriptors that the peer has sent are lost: this process has too many open",
        ));
    }
    Ok(message.bytes)
}

/// Sends what the system takes; 0 if it takes nothing now.
pub(crate) fn send(
    socket: impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    let mut room = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MOST))];
    let mut ancillary = SendAncillaryBuffer::new(&mut room);
    // It does not occur: fewer descriptors wait on a connection than there is room for.
    if !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let bytes = [IoSlice::new(bytes)];
    stream::retried(|| sendmsg(&socket, &bytes, &mut ancillary, stream::SEND_FLAGS))
}
