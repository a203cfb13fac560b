//! Descriptors that the process has inherited, which are known only by their numbers.

#![expect(
    unsafe_code,
    reason = "a supervisor passes descriptors as numbers, and std has no safe way to take one"
)]

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

use rustix::io::Errno;

/// Duplicates the descriptor `number`. Errs with `EBADF` if it is not open.
pub(crate) fn duplicate(number: RawFd) -> io::Result<OwnedFd> {
    if number < 0 {
        return Err(Errno::BADF.into());
    }
    // SAFETY: The number is not -1, which a `BorrowedFd` may not be. It is borrowed for one call,
    // `fcntl(F_DUPFD_CLOEXEC)`, which neither closes nor changes it, and which errs with `EBADF` if
    // it is not open. The borrow ends with this function, which returns a new descriptor.
    let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
    descriptor.try_clone_to_owned()
}
