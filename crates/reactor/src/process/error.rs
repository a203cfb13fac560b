//! What can go wrong with a child, and how it ends.

use std::error::Error;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::process::ExitStatus;

/// Why a program could not be run.
pub struct SpawnError {
    program: String,
    source: io::Error,
}

impl SpawnError {
    pub(super) fn new(program: &OsStr, source: io::Error) -> Self {
        Self {
            program: program.to_string_lossy().into_owned(),
            source,
        }
    }

    /// The program, as it was given.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// What kind of error the system gave: `NotFound`, `PermissionDenied`, …;
    /// `InvalidInput` for a map of descriptors that makes no sense.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

/// The same as `Display`, as it is what a `main` that returns the error prints.
impl fmt::Debug for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot run {:?}: {}", self.program, self.source)
    }
}

impl Error for SpawnError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// Why something cannot be asked of a child.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProcessError {
    /// It has exited.
    Exited,
    /// It has no such pipe, or not in this direction, or that is closed.
    NoPipe {
        /// The number that the descriptor has in the child.
        number: i32,
    },
    /// More bytes would wait to be written than are allowed. None was taken.
    Overflow {
        /// How many bytes would have waited.
        buffered: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// Something else, that the system tells.
    Io(io::Error),
}

impl fmt::Display for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited => f.write_str("the process has exited"),
            Self::NoPipe { number } => {
                write!(f, "the process has no open pipe at descriptor {number}")
            }
            Self::Overflow { buffered, limit } => write!(
                f,
                "{buffered} bytes would wait to be written to the process, {limit} are allowed"
            ),
            Self::Io(error) => write!(f, "the process cannot be signalled: {error}"),
        }
    }
}

impl Error for ProcessError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// How a child is over; `ProcessProtocol::process_ended` gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProcessEnded {
    /// It has exited, with this status, and all its pipes are closed.
    Exited(ExitStatus),
    /// The reactor was stopped or dropped. The child is left to itself.
    ReactorGone,
}

impl ProcessEnded {
    /// The status, if it has exited.
    pub fn status(self) -> Option<ExitStatus> {
        match self {
            Self::Exited(status) => Some(status),
            Self::ReactorGone => None,
        }
    }
}

impl fmt::Display for ProcessEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "the process has ended: {status}"),
            Self::ReactorGone => f.write_str("the reactor is gone"),
        }
    }
}

impl Error for ProcessEnded {}

/// A child has written more than [`Command::max_output`](crate::Command::max_output)
/// allows; it was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutputTooLong {
    /// How many bytes are allowed.
    pub limit: usize,
}

impl fmt::Display for OutputTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the process has written more than {} bytes", self.limit)
    }
}

impl Error for OutputTooLong {}
