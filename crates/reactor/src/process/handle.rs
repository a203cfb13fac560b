//! `Process`: handle on a child process, for all code of the loop's thread except the handlers of
//! its protocol, which use a `ProcessContext`.

use std::fmt;
use std::rc::Rc;

use deferred::{Deferred, Result, fail};

use super::context::ProcessContext;
use super::error::ProcessError;
use super::protocol::ProcessProtocol;
use super::source::{ProcessSource, STDERR, STDIN, STDOUT};
use super::window_size::WindowSize;
use crate::mailbox::{MailboxOwner, OwnerRef, handle_methods};
use crate::signals::Signal;

/// Handle on a child process, for other protocols, callbacks and timers, and with methods that a
/// [`ProcessContext`] does not have. Returned by
/// [`spawn_process`](crate::ReactorHandle::spawn_process) and [`ProcessContext::process`].
///
/// Cheap to clone, and weak: dropping it does not end the child. Once the child has exited and all
/// its pipes are closed, methods fail with [`ProcessError::Exited`]; `kill` and `lose_connection`
/// do nothing.
///
/// # Examples
///
/// ```
/// # use deferred::{Deferred, Trigger};
/// # use reactor::{ProcessContext, ProcessEnded};
/// use reactor::{Command, ProcessProtocol, Reactor};
///
/// struct Sorter(Trigger<ProcessEnded>);
///
/// impl ProcessProtocol for Sorter {
/// #   fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) {
/// #       self.0.callback(ended).unwrap();
/// #   }
///     // ...
/// }
///
/// let reactor = Reactor::new()?;
/// let (trigger, ended) = Deferred::pair();
/// let sorter = reactor.spawn_process(Command::new("sort"), Sorter(trigger))?;
/// sorter.write("pear\napple\n")?;
/// sorter.close_stdin()?;
/// assert!(reactor.block_on(ended)?.status().unwrap().success());
/// assert!(sorter.is_gone());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "Child")]
#[doc(alias = "IProcessTransport")]
pub struct Process<P: ProcessProtocol> {
    source: OwnerRef<ProcessSource<P>>,
    pid: u32,
}

// `is_gone`, `post`, `call`, and equality by identity.
handle_methods! {
    Process, ProcessContext, ProcessProtocol, "child", ProcessError, "[`ProcessError::Exited`]"
}

impl<P: ProcessProtocol> Process<P> {
    pub(super) fn new(source: &ProcessSource<P>) -> Self {
        Self {
            source: OwnerRef::new(source.mailbox().weak()),
            pid: source.pid(),
        }
    }

    fn source(&self) -> Result<Rc<ProcessSource<P>>, ProcessError> {
        self.source.get()
    }

    /// The child's process ID. After its exit, the system may give it to another process.
    #[doc(alias = "id")]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Writes to the child's standard input: see [`ProcessContext::write`].
    ///
    /// # Errors
    ///
    /// If the child has ended, the pipe is closed, or too many bytes are buffered. Then none of
    /// `bytes` is written.
    pub fn write(&self, bytes: impl AsRef<[u8]>) -> Result<(), ProcessError> {
        self.write_to_child(STDIN, bytes)
    }

    /// Writes to the child's descriptor of this number.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    ///
    /// # Examples
    ///
    /// A child that reads commands from descriptor 3:
    ///
    /// ```
    /// # use deferred::{Deferred, Trigger};
    /// # use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
    /// # struct Worker(Trigger<ProcessEnded>); impl ProcessProtocol for Worker {
    /// # fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) { self.0.callback(ended).unwrap(); }
    /// # }
    /// # let reactor = Reactor::new()?; let (trigger, ended) = Deferred::pair();
    /// use reactor::ChildFd;
    ///
    /// let script = "read order <&3; test $order = go";
    /// let command = Command::new("sh").args(["-c", script]).fd(3, ChildFd::Write);
    /// let process = reactor.spawn_process(command, Worker(trigger))?;
    /// process.write_to_child(3, "go\n")?;
    /// # assert!(reactor.block_on(ended)?.status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "writeToChild")]
    pub fn write_to_child(&self, number: i32, bytes: impl AsRef<[u8]>) -> Result<(), ProcessError> {
        self.source()?.write(number, bytes.as_ref())
    }

    /// Fires when all bytes that were written to the child's descriptor of this number are sent.
    /// With this, large output can be written piece by piece.
    ///
    /// # Errors
    ///
    /// The Deferred fails if the pipe is closed, now or before all bytes are sent.
    ///
    /// # Examples
    ///
    /// ```
    /// # use deferred::{Deferred, Trigger};
    /// # use reactor::{Command, Process, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
    /// # struct Worker(Trigger<ProcessEnded>); impl ProcessProtocol for Worker {
    /// # fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) { self.0.callback(ended).unwrap(); }
    /// # }
    /// async fn feed(child: Process<Worker>) -> deferred::Result<()> {
    ///     for _ in 0..3 {
    ///         child.write(vec![b'x'; 100_000])?;
    ///         child.drained(0).await?;
    ///     }
    ///     Ok(child.close_stdin()?)
    /// }
    /// # let reactor = Reactor::new()?; let (trigger, ended) = Deferred::pair();
    /// # let script = "test $(wc -c) = 300000";
    /// # let child = reactor.spawn_process(Command::new("sh").args(["-c", script]), Worker(trigger))?;
    /// # reactor.block_on(deferred::inline_callbacks(feed(child)))?;
    /// # assert!(reactor.block_on(ended)?.status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "flush")]
    pub fn drained(&self, number: i32) -> Deferred<()> {
        match self.source() {
            Ok(source) => source.drained(number),
            Err(exited) => fail(exited),
        }
    }

