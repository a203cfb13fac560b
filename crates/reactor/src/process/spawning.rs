//! Start of a program, with the descriptors that its command maps.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{self, Stdio};

use command_fds::{CommandFdExt, FdMapping};
use deferred::Failure;

use super::child_fd::ChildFd;
use super::command::Command;

impl Command {
    /// Runs it; gives this side's ends of the pipes, too.
    pub(super) fn spawn(mut self) -> io::Result<(process::Child, Vec<ParentEnd>)> {
        let mut ours = Vec::new();
        let mut mappings = Vec::new();
        for (number, wanted) in self.descriptors {
            let theirs = match wanted {
                _ if number < 0 => return Err(invalid("no descriptor has a negative number")),
                ChildFd::Inherit if is_standard(number) => Stdio::inherit().into(),
                ChildFd::Null if is_standard(number) => Stdio::null().into(),
                ChildFd::Inherit | ChildFd::Null => {
                    return Err(invalid("only 0, 1 and 2 can be inherited or null"));
                }
                ChildFd::Read => {
                    let (reader, writer) = io::pipe()?;
                    ours.push(ParentEnd::new(number, Direction::Read, reader.into())?);
                    ChildEnd::Descriptor(writer.into())
                }
                ChildFd::Write => {
                    let (reader, writer) = io::pipe()?;
                    ours.push(ParentEnd::new(number, Direction::Write, writer.into())?);
                    ChildEnd::Descriptor(reader.into())
                }
                ChildFd::Descriptor(descriptor) => ChildEnd::Descriptor(descriptor),
            };
            match number {
                0 => drop(self.inner.stdin(Stdio::from(theirs))),
                1 => drop(self.inner.stdout(Stdio::from(theirs))),
                2 => drop(self.inner.stderr(Stdio::from(theirs))),
                _ => mappings.extend(theirs.mapping(number)),
            }
        }
        let kept_free = keep_free(&mappings)?;
        if !mappings.is_empty() {
            self.inner
                .fd_mappings(mappings)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        }
        let child = contained(|| self.inner.spawn())?;
        drop(kept_free);
        // The child's ends go with the command.
        Ok((child, ours))
    }
}

/// Calls `spawn`, which panics if the program cannot be run and the status of the child that
/// has said so is lost: where `SIGCHLD` is ignored.
fn contained(spawn: impl FnOnce() -> io::Result<process::Child>) -> io::Result<process::Child> {
    Failure::catch(spawn).unwrap_or_else(|_panic| {
        Err(io::Error::other(
            "the program could not be run; why is lost, as SIGCHLD is ignored",
        ))
    })
}

/// Uses the numbers that descriptors are to have in the child, if they are free here, until
/// it is run. Else the pipe by which the child says that the program cannot be run might
/// get one of them, and the child would not be heard. (It still might if another thread
/// closes one of these numbers just then.)
fn keep_free(mappings: &[FdMapping]) -> io::Result<Vec<OwnedFd>> {
    let used = mappings.iter().map(|mapping| {
        let number = mapping.child_fd;
        Ok(rustix::io::fcntl_dupfd_cloexec(&mapping.parent_fd, number)?)
    });
    used.collect()
}

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

fn is_standard(number: i32) -> bool {
    (0..=2).contains(&number)
}

/// What the child gets.
enum ChildEnd {
    Standard(Stdio),
    Descriptor(OwnedFd),
}

impl From<Stdio> for ChildEnd {
    fn from(stdio: Stdio) -> Self {
        Self::Standard(stdio)
    }
}

impl From<ChildEnd> for Stdio {
    fn from(theirs: ChildEnd) -> Self {
        match theirs {
            ChildEnd::Standard(stdio) => stdio,
            ChildEnd::Descriptor(descriptor) => Self::from(descriptor),
        }
    }
}

impl ChildEnd {
    fn mapping(self, child_fd: i32) -> Option<FdMapping> {
        match self {
            Self::Standard(_) => None,
            Self::Descriptor(parent_fd) => Some(FdMapping {
                parent_fd,
                child_fd,
            }),
        }
    }
}

/// This side's end of a pipe.
pub(super) struct ParentEnd {
    /// The number of the other end, in the child.
    pub(super) number: i32,
    pub(super) direction: Direction,
    pub(super) descriptor: OwnedFd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Read,
    Write,
}

impl ParentEnd {
    fn new(number: i32, direction: Direction, descriptor: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&descriptor, true)?;
        Ok(Self {
            number,
            direction,
            descriptor,
        })
    }
}
