//! `ProcessContext`: the argument of each handler of a child process's protocol.

use std::fmt;

use deferred::Result;

use super::error::ProcessError;
use super::handle::Process;
use super::protocol::ProcessProtocol;
use super::source::{ProcessSource, STDIN};
use crate::mailbox::context_methods;
use crate::signals::Signal;

/// Argument of each handler of a [`ProcessProtocol`]: acts on its child, and on the reactor.
///
/// Requests take effect when the handler returns. Rarely used methods (for pipes other than
/// standard input, and for pauses) are on the handle:
/// `cx.process().write_to_child(3, "go\n")?`.
///
/// # Examples
///
/// A dialogue with a child:
///
/// ```
/// use reactor::{Command, ProcessContext, ProcessProtocol, Reactor};
///
/// struct Calculator;
///
/// impl ProcessProtocol for Calculator {
///     fn connection_made(&mut self, cx: &mut ProcessContext<'_, Self>) -> deferred::Result<()> {
///         Ok(cx.write("6 7\n")?)
///     }
///     fn out_received(
///         &mut self,
///         cx: &mut ProcessContext<'_, Self>,
///         data: &[u8],
///     ) -> deferred::Result<()> {
///         println!("the answer is {}", String::from_utf8_lossy(data));
///         cx.close_stdin();
///         cx.reactor().stop();
///         Ok(())
///     }
/// }
///
/// let reactor = Reactor::new()?;
/// let script = "while read x y; do echo $((x * y)); done";
/// reactor.spawn_process(Command::new("sh").args(["-c", script]), Calculator)?;
/// reactor.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ProcessContext<'a, P: ProcessProtocol> {
    source: &'a ProcessSource<P>,
}

impl<P: ProcessProtocol> ProcessContext<'_, P> {
    pub(super) fn new(source: &ProcessSource<P>) -> ProcessContext<'_, P> {
        ProcessContext { source }
    }

    /// Writes to the child's standard input. The output of a handler is sent when it returns;
    /// bytes that the pipe has no room for are buffered until it has.
    ///
    /// # Errors
    ///
    /// If the pipe is closed, the command has none, or more bytes are buffered than
    /// [`Command::max_buffered`](crate::Command::max_buffered) allows. Then none of `bytes` is
    /// written.
    #[doc(alias = "writeToChild")]
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), ProcessError> {
        self.source.write(STDIN, bytes.as_ref())
    }

    /// Closes the child's standard input when the bytes written so far are sent. A program that
    /// reads its input to the end sees the end then.
    #[doc(alias = "closeStdin")]
    pub fn close_stdin(&mut self) {
        // Errs if that pipe is closed already; harmless.
        let _ = self.source.close(STDIN);
    }

    /// Closes the pipes that the parent writes, as soon as their bytes are written.
    pub(super) fn end_input(&mut self) {
        self.source.end_input();
    }

    /// Closes all pipes. The child is not signalled, and its exit is still waited for.
    #[doc(alias = "loseConnection")]
    pub fn lose_connection(&mut self) {
        self.source.close_all();
    }

    /// Sends a signal to the child.
    ///
    /// # Errors
    ///
    /// If the child has exited, or the system refuses.
    ///
    /// # Examples
    ///
    /// Asks the child to end when its output has ended, and kills it five seconds later:
    ///
    /// ```
    /// # use reactor::{ProcessContext, ProcessProtocol, Signal};
    /// # use std::time::Duration;
    /// # struct Worker;
    /// # impl ProcessProtocol for Worker {
    /// fn out_connection_lost(&mut self, cx: &mut ProcessContext<'_, Self>) -> deferred::Result<()> {
    ///     cx.signal(Signal::TERM)?;
    ///     cx.call_later(Duration::from_secs(5), |_this, cx| cx.kill());
    ///     Ok(())
    /// }
    /// # }
    /// ```
    #[doc(alias = "signalProcess")]
    pub fn signal(&mut self, signal: Signal) -> Result<(), ProcessError> {
        self.source.signal(signal)
    }

    /// Kills the child, if it has not exited.
    pub fn kill(&mut self) {
        self.source.kill();
    }

    /// The child's process ID.
    #[doc(alias = "id")]
    pub fn pid(&self) -> u32 {
        self.source.pid()
    }

    /// A handle on this child, which can be kept after the handler has returned.
    #[doc(alias = "transport")]
    pub fn process(&self) -> Process<P> {
        Process::new(self.source)
    }
}

context_methods! {
    ProcessContext, ProcessProtocol, "child", "over";
    when;
    call_every;
}

impl<P: ProcessProtocol> fmt::Debug for ProcessContext<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessContext")
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}
