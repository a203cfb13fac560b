//! Start of a program, with the descriptors that its command sets.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{self, Stdio};

use command_fds::{CommandFdExt, FdMapping};
use deferred::Failure;

use super::child_fd::ChildFd;
use super::command::Command;
use super::window_size::WindowSize;
use crate::sys::pty::{self, Pty};

/// A running program.
pub(super) struct Spawned {
    pub(super) child: process::Child,
    /// The parent's ends of the pipes.
    pub(super) ends: Vec<ParentEnd>,
    /// Bytes to be written to its standard input.
    pub(super) input: Option<Vec<u8>>,
}

impl Command {
    pub(super) fn spawn(mut self) -> io::Result<Spawned> {
        let mut ours = Vec::new();
        let mut mappings = Vec::new();
        match self.terminal {
            Some(size) => self.open_terminal(size, &mut ours)?,
            None => self.open_pipes()?,
        }
        for (number, wanted) in self.descriptors {
            let theirs = match wanted {
                _ if number < 0 => {
                    return Err(invalid("the number of a descriptor must not be negative"));
                }
                ChildFd::Inherit if is_standard(number) => Stdio::inherit().into(),
                ChildFd::Null if is_standard(number) => Stdio::null().into(),
                ChildFd::Inherit | ChildFd::Null => {
                    return Err(invalid(
                        "only 0, 1 and 2 can be `Inherit` or `Null`; pass others as open files",
                    ));
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
        // The drop of `inner` closes the parent's copies of the child's ends here, so that the
        // parent sees the end of a pipe.
        Ok(Spawned {
            child,
            ends: ours,
            input: self.input,
        })
    }
}

impl Command {
    /// Makes pipes of the standard descriptors, except those that were set.
    fn open_pipes(&mut self) -> io::Result<()> {
        for (number, pipe) in [(0, ChildFd::Write), (1, ChildFd::Read), (2, ChildFd::Read)] {
            self.default_fd(number, pipe);
        }
        // `default_fd` has put an entry there, so the index cannot fail.
        if self.input.is_some() && !matches!(self.descriptors[&0], ChildFd::Write) {
            return Err(invalid(
                "there is input, but descriptor 0 is not a pipe to write to",
            ));
        }
        if let Some(group) = self.process_group {
            self.inner.process_group(group);
        }
        Ok(())
    }

    /// Connects the standard descriptors with a new terminal. The parent's end of the terminal
    /// counts as two pipes, one to descriptor 0 and one from descriptor 1, so that each direction
    /// can be closed by itself.
    fn open_terminal(&mut self, size: WindowSize, ours: &mut Vec<ParentEnd>) -> io::Result<()> {
        if [0, 1].iter().any(|it| self.descriptors.contains_key(it)) {
            return Err(invalid("descriptors 0 and 1 are those of the terminal"));
        }
        // A terminal needs a new session (`lead_session`), whose leader has a new group, too.
        if self.process_group.is_some_and(|group| group != 0) {
            return Err(invalid("a program with a terminal leads its own group"));
        }
        let Pty {
            controller,
            terminal,
        } = Pty::open(size.into())?;
        // Two pipes over one open file description, so that each direction closes by itself; the
        // terminal hangs up when both are closed.
        for (number, direction) in [(0, Direction::Write), (1, Direction::Read)] {
            ours.push(ParentEnd {
                number,
                direction,
                is_terminal: true,
                descriptor: controller.try_clone()?,
            });
            let terminal = terminal.try_clone()?;
            self.descriptors
                .insert(number, ChildFd::Descriptor(terminal));
        }
        self.descriptors.entry(2).or_insert_with(|| terminal.into());
        pty::lead_session(&mut self.inner);
        Ok(())
    }
}

/// Calls std's `spawn`, and contains its panic: if the program cannot be run, std waits for the
/// forked child, and panics if its status is lost because `SIGCHLD` is ignored.
fn contained(spawn: impl FnOnce() -> io::Result<process::Child>) -> io::Result<process::Child> {
    Failure::catch(spawn).unwrap_or_else(|_panic| {
        Err(io::Error::other(
            "the program could not be run; the reason is lost, because SIGCHLD is ignored",
        ))
    })
}

/// Occupies the numbers that descriptors get in the child, if they are free in the parent, until
/// the program runs. Otherwise, the pipe of std, by which the forked child reports that the program
/// cannot be run, might get one of these numbers, and the child would overwrite it. (This can still
/// happen if another thread closes one of the numbers at that moment.)
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

/// The child's end of a descriptor.
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

/// The parent's end of a pipe.
pub(super) struct ParentEnd {
    /// The descriptor number of the other end, in the child.
    pub(super) number: i32,
    pub(super) direction: Direction,
    /// Whether the pipe is one direction of a terminal.
    pub(super) is_terminal: bool,
    pub(super) descriptor: OwnedFd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Read,
    Write,
}

impl ParentEnd {
    fn new(number: i32, direction: Direction, descriptor: OwnedFd) -> io::Result<Self> {
        // Made non-blocking; that does not affect the child, because each end of a new pipe has its
        // own open file description.
        rustix::io::ioctl_fionbio(&descriptor, true)?;
        Ok(Self {
            number,
            direction,
            is_terminal: false,
            descriptor,
        })
    }
}
