//! `Command::output` and `Command::status`: the result of a child, as a Deferred.

use std::cell::RefCell;
use std::process::{ExitStatus, Output};
use std::rc::Rc;

use deferred::{Deferred, Failure, Result, Trigger, fail};

use super::child_fd::ChildFd;
use super::command::Command;
use super::context::ProcessContext;
use super::error::{OutputTooLong, ProcessEnded, StatusUnknown};
use super::handle::Process;
use super::protocol::ProcessProtocol;
use crate::handle::ReactorHandle;

impl Command {
    /// Runs the program. The Deferred fires with its output and exit status when it has exited and
    /// its pipes are closed. (Twisted: `getProcessOutputAndValue`.)
    ///
    /// By default, its standard input is `/dev/null`. A pipe that was set to [`ChildFd::Write`] is
    /// closed after the [input](Self::input), or at once if there is none. A program that exits
    /// with an error status is not a failure of the Deferred. Cancelling the Deferred kills the
    /// program.
    ///
    /// # Errors
    ///
    /// Through the Deferred: a [`SpawnError`](crate::SpawnError); an
    /// [`OutputTooLong`](crate::OutputTooLong); [`StatusUnknown`], with the output; or
    /// [`ProcessEnded::ReactorStopped`].
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::{Command, Reactor};
    /// use std::time::Duration;
    ///
    /// let reactor = Reactor::new()?;
    /// let handle = reactor.handle();
    /// Command::new("sleep")
    ///     .arg("3600")
    ///     .output(&reactor)
    ///     .add_timeout(Duration::from_millis(5), &reactor)
    ///     .add_both(move |output| {
    ///         assert!(output.unwrap_err().is::<deferred::TimedOut>());
    ///         handle.stop();
    ///     });
    /// reactor.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn output(mut self, reactor: &ReactorHandle) -> Deferred<Output> {
        if self.input.is_none() {
            self.default_fd(0, ChildFd::Null);
        }
        self.collect(reactor, true)
    }

    /// Runs the program. The Deferred fires with its exit status when it has exited. (Twisted:
    /// `getProcessValue`.)
    ///
    /// By default, it inherits the standard input, output and error of this process. Bytes that it
    /// writes to a pipe that was [set](Self::fd) are read and dropped, without a limit. Cancelling
    /// the Deferred kills the program.
    ///
    /// # Errors
    ///
    /// Through the Deferred: a [`SpawnError`](crate::SpawnError), a [`StatusUnknown`], or
    /// [`ProcessEnded::ReactorStopped`].
    pub fn status(mut self, reactor: &ReactorHandle) -> Deferred<ExitStatus> {
        if self.input.is_none() {
            self.default_fd(0, ChildFd::Inherit);
        }
        for number in [1, 2] {
            self.default_fd(number, ChildFd::Inherit);
        }
        self.collect(reactor, false)
            .add_callback(|output| Ok(output.status))
    }

    /// Runs the program. With `is_kept`, keeps the bytes that it writes to descriptors 1 and 2, if
    /// those are pipes.
    fn collect(self, reactor: &ReactorHandle, is_kept: bool) -> Deferred<Output> {
        // `None` until the spawn, which needs the trigger. No cancel can come before, because the
        // Deferred is not returned yet.
        let process = Rc::new(RefCell::new(None::<Process<Collecting>>));
        let to_kill = Rc::clone(&process);
        let (trigger, output) = Deferred::with_canceller(move |_trigger| {
            if let Some(process) = to_kill.take() {
                process.kill();
                // Grandchildren may keep the pipes open.
                process.lose_connection();
            }
        });
        let collecting = Collecting {
            stdout: Vec::new(),
            stderr: Vec::new(),
            is_kept,
            limit: self.max_output,
            is_too_long: false,
            trigger,
        };
        match reactor.spawn_process(self, collecting) {
            Ok(spawned) => {
                process.replace(Some(spawned));
                output
            }
            Err(error) => {
                // The trigger was dropped with `collecting`, so the Deferred has failed with
                // `Abandoned`; the error replaces that.
                output.ignore();
                fail(error)
            }
        }
    }
}

struct Collecting {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    is_kept: bool,
    limit: usize,
    // Set when one of the two exceeds `limit`, never cleared.
    is_too_long: bool,
    trigger: Trigger<Output>,
}

impl ProcessProtocol for Collecting {
    /// Closes the pipes that the parent writes after the command's input, because nothing else will
    /// be written.
    fn connection_made(&mut self, cx: &mut ProcessContext<'_, Self>) -> Result<()> {
        cx.end_input();
        Ok(())
    }

    fn child_data_received(
        &mut self,
        cx: &mut ProcessContext<'_, Self>,
        number: i32,
        data: &[u8],
    ) -> Result<()> {
        let collected = match number {
            1 if self.is_kept => &mut self.stdout,
            2 if self.is_kept => &mut self.stderr,
            _ => return Ok(()),
        };
        // The limit applies to each of the two. Bytes that exceed it are not kept.
        if collected.len() + data.len() > self.limit {
            // The Deferred fails in `process_ended`, when the child is gone. A failure here would be
            // followed by a second result there.
            self.is_too_long = true;
            cx.kill();
            cx.lose_connection();
            return Ok(());
        }
        collected.extend_from_slice(data);
        Ok(())
    }

    fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) {
        // This is the last call of the protocol, so the collected bytes can be moved out.
        let result = match ended {
            _ if self.is_too_long => Err(Failure::new(OutputTooLong { limit: self.limit })),
            ProcessEnded::Exited(status) => Ok(Output {
                status,
                stdout: std::mem::take(&mut self.stdout),
                stderr: std::mem::take(&mut self.stderr),
            }),
            ProcessEnded::StatusUnknown => Err(Failure::new(StatusUnknown {
                stdout: std::mem::take(&mut self.stdout),
                stderr: std::mem::take(&mut self.stderr),
            })),
            ProcessEnded::ReactorStopped => Err(Failure::new(ended)),
        };
        // Errs if the Deferred was cancelled; then there is nothing to fire.
        let _ = self.trigger.fire(result);
    }
}
