//! `ProcessProtocol`: the handlers of a child process, which a user writes.

use std::process::ExitStatus;

use deferred::Result;

use super::context::ProcessContext;
use super::error::ProcessEnded;

/// Handlers of a child process, for its output, the close of its pipes, and its exit.
///
/// The reactor owns the protocol and calls its handlers, one at a time, with a
/// [`ProcessContext`], which writes, signals, waits and schedules. No handler is ever called
/// while another one of the same protocol runs.
///
/// If a handler returns an `Err` or panics, the failure is logged, and the pipes are closed. Most
/// programs end when their pipes are closed; the reactor still waits for the exit.
///
/// # Examples
///
/// ```
/// use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor, ReactorHandle};
///
/// /// Sorts lines, by a program that does so.
/// struct Sorting {
///     sorted: Vec<u8>,
///     reactor: ReactorHandle,
/// }
///
/// impl ProcessProtocol for Sorting {
///     fn connection_made(&mut self, cx: &mut ProcessContext<'_, Self>) -> deferred::Result<()> {
///         cx.write("pear\napple\n")?;
///         cx.close_stdin();
///         Ok(())
///     }
///     fn out_received(
///         &mut self,
///         _: &mut ProcessContext<'_, Self>,
///         data: &[u8],
///     ) -> deferred::Result<()> {
///         self.sorted.extend_from_slice(data);
///         Ok(())
///     }
///     fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) {
///         assert!(ended.status().is_some_and(|status| status.success()));
///         assert_eq!(self.sorted, b"apple\npear\n");
///         self.reactor.stop();
///     }
/// }
///
/// let reactor = Reactor::new()?;
/// let sorting = Sorting {
///     sorted: Vec::new(),
///     reactor: reactor.handle(),
/// };
/// let process = reactor.spawn_process(Command::new("sort"), sorting)?;
/// println!("process {}", process.pid());
/// reactor.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ProcessProtocol: Sized + 'static {
    /// Called when the child runs: once, as the first handler, before `spawn_process` returns.
    ///
    /// # Errors
    ///
    /// Any failure closes the pipes.
    fn connection_made(&mut self, cx: &mut ProcessContext<'_, Self>) -> Result<()> {
        let _ = cx;
        Ok(())
    }

    /// Called when the child has written to its standard output.
    ///
    /// # Errors
    ///
    /// Any failure closes the pipes.
    fn out_received(&mut self, cx: &mut ProcessContext<'_, Self>, data: &[u8]) -> Result<()> {
        let _ = (cx, data);
        Ok(())
    }

    /// Called when the child has written to its standard error.
    ///
    /// # Errors
    ///
    /// Any failure closes the pipes.
    fn err_received(&mut self, cx: &mut ProcessContext<'_, Self>, data: &[u8]) -> Result<()> {
        let _ = (cx, data);
        Ok(())
    }

    /// Called when the child has written to the descriptor of this number. By default, this calls
    /// [`out_received`](Self::out_received) for 1 and [`err_received`](Self::err_received) for 2,
    /// and drops the output of other descriptors.
    ///
    /// # Errors
    ///
    /// Any failure closes the pipes.
    ///
    /// # Examples
    ///
    /// A child that reports its progress at descriptor 3:
    ///
    /// ```
    /// # use deferred::{Deferred, Trigger};
    /// # use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
    /// # struct Worker(Trigger<ProcessEnded>); impl ProcessProtocol for Worker {
    /// # fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) { self.0.callback(ended).unwrap(); }
    /// fn child_data_received(
    ///     &mut self,
    ///     _: &mut ProcessContext<'_, Self>,
    ///     number: i32,
    ///     data: &[u8],
    /// ) -> deferred::Result<()> {
    ///     if number == 3 {
    ///         println!("done so far: {}", String::from_utf8_lossy(data));
    /// #       assert_eq!(data, b"50 %\n");
    ///     }
    ///     Ok(())
    /// }
    /// # }
    /// # let reactor = Reactor::new()?; let (trigger, ended) = Deferred::pair();
    ///
    /// use reactor::ChildFd;
    ///
    /// let script = "echo '50 %' >&3";
    /// let command = Command::new("sh").args(["-c", script]).fd(3, ChildFd::Read);
    /// reactor.spawn_process(command, Worker(trigger))?;
    /// # assert!(reactor.block_on(ended)?.status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn child_data_received(
        &mut self,
        cx: &mut ProcessContext<'_, Self>,
        number: i32,
        data: &[u8],
    ) -> Result<()> {
        match number {
            1 => self.out_received(cx, data),
            2 => self.err_received(cx, data),
            _ => Ok(()),
        }
    }

    /// Called when the pipe of the child's standard input was closed, by either side.
    ///
    /// # Errors
    ///
    /// Any failure closes the pipes.
    fn in_connection_lost(&mut self, cx: &mut ProcessContext<'_, Self>) -> Result<()> {
        let _ = cx;
        Ok(())
    }

    /// Called when the child's standard output was closed, by either side.
    ///
    /// # Errors
    ///
    /// Any failure closes the pipes.
    fn out_connection_lost(&mut self, cx: &mut ProcessContext<'_, Self>) -> Result<()> {
        let _ = cx;
        Ok(())
    }

    /// Called when the child's standard error was closed, by either side.
    ///
    /// # Errors
    ///
    /// Any failure closes the pipes.
    fn err_connection_lost(&mut self, cx: &mut ProcessContext<'_, Self>) -> Result<()> {
        let _ = cx;
        Ok(())
    }

    /// Called when the pipe at the descriptor of this number was closed. By default, this calls one
    /// of the three methods above for 0, 1 and 2.
    ///
    /// # Errors
    ///
    /// Any failure closes the pipes.
    fn child_connection_lost(
        &mut self,
        cx: &mut ProcessContext<'_, Self>,
        number: i32,
    ) -> Result<()> {
        match number {
            0 => self.in_connection_lost(cx),
            1 => self.out_connection_lost(cx),
            2 => self.err_connection_lost(cx),
            _ => Ok(()),
        }
    }

    /// Called when the child has exited. Output that it has written before may still arrive, and
    /// programs that it has started may still write to its pipes. The status is `None` if it is
    /// unknown; see [`ProcessEnded::StatusUnknown`].
    ///
    /// A protocol that does not wait for such output closes the pipes here
    /// ([`lose_connection`](ProcessContext::lose_connection)).
    ///
    /// # Errors
    ///
    /// Any failure closes the pipes.
    ///
    /// # Examples
    ///
    /// Looks at the status at once, although output may still arrive:
    ///
    /// ```
    /// # use deferred::{Deferred, Trigger};
    /// # use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
    /// # struct Worker(Trigger<ProcessEnded>); impl ProcessProtocol for Worker {
    /// # fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) { self.0.callback(ended).unwrap(); }
    /// fn process_exited(
    ///     &mut self,
    ///     _: &mut ProcessContext<'_, Self>,
    ///     status: Option<std::process::ExitStatus>,
    /// ) -> deferred::Result<()> {
    ///     println!("{status:?}");
    ///     assert!(status.is_some_and(|status| status.success()));
    ///     Ok(())
    /// }
    /// # }
    /// # let reactor = Reactor::new()?; let (trigger, ended) = Deferred::pair();
    /// # reactor.spawn_process(Command::new("true"), Worker(trigger))?;
    /// # assert!(reactor.block_on(ended)?.status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn process_exited(
        &mut self,
        cx: &mut ProcessContext<'_, Self>,
        status: Option<ExitStatus>,
    ) -> Result<()> {
        let _ = (cx, status);
        Ok(())
    }

    /// Called when the child has exited and all its pipes are closed, or when the reactor was
    /// stopped: once, as the last handler.
    fn process_ended(&mut self, cx: &mut ProcessContext<'_, Self>, ended: ProcessEnded) {
        let _ = (cx, ended);
    }
}
