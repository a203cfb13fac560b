//! `getsockopt(SO_PEERCRED)` on Linux.
//!
//! Called directly and not through `rustix`, whose type of process IDs cannot be 0, which is the
//! value of the system for a peer in another PID namespace.

#![expect(unsafe_code, reason = "getsockopt is a function of C")]

use std::ffi::{c_int, c_uint, c_void};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The level and the name of the option, which depend on the architecture.
const OPTION: Option<(c_int, c_int)> = if cfg!(any(
    target_arch = "x86_64",
    target_arch = "x86",
    target_arch = "aarch64",
    target_arch = "arm",
    target_arch = "riscv64",
    target_arch = "riscv32",
    target_arch = "s390x",
    target_arch = "loongarch64",
)) {
    Some((1, 17))
} else if cfg!(any(target_arch = "powerpc", target_arch = "powerpc64")) {
    Some((1, 21))
} else {
    None
};

/// The system's `struct ucred`.
#[derive(Default)]
#[repr(C)]
pub(crate) struct UCred {
    pub(crate) pid: c_int,
    pub(crate) uid: c_uint,
    pub(crate) gid: c_uint,
}

unsafe extern "C" {
    fn getsockopt(
        socket: c_int,
        level: c_int,
        name: c_int,
        value: *mut c_void,
        length: *mut c_uint,
    ) -> c_int;
}

/// The credentials of the peer of `socket`.
pub(crate) fn of(socket: BorrowedFd<'_>) -> io::Result<UCred> {
    let (level, name) = OPTION.ok_or(io::ErrorKind::Unsupported)?;
    let mut found = UCred::default();
    // The struct has three words, so the casts of its size are exact.
    let mut length = size_of::<UCred>() as c_uint;
    // SAFETY: the descriptor is open while it is borrowed; `found` has room for `length`
    // bytes, is valid whatever these are, and lives, as `length` does, until the call returns.
    let result = unsafe {
        getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw mut found).cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    if length as usize != size_of::<UCred>() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(found)
}
