//! Errors of a child, and how it ends.

use std::error::Error;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::process::ExitStatus;

/// Why a program could not be run.
///
/// # Examples
///
/// ```
/// use reactor::{Command, Reactor};
///
/// let reactor = Reactor::new()?;
/// let running = Command::new("no such program").status(&reactor);
/// let failure = reactor.block_on(running).unwrap_err();
/// assert!(failure.to_string().starts_with("cannot run \"no such program\": "));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
///
/// # Examples
///
/// ```
/// # use deferred::{Deferred, Trigger};
/// # use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
/// # struct Worker(Trigger<ProcessEnded>); impl ProcessProtocol for Worker {
/// # fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) { self.0.callback(ended).unwrap(); }
/// # }
/// # let reactor = Reactor::new()?; let (trigger, ended) = Deferred::pair();
/// use reactor::ProcessError;
///
/// let process = reactor.spawn_process(Command::new("true"), Worker(trigger))?;
/// let refused = process.write_to_child(7, "it has no such descriptor");
/// assert!(matches!(refused, Err(ProcessError::NoPipe { number: 7 })));
/// reactor.block_on(ended)?;
/// assert!(matches!(process.write("hello?"), Err(ProcessError::Exited)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    /// It has no terminal ([`Command::pty`](crate::Command::pty)), or that is closed.
    NoTerminal,
    /// More bytes wait to be written than are allowed, and the child takes none now. None of
    /// the further ones was taken.
    Overflow {
        /// How many bytes would wait with them.
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
            Self::NoTerminal => f.write_str("the process has no open terminal"),
            Self::Overflow { buffered, limit } => write!(
                f,
                "{buffered} bytes would wait to be written to the process, {limit} are allowed"
            ),
            Self::Io(error) => write!(f, "the process cannot be asked for that: {error}"),
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
///
/// # Examples
///
/// ```
/// # use reactor::{Command, ProcessContext, ProcessProtocol, Reactor};
/// use reactor::ProcessEnded;
///
/// struct Worker;
///
/// impl ProcessProtocol for Worker {
///     fn process_ended(&mut self, cx: &mut ProcessContext<'_, Self>, ended: ProcessEnded) {
///         match ended {
///             ProcessEnded::Exited(status) => println!("it has done its work: {status}"),
///             other => println!("it goes on without us: {other}"),
///         }
///         let _ = cx.reactor().stop();
///     }
/// }
/// # let reactor = Reactor::new()?;
/// # reactor.spawn_process(Command::new("true"), Worker)?;
/// # reactor.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProcessEnded {
    /// It has exited, with this status, and all its pipes are closed.
    Exited(ExitStatus),
    /// It has exited, and all its pipes are closed; with which status, only the system knows.
    /// That happens where `SIGCHLD` is ignored, which a process inherits from the one that has
    /// started it, or where another part of the program waits for all children.
    StatusUnknown,
    /// The reactor was stopped or dropped. The child is left to itself.
    ReactorStopped,
}

impl ProcessEnded {
    /// The status, if it has exited, and the status is known.
    pub fn status(self) -> Option<ExitStatus> {
        match self {
            Self::Exited(status) => Some(status),
            Self::StatusUnknown | Self::ReactorStopped => None,
        }
    }
}

impl fmt::Display for ProcessEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "the process has ended: {status}"),
            Self::StatusUnknown => f.write_str("the process has ended; its status is unknown"),
            Self::ReactorStopped => f.write_str("the reactor was stopped"),
        }
    }
}

impl Error for ProcessEnded {}

/// A child has exited, and its status is unknown; see [`ProcessEnded::StatusUnknown`]. Its output
/// is complete.
///
/// # Examples
///
/// Makes do with the output:
///
/// ```
/// use reactor::{Command, Reactor, StatusUnknown};
///
/// let reactor = Reactor::new()?;
/// let date = Command::new("date")
///     .output(&reactor)
///     .add_callback(|output| Ok(output.stdout))
///     .add_errback(|failure| Ok(failure.trap::<StatusUnknown>()?.stdout.clone()));
/// assert!(!reactor.block_on(date)?.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatusUnknown {
    /// What it has written to its standard output, if that was collected.
    pub stdout: Vec<u8>,
    /// What it has written to its standard error, if that was collected.
    pub stderr: Vec<u8>,
}

impl fmt::Display for StatusUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ProcessEnded::StatusUnknown.fmt(f)
    }
}

impl Error for StatusUnknown {}

/// A child has written more than [`Command::max_output`](crate::Command::max_output)
/// allows; it was killed.
///
/// # Examples
///
/// ```
/// use reactor::{Command, OutputTooLong, Reactor};
///
/// let reactor = Reactor::new()?;
/// let running = Command::new("echo").arg("too much").max_output(3).output(&reactor);
/// let failure = reactor.block_on(running).unwrap_err();
/// assert!(failure.is::<OutputTooLong>());
/// assert_eq!(failure.to_string(), "the process has written more than 3 bytes");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
