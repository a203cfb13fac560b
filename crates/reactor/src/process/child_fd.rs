//! `ChildFd`: what a descriptor of a child is to be.

use std::os::fd::OwnedFd;

/// What a descriptor of a child is to be.
///
/// # Examples
///
/// A child that reads from a file, and whose errors are thrown away:
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
    /// A pipe that this side reads from. (Twisted: `"r"`.)
    Read,
    /// A pipe that this side writes to. (Twisted: `"w"`.)
    Write,
    /// That of this process, of the same number; only 0, 1 and 2 can be inherited.
    Inherit,
    /// `/dev/null`. Only for 0, 1 and 2.
    Null,
    /// This one: a file, a socket. It is closed here.
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
