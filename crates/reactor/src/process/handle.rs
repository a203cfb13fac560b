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
use crate::mailbox::MailboxOwner;
use crate::signals::Signal;

/// A handle on a child, for whoever is not its protocol.
///
/// Cheap to clone, and weak. Dropping it does nothing to the child. Once that is over,
/// what can fail here does.
///
/// From [`spawn_process`](crate::ReactorHandle::spawn_process), or from
/// [`ProcessContext::process`].
///
/// # Examples
///
/// Here and below, the protocol of the child only tells when it is over:
///
/// ```
/// use deferred::{Deferred, Trigger};
/// use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
///
/// struct Worker(Trigger<ProcessEnded>);
///
/// impl ProcessProtocol for Worker {
///     fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) {
///         self.0.callback(ended).unwrap();
///     }
/// }
///
/// let reactor = Reactor::new()?;
/// let (trigger, ended) = Deferred::pair();
/// let process = reactor.spawn_process(Command::new("cat"), Worker(trigger))?;
/// // From anywhere, for as long as it is there:
/// process.write("hello")?;
/// process.close_stdin();
/// assert!(reactor.block_on(ended)?.status().unwrap().success());
/// assert!(process.write("hello?").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Process<P: ProcessProtocol> {
    source: Weak<ProcessSource<P>>,
    pid: u32,
}

impl<P: ProcessProtocol> Process<P> {
    pub(super) fn new(source: &ProcessSource<P>) -> Self {
        Self {
            source: source.mailbox().weak(),
            pid: source.pid(),
        }
    }

    fn source(&self) -> Result<Rc<ProcessSource<P>>, Gone> {
        self.source
            .upgrade()
            .filter(|source| !source.mailbox().is_over())
            .ok_or(Gone)
    }

