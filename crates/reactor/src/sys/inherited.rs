//! Descriptors that the process was started with, which are known by their numbers only.

#![expect(
    unsafe_code,
    reason = "a supervisor passes descriptors as numbers, and std has no safe way to take one"
)]

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

use rustix::io::Errno;

/// A descriptor of our own for what the descriptor `number` is; `EBADF` if that is not open.
pub(crate) fn duplicate(number: RawFd) -> io::Result<OwnedFd> {
    if number < 0 {
        return Err(Errno::BADF.into());
    }
    // SAFETY: The number is not -1, which a `BorrowedFd` may not be. It is borrowed for one call,
    // `fcntl(F_DUPFD_CLOEXEC)`, which neither closes nor changes it, and which errs with `EBADF` if it
    // is not open. Nothing is borrowed after that: what this gives is a descriptor of its own.
    let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
    descriptor.try_clone_to_owned()
}
