//! Exit of a child process: its descriptor (`pidfd`), where the system has one, and waiting without
//! reaping it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::{Errno, Result};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

const LOOK: WaitIdOptions = WaitIdOptions::EXITED
    .union(WaitIdOptions::NOWAIT)
    .union(WaitIdOptions::NOHANG);

/// How the exit of a child is detected.
pub(crate) enum ChildWatch {
    /// By a descriptor that is readable when the child has exited.
    #[cfg_attr(
        not(all(target_os = "linux", not(polling_test_poll_backend))),
        expect(dead_code, reason = "only Linux has descriptors of children")
    )]
    Descriptor(OwnedFd),
    /// The child has exited, and was reaped.
    Exited,
    /// The system has no such descriptor: a thread has to [wait](wait_for_exit).
    Unsupported,
}

/// Opens the descriptor by which the child `pid` of this process is watched.
#[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
pub(crate) fn watch(pid: Pid) -> io::Result<ChildWatch> {
    use rustix::process::{PidfdFlags, pidfd_open};

    match pidfd_open(pid, PidfdFlags::empty()) {
        // Another process may have got the process ID before the `pidfd_open`, so this checks that
        // the descriptor is for a child.
        Ok(descriptor) => Ok(match waitid(WaitId::PidFd(descriptor.as_fd()), LOOK) {
            Err(Errno::CHILD) => ChildWatch::Exited,
            Ok(_) | Err(_) => ChildWatch::Descriptor(descriptor),
        }),
        Err(Errno::SRCH) => Ok(ChildWatch::Exited),
        // `pidfd_open` is missing (old kernel) or denied by a seccomp filter.
        Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => Ok(ChildWatch::Unsupported),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(all(target_os = "linux", not(polling_test_poll_backend))))]
#[expect(clippy::unnecessary_wraps, reason = "opening a descriptor can fail")]
pub(crate) fn watch(pid: Pid) -> io::Result<ChildWatch> {
    Ok(if is_reaped(pid) {
        ChildWatch::Exited
    } else {
        ChildWatch::Unsupported
    })
}

/// Whether the child is neither running nor a zombie: it was reaped, and its process ID is free.
fn is_reaped(pid: Pid) -> bool {
    matches!(waitid(WaitId::Pid(pid), LOOK), Err(Errno::CHILD))
}

/// Blocks until the child has exited, without reaping it.
pub(crate) fn wait_for_exit(pid: Pid) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
}

/// Sends a signal to a child by its process ID, unless that is free. Returns whether the signal was
/// sent.
pub(crate) fn signal(pid: Pid, signal: Signal) -> Result<bool> {
    if is_reaped(pid) {
        return Ok(false);
    }
    kill_process(pid, signal).map(|()| true)
}

/// Sends a signal to a child by its descriptor. Returns whether the signal was sent, or `None` if
/// the system cannot do that.
#[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
pub(crate) fn signal_by_descriptor(child: impl AsFd, signal: Signal) -> Option<Result<bool>> {
    Some(match rustix::process::pidfd_send_signal(child, signal) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(error) => Err(error),
    })
}

#[cfg(not(all(target_os = "linux", not(polling_test_poll_backend))))]
pub(crate) fn signal_by_descriptor(_child: impl AsFd, _signal: Signal) -> Option<Result<bool>> {
    None
}