    /// Whether the child is over: it has exited, and all its pipes are closed.
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
    /// let process = reactor.spawn_process(Command::new("true"), Worker(trigger))?;
    /// assert!(!process.is_gone());
    /// reactor.block_on(ended)?;
    /// # reactor.turn(Some(std::time::Duration::ZERO))?;
    /// assert!(process.is_gone());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_gone(&self) -> bool {
        self.source().is_err()
    }

    /// The child's number. When it is over, it may be another one's.
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
    /// let process = reactor.spawn_process(Command::new("true"), Worker(trigger))?;
    /// println!("started as number {}", process.pid());
    /// assert!(process.pid() > 0);
    /// # assert!(reactor.block_on(ended)?.status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Writes to the child's standard input, in this turn of the loop: see
    /// [`ProcessContext::write`].
    ///
    /// # Errors
    ///
    /// As there; or the child is over.
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
    /// let script = "read line; test \"$line\" = 'hello, child'";
    /// let process = reactor.spawn_process(Command::new("sh").args(["-c", script]), Worker(trigger))?;
    /// process.write("hello, child\n")?;
    /// assert!(reactor.block_on(ended)?.status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write(&self, bytes: impl AsRef<[u8]>) -> Result<(), ProcessError> {
        self.write_to_child(0, bytes)
    }

    /// Writes to the child's descriptor of this number.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
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
    /// use reactor::ChildFd;
    ///
    /// let script = "read order <&3; test $order = go";
    /// let command = Command::new("sh").args(["-c", script]).fd(3, ChildFd::Write);
    /// let process = reactor.spawn_process(command, Worker(trigger))?;
    /// process.write_to_child(3, "go\n")?;
    /// assert!(reactor.block_on(ended)?.status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_to_child(&self, number: i32, bytes: impl AsRef<[u8]>) -> Result<(), ProcessError> {
        match self.source() {
            Ok(source) => source.write(number, bytes.as_ref()),
            Err(Gone) => Err(ProcessError::Exited),
        }
    }

    /// Fires when all that was written to the child's descriptor of this number has gone:
    /// see [`ProcessContext::drained`].
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
    /// let process = reactor.spawn_process(Command::new("cat"), Worker(trigger))?;
    /// process.write(vec![b'x'; 300_000])?;
    /// // More than a pipe holds: the child has read most of it then.
    /// reactor.block_on(process.drained(0))?;
    /// process.close_stdin();
    /// # assert!(reactor.block_on(ended)?.status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn drained(&self, number: i32) -> deferred::Deferred<()> {
        match self.source() {
            Ok(source) => source.drained(number),
            Err(Gone) => fail(ProcessError::Exited),
        }
    }

    /// Closes the child's standard input as soon as everything written so far has gone.
    ///
    /// # Examples
    ///
    /// Many programs end when there is nothing more to read:
    ///
    /// ```
    /// # use deferred::{Deferred, Trigger};
    /// # use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
    /// # struct Worker(Trigger<ProcessEnded>); impl ProcessProtocol for Worker {
    /// # fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) { self.0.callback(ended).unwrap(); }
    /// # }
    /// # let reactor = Reactor::new()?; let (trigger, ended) = Deferred::pair();
    /// let process = reactor.spawn_process(Command::new("cat"), Worker(trigger))?;
    /// process.close_stdin();
    /// assert!(reactor.block_on(ended)?.status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close_stdin(&self) {
        self.close_child_fd(0);
    }

    /// Closes the pipe of the child's descriptor of this number, if it is open.
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
    /// let process = reactor.spawn_process(Command::new("yes"), Worker(trigger))?;
    /// process.close_child_fd(1);
    /// // It can write to nobody, which ends it.
    /// assert!(!reactor.block_on(ended)?.status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close_child_fd(&self, number: i32) {
        if let Ok(source) = self.source() {
            source.close(number);
        }
    }

    /// Closes all pipes: see [`ProcessContext::lose_connection`].
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
    /// let process = reactor.spawn_process(Command::new("cat"), Worker(trigger))?;
    /// process.lose_connection();
    /// assert!(reactor.block_on(ended)?.status().unwrap().success(), "it has come to its end");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    /// use reactor::Signal;
    /// use std::os::unix::process::ExitStatusExt;
    ///
    /// let process = reactor.spawn_process(Command::new("sleep").arg("3600"), Worker(trigger))?;
    /// process.signal(Signal::TERM)?;
    /// let status = reactor.block_on(ended)?.status().unwrap();
    /// assert_eq!(status.signal(), Some(Signal::TERM.number()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        match self.source() {
            Ok(source) => source.signal(signal),
            Err(Gone) => Err(ProcessError::Exited),
        }
    }

    /// Kills the child, if it has not exited.
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
    /// let process = reactor.spawn_process(Command::new("sleep").arg("3600"), Worker(trigger))?;
    /// process.kill();
    /// assert_eq!(reactor.block_on(ended)?.status().unwrap().code(), None, "a signal has ended it");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn kill(&self) {
        if let Ok(source) = self.source() {
            source.kill();
        }
    }

    /// Reads nothing from the child: see [`ProcessContext::pause_reading`].
    ///
    /// # Examples
    ///
    /// A child that waits until there is time for what it says:
    ///
    /// ```
    /// # use deferred::{Deferred, Trigger};
    /// # use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
    /// # struct Worker(Trigger<ProcessEnded>); impl ProcessProtocol for Worker {
    /// # fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) { self.0.callback(ended).unwrap(); }
    /// # }
    /// # let reactor = Reactor::new()?; let (trigger, ended) = Deferred::pair();
    /// let process = reactor.spawn_process(Command::new("echo").arg("hello"), Worker(trigger))?;
    /// process.pause_reading();
    /// let later = process.clone();
    /// reactor.call_later(std::time::Duration::from_millis(1), move || later.resume_reading());
    /// # assert!(reactor.block_on(ended)?.status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pause_reading(&self) {
        if let Ok(source) = self.source() {
            source.set_paused(true);
        }
    }

    /// Undoes [`pause_reading`](Self::pause_reading).
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
    /// let process = reactor.spawn_process(Command::new("yes"), Worker(trigger))?;
    /// process.pause_reading();
    /// process.kill();
    /// // What it has written before it was killed is still to come.
    /// process.resume_reading();
    /// assert_eq!(reactor.block_on(ended)?.status().unwrap().code(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    /// [`ProcessError::Exited`] if the child is over; `f` is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Command, ProcessContext, ProcessProtocol, Reactor};
    /// #[derive(Default)]
    /// struct Worker {
    ///     jobs: Vec<String>,
    /// }
    ///
    /// impl ProcessProtocol for Worker {}
    ///
    /// let reactor = Reactor::new()?;
    /// let process = reactor.spawn_process(Command::new("cat"), Worker::default())?;
    /// process.post(|this, cx: &mut ProcessContext<'_, Worker>| {
    ///     this.jobs.push("dishes".to_owned());
    ///     cx.close_stdin();
    ///     cx.reactor().stop().unwrap();
    /// })?;
    /// reactor.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn post<F, H>(&self, f: F) -> Result<(), ProcessError>
    where
        F: FnOnce(&mut P, &mut ProcessContext<'_, P>) -> H + 'static,
        H: Handled,
    {
        let source = self.source().map_err(|Gone| ProcessError::Exited)?;
        source
            .post(Box::new(move |protocol, cx| f(protocol, cx).into_result()))
            .map_err(|_job| ProcessError::Exited)
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
