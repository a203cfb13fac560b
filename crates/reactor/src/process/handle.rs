//! `Process`: a child from anywhere in the loop's thread.

use std::fmt;
use std::rc::{Rc, Weak};

use deferred::{Result, fail};

use super::context::ProcessContext;
use super::error::ProcessError;
use super::protocol::ProcessProtocol;
use super::source::ProcessSource;
use crate::connection::Handled;
use crate::error::Gone;
use crate::host::Host;
use crate::signals::Signal;

/// A handle on a child, for whoever is not its protocol.
///
/// Cheap to clone, and weak. Dropping it does nothing to the child. Once that is over,
/// what can fail here does.
///
/// From [`spawn_process`](crate::ReactorHandle::spawn_process), or from
/// [`ProcessContext::process`].
pub struct Process<P: ProcessProtocol> {
    source: Weak<ProcessSource<P>>,
    pid: u32,
}

impl<P: ProcessProtocol> Process<P> {
    pub(super) fn new(source: &ProcessSource<P>) -> Self {
        Self {
            source: source.desk().weak(),
            pid: source.pid(),
        }
    }

    fn source(&self) -> Result<Rc<ProcessSource<P>>, Gone> {
        self.source
            .upgrade()
            .filter(|source| !source.desk().is_over())
            .ok_or(Gone)
    }

    /// Whether the child is over: it has exited, and all its pipes are closed.
    pub fn is_gone(&self) -> bool {
        self.source().is_err()
    }

    /// The child's number. When it is over, it may be another one's.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Writes to the child's standard input, in this turn of the loop: see
    /// [`ProcessContext::write`].
    ///
    /// # Errors
    ///
    /// As there; or the child is over.
    pub fn write(&self, bytes: impl AsRef<[u8]>) -> Result<(), ProcessError> {
        self.write_to_child(0, bytes)
    }

    /// Writes to the child's descriptor of this number.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    pub fn write_to_child(&self, number: i32, bytes: impl AsRef<[u8]>) -> Result<(), ProcessError> {
        match self.source() {
            Ok(source) => source.write(number, bytes.as_ref()),
            Err(Gone) => Err(ProcessError::Exited),
        }
    }

    /// Fires when all that was written to the child's descriptor of this number has gone:
    /// see [`ProcessContext::drained`].
    pub fn drained(&self, number: i32) -> deferred::Deferred<()> {
        match self.source() {
            Ok(source) => source.drained(number),
            Err(Gone) => fail(ProcessError::Exited),
        }
    }

    /// Closes the child's standard input as soon as everything written so far has gone.
    pub fn close_stdin(&self) {
        self.close_child_fd(0);
    }

    /// Closes the pipe of the child's descriptor of this number, if it is open.
    pub fn close_child_fd(&self, number: i32) {
        if let Ok(source) = self.source() {
            source.close(number);
        }
    }

    /// Closes all pipes: see [`ProcessContext::lose_connection`].
    pub fn lose_connection(&self) {
        if let Ok(source) = self.source() {
            source.close_all();
        }
    }

    /// Sends a signal to the child.
    ///
    /// # Errors
    ///
    /// It has exited, or the system refuses.
    pub fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        match self.source() {
            Ok(source) => source.signal(signal),
            Err(Gone) => Err(ProcessError::Exited),
        }
    }

    /// Kills the child, if it has not exited.
    pub fn kill(&self) {
        if let Ok(source) = self.source() {
            source.kill();
        }
    }

    /// Reads nothing from the child: see [`ProcessContext::pause_reading`].
    pub fn pause_reading(&self) {
        if let Ok(source) = self.source() {
            source.set_paused(true);
        }
    }

    /// Undoes [`pause_reading`](Self::pause_reading).
    pub fn resume_reading(&self) {
        if let Ok(source) = self.source() {
            source.set_paused(false);
        }
    }

    /// Calls `f` with the protocol, from the loop, in this turn: after the handler that is
    /// running, if there is one.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the child is over; `f` is dropped.
    pub fn post<F, H>(&self, f: F) -> Result<(), Gone>
    where
        F: FnOnce(&mut P, &mut ProcessContext<'_, P>) -> H + 'static,
        H: Handled,
    {
        self.source()?
            .post(Box::new(move |protocol, cx| f(protocol, cx).into_result()))
            .map_err(|_job| Gone)
    }
}

impl<P: ProcessProtocol> Clone for Process<P> {
    fn clone(&self) -> Self {
        Self {
            source: Weak::clone(&self.source),
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
