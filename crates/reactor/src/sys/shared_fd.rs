//! `SharedFd`: a descriptor whose open file description may be shared, like standard output.
//!
//! Whether a read or a write blocks is a property of the open file description, which all processes
//! share that have inherited it: if `O_NONBLOCK` were set here, `println!` could fail, and programs
//! that this one runs could lose output. So it is never set on a given description. Instead:
//!
//! - A pipe or a terminal is opened again through `/proc/self/fd`. That makes a new description of
//!   the same pipe or terminal, which may be non-blocking.
//! - For a socket, each call has a flag that it must not block (`MSG_DONTWAIT`).
//! - A regular file is used as it is, because it never blocks for long; opening it again would lose
//!   the file position, which is part of the description.
//! - A descriptor that cannot be opened again stays blocking. It is read only when it is ready, and
//!   written in pieces that are so small that the system takes a whole piece when it is ready.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Stat, fstat};
#[cfg(any(target_os = "linux", target_os = "android"))]
use rustix::fs::{Mode, OFlags, fcntl_getfl, major, open};
use rustix::io::{Errno, Result};
#[cfg(not(any(target_os = "illumos", target_os = "solaris")))]
use rustix::pipe::PIPE_BUF;

use super::stream::{SEND_FLAGS, receive};

/// Whether a descriptor is read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// How a descriptor is used, so that a call never blocks the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Plain calls: for a non-blocking description of our own, and for a regular file.
    Plain,
    /// Calls with the flag `MSG_DONTWAIT`: for a socket.
    Socket,
    /// For a blocking description: `poll` is called before each read or write, and at most `piece`
    /// bytes are written at once.
    AskFirst { piece: usize },
}

/// The minimum that POSIX allows, for systems on which `rustix` does not define it.
#[cfg(any(target_os = "illumos", target_os = "solaris"))]
const PIPE_BUF: usize = 512;

/// Number of bytes that a ready terminal takes without blocking. Linux buffers output of a terminal
/// in blocks of 256 bytes, and reports it as ready when there is room for a block; a line feed may
/// become two bytes.
const TERMINAL_PIECE: usize = 128;

/// A descriptor to be read or written, which is not registered yet.
pub(crate) struct SharedFd {
    descriptor: OwnedFd,
    access: Access,
}

impl SharedFd {
    /// Finds out how `descriptor` has to be used, and opens it again if possible and useful.
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

    /// Returns the descriptor, and how it is to be used.
    pub(crate) fn into_parts(self) -> (OwnedFd, Access) {
        (self.descriptor, self.access)
    }
}

impl Access {
    /// Reads once, without blocking.
    pub(crate) fn read(self, descriptor: impl AsFd, buffer: &mut [u8]) -> Result<usize> {
        match self {
            Self::Plain => rustix::io::read(descriptor, buffer),
            Self::Socket => receive(descriptor, buffer),
            Self::AskFirst { .. } => {
                ask(&descriptor, PollFlags::IN)?;
                rustix::io::read(descriptor, buffer)
            }
        }
    }

    /// Writes once, without blocking.
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

/// Fails with `AGAIN` if the descriptor is not ready.
fn ask(descriptor: impl AsFd, events: PollFlags) -> Result<()> {
    let expected = events | PollFlags::HUP | PollFlags::ERR;
    if is_told(descriptor, events, expected) {
        Ok(())
    } else {
        Err(Errno::AGAIN)
    }
}

/// Opens a new, non-blocking description of the pipe or terminal `given`. Returns `None` if that is
/// not possible.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn open_again(given: &OwnedFd, found: &Stat, direction: Direction) -> Option<OwnedFd> {
    use std::os::fd::AsRawFd;

    /// The major number of `/dev/tty`, which is another terminal for each session, and of
    /// `/dev/ptmx`, which makes a new terminal each time it is opened.
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
    // A descriptor that permits only the other direction is not opened for this one, because that
    // would give this process more rights than it was given.
    if flags & OFlags::RWMODE == other || !can_be_opened {
        return None;
    }
    // A pipe in packet mode (`O_DIRECT`) stays in this mode.
    let kept = if is_pipe {
        flags & OFlags::DIRECT
    } else {
        OFlags::empty()
    };
    let flags = wanted | kept | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let path = format!("/proc/self/fd/{}", given.as_raw_fd());
    let own = open(path, flags, Mode::empty()).ok()?;
    let opened = fstat(&own).ok()?;
    // `/proc` may belong to another PID namespace, in which this path is another file.
    let is_same = (opened.st_dev, opened.st_ino) == (found.st_dev, found.st_ino);
    is_same.then_some(own)
}

/// On other systems, opening a descriptor again gives the same description.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn open_again(_given: &OwnedFd, _found: &Stat, _direction: Direction) -> Option<OwnedFd> {
    None
}

/// Whether `poll` for `events` reports any event of `expected`.
fn is_told(descriptor: impl AsFd, events: PollFlags, expected: PollFlags) -> bool {
    let mut told = [PollFd::new(&descriptor, events)];
    let now = Timespec::default();
    poll(&mut told, Some(&now)).is_ok() && told[0].revents().intersects(expected)
}
