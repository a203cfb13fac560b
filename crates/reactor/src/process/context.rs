//! `ProcessContext`: what a handler can do.

use std::fmt;
use std::time::Duration;

use deferred::{Deferred, DelayedCall, Result};

use super::error::ProcessError;
use super::handle::Process;
use super::protocol::ProcessProtocol;
use super::source::ProcessSource;
use crate::connection::Handled;
use crate::handle::ReactorHandle;
use crate::host::Host;
use crate::signals::Signal;

/// The number of the standard input.
const STDIN: i32 = 0;

/// What a handler of a [`ProcessProtocol`] is given: its child, and the reactor.
///
/// What is asked for here takes effect when the handler returns.
pub struct ProcessContext<'a, P: ProcessProtocol> {
    source: &'a ProcessSource<P>,
}

impl<'a, P: ProcessProtocol> ProcessContext<'a, P> {
    pub(super) fn new(source: &'a ProcessSource<P>) -> Self {
        Self { source }
    }

    /// Writes to the child's standard input. All that a handler writes goes out together
    /// when it returns; what the child does not take at once waits, and goes as it takes
    /// it.
    ///
    /// # Errors
    ///
    /// That pipe is closed, or was never there; or too much waits: see
    /// [`Command::max_buffered`](crate::Command::max_buffered). Nothing is taken then.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), ProcessError> {
        self.source.write(STDIN, bytes.as_ref())
    }

    /// Writes to the child's descriptor of this number.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    pub fn write_to_child(
        &mut self,
        number: i32,
        bytes: impl AsRef<[u8]>,
    ) -> Result<(), ProcessError> {
        self.source.write(number, bytes.as_ref())
    }

    /// Fires when all that was written to the child's descriptor of this number has gone:
    /// so that the next piece of something long can be written.
    ///
    /// # Errors
    ///
    /// Through the Deferred: the pipe is closed, or gets closed before that.
    pub fn drained(&mut self, number: i32) -> Deferred<()> {
        self.source.drained(number)
    }

    /// Closes the child's standard input as soon as everything written so far has gone.
    pub fn close_stdin(&mut self) {
        self.source.close(STDIN);
    }

    /// Closes the pipe of the child's standard output: it cannot write to it any more.
    pub fn close_stdout(&mut self) {
        self.source.close(1);
    }

    /// Closes the pipe of the child's standard error.
    pub fn close_stderr(&mut self) {
        self.source.close(2);
    }

    /// Closes the pipe of the child's descriptor of this number, if it is open: one that
    /// is written to as soon as everything has gone.
    pub fn close_child_fd(&mut self, number: i32) {
        self.source.close(number);
    }

    /// Closes all pipes. The child is not signalled, and still waited for.
    pub fn lose_connection(&mut self) {
        self.source.close_all();
    }

    /// Sends a signal to the child. (Twisted: `signalProcess`.)
    ///
    /// # Errors
    ///
    /// It has exited, or the system refuses.
    ///
    /// # Examples
    ///
    /// Asks first, and kills what does not hear:
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
    pub fn signal(&mut self, signal: Signal) -> Result<(), ProcessError> {
        self.source.signal(signal)
    }

    /// Kills the child, if it has not exited.
    pub fn kill(&mut self) {
        self.source.kill();
    }

    /// Reads nothing from the child until [`resume_reading`](Self::resume_reading). It has
    /// to wait when its pipes are full. (Twisted: `pauseProducing`.)
    pub fn pause_reading(&mut self) {
        self.source.set_paused(true);
    }

    /// Undoes [`pause_reading`](Self::pause_reading).
    pub fn resume_reading(&mut self) {
        self.source.set_paused(false);
    }

    /// The child's number.
    pub fn pid(&self) -> u32 {
        self.source.pid()
    }

    /// A handle on this child, to be kept elsewhere.
    pub fn process(&self) -> Process<P> {
        Process::new(self.source)
    }

    /// The reactor.
    pub fn reactor(&self) -> &'a ReactorHandle {
        self.source.reactor()
    }

    /// Calls `f` with the protocol when `deferred` has its result.
    ///
    /// It is called from the loop, after the handler that is running then. If the child
    /// is over before that, it is not called, `deferred` is left alone, and a failure is
    /// reported as unhandled.
    pub fn when<T, F, H>(&mut self, deferred: Deferred<T>, f: F)
    where
        T: 'static,
        F: FnOnce(&mut P, &mut ProcessContext<'_, P>, Result<T>) -> H + 'static,
        H: Handled,
    {
        self.source.when(deferred, f);
    }

    /// As [`when`](Self::when), and cancels `deferred` if the child is over first.
    pub fn when_or_cancel<T, F, H>(&mut self, deferred: Deferred<T>, f: F)
    where
        T: 'static,
        F: FnOnce(&mut P, &mut ProcessContext<'_, P>, Result<T>) -> H + 'static,
        H: Handled,
    {
        self.source.when_or_cancel(deferred, f);
    }

    /// Calls `f` with the protocol, `delay` from now. It is cancelled if the child is over
    /// first.
    pub fn call_later<F, H>(&mut self, delay: Duration, f: F) -> DelayedCall
    where
        F: FnOnce(&mut P, &mut ProcessContext<'_, P>) -> H + 'static,
        H: Handled,
    {
        self.source.call_later(delay, f)
    }
}

impl<P: ProcessProtocol> fmt::Debug for ProcessContext<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessContext")
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}