    /// Closes the child's standard input when the bytes written so far are sent.
    ///
    /// # Errors
    ///
    /// If the child has ended, or the pipe is closed.
    #[doc(alias = "closeStdin")]
    pub fn close_stdin(&self) -> Result<(), ProcessError> {
        self.close_child_fd(STDIN)
    }

    /// Closes the pipe of the child's standard output. The child's next write fails with `EPIPE`,
    /// or kills it with `SIGPIPE`.
    ///
    /// # Errors
    ///
    /// If the child has ended, or the pipe is closed.
    ///
    /// # Examples
    ///
    /// Ends a program that never stops writing:
    ///
    /// ```
    /// # use deferred::{Deferred, Trigger};
    /// # use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
    /// # struct Worker(Trigger<ProcessEnded>); impl ProcessProtocol for Worker {
    /// # fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) { self.0.callback(ended).unwrap(); }
    /// # }
    /// # let reactor = Reactor::new()?; let (trigger, ended) = Deferred::pair();
    /// let yes = reactor.spawn_process(Command::new("yes"), Worker(trigger))?;
    /// yes.close_stdout()?;
    /// assert!(!reactor.block_on(ended)?.status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "closeStdout")]
    pub fn close_stdout(&self) -> Result<(), ProcessError> {
        self.close_child_fd(STDOUT)
    }

    /// Closes the pipe of the child's standard error.
    ///
    /// # Errors
    ///
    /// If the child has ended, or the pipe is closed.
    #[doc(alias = "closeStderr")]
    pub fn close_stderr(&self) -> Result<(), ProcessError> {
        self.close_child_fd(STDERR)
    }

    /// Closes the pipe of the child's descriptor of this number; a pipe that the parent writes is
    /// closed when the bytes written so far are sent.
    ///
    /// # Errors
    ///
    /// If the child has ended, or has no open pipe with this number.
    #[doc(alias = "closeChildFD")]
    pub fn close_child_fd(&self, number: i32) -> Result<(), ProcessError> {
        self.source()?.close(number)
    }

    /// Closes all pipes. The child is not signalled, and its exit is still waited for.
    ///
    /// # Examples
    ///
    /// Does not wait for the output of programs that the child has left running:
    ///
    /// ```
    /// # use deferred::{Deferred, Trigger};
    /// # use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
    /// # struct Worker(Trigger<ProcessEnded>); impl ProcessProtocol for Worker {
    /// # fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) { self.0.callback(ended).unwrap(); }
    /// # }
    /// # let reactor = Reactor::new()?; let (trigger, ended) = Deferred::pair();
    /// let script = "sleep 10 & exit 0";
    /// let process = reactor.spawn_process(Command::new("sh").args(["-c", script]), Worker(trigger))?;
    /// process.lose_connection();
    /// # assert!(reactor.block_on(ended)?.status().is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "loseConnection")]
    pub fn lose_connection(&self) {
        if let Ok(source) = self.source() {
            source.close_all();
        }
    }

    /// Sends a signal to the child.
    ///
    /// # Errors
    ///
    /// If the child has exited, or the system refuses.
    #[doc(alias = "signalProcess")]
    pub fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        self.source()?.signal(signal)
    }

    /// Kills the child, if it has not exited.
    pub fn kill(&self) {
        if let Ok(source) = self.source() {
            source.kill();
        }
    }

    /// Sets the window size of the child's terminal. The foreground programs of the terminal get a
    /// `SIGWINCH`.
    ///
    /// # Errors
    ///
    /// If the child has ended, has no terminal ([`Command::pty`](crate::Command::pty)), or its
    /// terminal is closed.
    #[doc(alias = "setWindowSize")]
    #[doc(alias = "TIOCSWINSZ")]
    pub fn set_window_size(&self, size: WindowSize) -> Result<(), ProcessError> {
        self.source()?.set_window_size(size)
    }

    /// Stops reading from the child until [`resume_reading`](Self::resume_reading). The child
    /// blocks in its writes when its pipes are full.
    ///
    /// # Errors
    ///
    /// If the child has ended.
    #[doc(alias = "pauseProducing")]
    pub fn pause_reading(&self) -> Result<(), ProcessError> {
        self.source()?.set_paused(true);
        Ok(())
    }

    /// Reads from the child again.
    ///
    /// # Errors
    ///
    /// If the child has ended.
    #[doc(alias = "resumeProducing")]
    pub fn resume_reading(&self) -> Result<(), ProcessError> {
        self.source()?.set_paused(false);
        Ok(())
    }
}

impl<P: ProcessProtocol> Clone for Process<P> {
    fn clone(&self) -> Self {
        Self {
            source: self.source.clone(),
            pid: self.pid,
        }
    }
}

impl<P: ProcessProtocol> fmt::Debug for Process<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("pid", &self.pid)
            .field("is_gone", &self.is_gone())
            .finish_non_exhaustive()
    }
}
