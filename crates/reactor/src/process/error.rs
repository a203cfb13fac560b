//! Errors of running a child process, and `ProcessEnded`, the way in which it has ended.

use std::error::Error;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::process::ExitStatus;

/// Error of starting a program.
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

    /// The program, as it was given to [`Command::new`](crate::Command::new).
    pub fn program(&self) -> &str {
        &self.program
    }

    /// The kind of the system's error: `NotFound`, `PermissionDenied`, …; `InvalidInput` if the
    /// descriptors of the command are invalid.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

/// The same as `Display`, because a `main` that returns the error prints its `Debug` form.
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

/// Error of a request to a child.
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
    /// The child has exited.
    Exited,
    /// The child has no open pipe in this direction at the descriptor.
    NoPipe {
        /// The number of the descriptor in the child.
        number: i32,
    },
    /// The child has no terminal ([`Command::pty`](crate::Command::pty)), or its terminal is closed.
    NoTerminal,
    /// More bytes are buffered than [`Command::max_buffered`](crate::Command::max_buffered) allows,
    /// and the pipe has no room. None of the new bytes was accepted.
    Overflow {
        /// The number of buffered bytes, with the new ones.
        buffered: usize,
        /// The limit.
        limit: usize,
    },
    /// Another error of the system.
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
                "{buffered} bytes would be buffered, above `max_buffered` of {limit}"
            ),
            Self::Io(error) => write!(f, "the system refuses a request about the process: {error}"),
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

/// How a child has ended: argument of `ProcessProtocol::process_ended`.
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
///         cx.reactor().stop();
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
    /// The child has exited with this status, and all its pipes are closed.
    Exited(ExitStatus),
    /// The child has exited with an unknown status, and all its pipes are closed. The status is
    /// lost if `SIGCHLD` is ignored (a process inherits that from its parent), or if another part
    /// of the program waits for all children.
    StatusUnknown,
    /// The reactor was stopped or dropped. The child may still run.
    ReactorStopped,
}

impl ProcessEnded {
    /// The exit status, if the child has exited and the status is known.
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
/// Uses the output, whatever the status was:
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
    /// The child's standard output, if that was collected.
    pub stdout: Vec<u8>,
    /// The child's standard error, if that was collected.
    pub stderr: Vec<u8>,
}

impl fmt::Display for StatusUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ProcessEnded::StatusUnknown.fmt(f)
    }
}

impl Error for StatusUnknown {}

/// A child has written more than [`Command::max_output`](crate::Command::max_output) allows, and
/// was killed.
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
/// assert_eq!(failure.to_string(), "the process has written more than `max_output` of 3 bytes");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutputTooLong {
    /// The limit, in bytes.
    pub limit: usize,
}

impl fmt::Display for OutputTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the process has written more than `max_output` of {} bytes",
            self.limit
        )
    }
}

impl Error for OutputTooLong {}
