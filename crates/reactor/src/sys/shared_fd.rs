//! `SharedFd`: a descriptor whose open file description may be shared, like standard output.
//!
//! Whether a read or a write waits is a property of the open file description, which every
//! process has that inherited it: `O_NONBLOCK` set here would have `println!` fail, and the
//! programs that this one runs lose output. So it is never set on a description that was
//! given. Instead:
//!
//! - A pipe or a terminal is opened again, by `/proc/self/fd`: that makes a description of our
//!   own, of the same pipe or terminal, which may be non-blocking.
//! - For a socket, each call says that it must not wait.
//! - A regular file never blocks for long, and keeps its position, which is the description's.
//! - Whatever cannot be opened again stays blocking: it is read only when it is ready, and
//!   written a piece at a time that the system takes as a whole when it is ready.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Stat, fstat};
#[cfg(any(target_os = "linux", target_os = "android"))]
use rustix::fs::{Mode, OFlags, fcntl_getfl, major, open};
use rustix::io::{Errno, Result};
#[cfg(not(any(target_os = "illumos", target_os = "solaris")))]
use rustix::pipe::PIPE_BUF;

use super::stream::{RECV_FLAGS, SEND_FLAGS};

/// What a descriptor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// How a descriptor is used so that the loop never waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// No call waits: a non-blocking description of our own, or a regular file.
    Plain,
    /// Each call says that it must not wait.
    Socket,
    /// The description blocks: whether it is ready is asked before each call, and at most so
    /// many bytes are written.
    AskFirst { piece: usize },
}

/// The least that POSIX lets it be, where `rustix` does not name it.
#[cfg(any(target_os = "illumos", target_os = "solaris"))]
const PIPE_BUF: usize = 512;

/// As much as a terminal takes that is ready. Linux keeps what was written to one in blocks of
/// 256 bytes and reports it as ready when there is room for a block; a line feed may become two.
const TERMINAL_PIECE: usize = 128;

/// A descriptor to read from or to write to, which is not registered yet.
pub(crate) struct SharedFd {
    descriptor: OwnedFd,
    access: Access,
}

impl SharedFd {
    /// Finds out how `descriptor` is used, and opens it again if that helps.
    pub(crate) fn new(descriptor: OwnedFd, direction: Direction) -> io::Result<Self> {
        let found = fstat(&descriptor)?;
        let access = match FileType::from_raw_mode(found.st_mode) {
            FileType::Socket => Access::Socket,
            FileType::RegularFile | FileType::Directory | FileType::BlockDevice => Access::Plain,
            _ => {
                if let Some(own) = open_again(&descriptor, &found, direction) {
                    return Ok(Self {
                        descriptor: own,
                        access: Access::Plain,
                    });
                }
                Access::AskFirst {
                    piece: if descriptor.is_terminal() {
                        TERMINAL_PIECE
                    } else {
                        PIPE_BUF
                    },
                }
            }
        };
        Ok(Self { descriptor, access })
    }

    /// The descriptor, and how it is used.
    pub(crate) fn into_parts(self) -> (OwnedFd, Access) {
        (self.descriptor, self.access)
    }
}

impl Access {
    /// Reads once, without waiting.
    pub(crate) fn read(self, descriptor: impl AsFd, buffer: &mut [u8]) -> Result<usize> {
        match self {
            Self::Plain => rustix::io::read(descriptor, buffer),
            Self::Socket => {
                let received = rustix::net::recv(descriptor, buffer, RECV_FLAGS);
                received.map(|(received, _)| received)
            }
            Self::AskFirst { .. } => {
                ask(&descriptor, PollFlags::IN)?;
                rustix::io::read(descriptor, buffer)
            }
        }
    }

    /// Writes once, without waiting.
    pub(crate) fn write(self, descriptor: impl AsFd, bytes: &[u8]) -> Result<usize> {
        match self {
            Self::Plain => rustix::io::write(descriptor, bytes),
            Self::Socket => rustix::net::send(descriptor, bytes, SEND_FLAGS),
            Self::AskFirst { piece } => {
                ask(&descriptor, PollFlags::OUT)?;
                rustix::io::write(descriptor, &bytes[..bytes.len().min(piece)])
            }
        }
    }
}

/// Fails with `AGAIN` if it is not ready.
fn ask(descriptor: impl AsFd, events: PollFlags) -> Result<()> {
    let expected = events | PollFlags::HUP | PollFlags::ERR;
    if is_told(descriptor, events, expected) {
        Ok(())
    } else {
        Err(Errno::AGAIN)
    }
}

/// A non-blocking description of our own, of the pipe or terminal that `given` is; `None` if
/// there is none to be had.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn open_again(given: &OwnedFd, found: &Stat, direction: Direction) -> Option<OwnedFd> {
    use std::os::fd::AsRawFd;

    /// The major number of devices that are another one each time, or for each process:
    /// `/dev/tty`, and `/dev/ptmx`, which makes a new terminal whenever it is opened.
    const TTY_AUX: u32 = 5;

    let flags = fcntl_getfl(given).ok()?;
    let (wanted, other) = match direction {
        Direction::Read => (OFlags::RDONLY, OFlags::WRONLY),
        Direction::Write => (OFlags::WRONLY, OFlags::RDONLY),
    };
    let is_pipe = FileType::from_raw_mode(found.st_mode) == FileType::Fifo;
    let can_be_opened = if is_pipe {
        // A named pipe reports the loss of its last writer only to readers that had it open.
        direction == Direction::Write || !is_told(given, PollFlags::IN, PollFlags::HUP)
    } else {
        given.is_terminal() && major(found.st_rdev) != TTY_AUX
    };
    // A descriptor for the other direction only is not opened for this one: that would be a right
    // which was not given.
    if flags & OFlags::RWMODE == other || !can_be_opened {
        return None;
    }
    // A pipe of packets stays one.
    let kept = if is_pipe {
        flags & OFlags::DIRECT
    } else {
        OFlags::empty()
    };
    let flags = wanted | kept | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let path = format!("/proc/self/fd/{}", given.as_raw_fd());
    let own = open(path, flags, Mode::empty()).ok()?;
    let opened = fstat(&own).ok()?;
    // `/proc` may be that of another process namespace, where the number is another file's.
    let is_same = (opened.st_dev, opened.st_ino) == (found.st_dev, found.st_ino);
    is_same.then_some(own)
}

/// Opening it again would give the same description elsewhere.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn open_again(_given: &OwnedFd, _found: &Stat, _direction: Direction) -> Option<OwnedFd> {
    None
}

/// Whether the system tells any of `expected` when it is asked for `events`.
fn is_told(descriptor: impl AsFd, events: PollFlags, expected: PollFlags) -> bool {
    let mut told = [PollFd::new(&descriptor, events)];
    let now = Timespec::default();
    poll(&mut told, Some(&now)).is_ok() && told[0].revents().intersects(expected)
}
