//! `ChildFd`: the other end of a descriptor of a child process.

use std::os::fd::OwnedFd;

/// The other end of a child's descriptor: a pipe, a file, or a descriptor of this program.
///
/// # Examples
///
/// A child process that reads from a file, and whose standard error is discarded:
///
/// ```
/// use reactor::{ChildFd, Command, Reactor};
/// use std::fs::File;
///
/// let reactor = Reactor::new()?;
/// let counting = Command::new("wc")
///     .arg("-c")
///     .fd(0, File::open("/dev/null")?)
///     .fd(1, ChildFd::Read)
///     .fd(2, ChildFd::Null)
///     .output(&reactor);
/// assert_eq!(reactor.block_on(counting)?.stdout.trim_ascii(), b"0");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ChildFd {
    /// A pipe that the parent reads. (Twisted: `"r"`.)
    Read,
    /// A pipe that the parent writes. (Twisted: `"w"`.)
    Write,
    /// The parent's descriptor of the same number; only 0, 1 and 2 can be inherited.
    Inherit,
    /// `/dev/null`. Only for 0, 1 and 2.
    Null,
    /// This descriptor, of a file or a socket. The parent's copy is closed.
    Descriptor(OwnedFd),
}

impl From<OwnedFd> for ChildFd {
    fn from(descriptor: OwnedFd) -> Self {
        Self::Descriptor(descriptor)
    }
}

impl From<std::fs::File> for ChildFd {
    fn from(file: std::fs::File) -> Self {
        Self::Descriptor(file.into())
    }
}
