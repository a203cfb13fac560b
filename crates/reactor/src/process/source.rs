//! Event source of a child process: its pipes, its exit, and the calls of its handlers.
//!
//! ```text
//!  start ──▶ connection_made ──▶ child_data_received* ──▶ process_ended
//!                                child_connection_lost*
//!                                process_exited
//!                 after each of them: the jobs that wait for the protocol
//! ```

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::rc::{Rc, Weak};

use deferred::{Deferred, Failure, Trigger, fail};

use super::command::Command;
use super::context::ProcessContext;
use super::error::{ProcessEnded, ProcessError, SpawnError};
use super::exit::{self, ChildHandle, Exit, Status, Watched};
use super::handle::Process;
use super::owner::ChildOwner;
use super::pipe::Pipe;
use super::protocol::ProcessProtocol;
use super::spawning::{ParentEnd, Spawned};
use super::window_size::WindowSize;
use crate::core::{Core, Runnable};
use crate::handle::ReactorHandle;
use crate::mailbox::{JobOwner, Jobs, Mailbox, MailboxOwner, MailboxStatus, PlainStatus};
use crate::report::{Of, report};
use crate::signals::Signal;

/// Numbers of the standard descriptors.
pub(super) const STDIN: i32 = 0;
pub(super) const STDOUT: i32 = 1;
pub(super) const STDERR: i32 = 2;

impl ReactorHandle {
    /// Runs a program as a child process. `protocol` gets its output and its exit status.
    ///
    /// The reactor reaps the child when it exits. If `SIGCHLD` is ignored, the system reaps it, and
    /// the status is unknown ([`ProcessEnded::StatusUnknown`](crate::ProcessEnded::StatusUnknown)).
    /// If the reactor is stopped or dropped first, the pipes are closed after the bytes that were
    /// written to them are sent (see [`stop`](ReactorHandle::stop)). The child is not killed; a
    /// thread reaps it when it exits.
    ///
    /// # Errors
    ///
    /// If the program does not exist or is not executable, the working directory does not exist,
    /// the descriptors of the command are invalid, the limit of descriptors or processes is
    /// reached, or the reactor is gone. A [test reactor](crate::testing) refuses all programs.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
    ///
    /// struct Date;
    ///
    /// impl ProcessProtocol for Date {
    ///     fn out_received(
    ///         &mut self,
    ///         _: &mut ProcessContext<'_, Self>,
    ///         data: &[u8],
    ///     ) -> deferred::Result<()> {
    ///         print!("it is {}", String::from_utf8_lossy(data));
    ///         Ok(())
    ///     }
    ///     fn process_ended(&mut self, cx: &mut ProcessContext<'_, Self>, ended: ProcessEnded) {
    ///         println!("{ended}");
    ///         cx.reactor().stop();
    ///     }
    /// }
    ///
    /// let reactor = Reactor::new()?;
    /// let process = reactor.spawn_process(Command::new("date"), Date)?;
    /// assert!(!process.is_gone());
    /// reactor.run()?;
    /// assert!(process.is_gone());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn_process<P: ProcessProtocol>(
        &self,
        command: Command,
        protocol: P,
    ) -> Result<Process<P>, SpawnError> {
        let program = command.program();
        let spawn = || {
            let core = self.core().map_err(io::Error::other)?;
            ProcessSource::start(&core, self, command, protocol)
        };
        match spawn() {
            Ok(source) => Ok(Process::new(&source)),
            Err(error) => Err(SpawnError::new(&program, error)),
        }
    }
}

pub(crate) struct ProcessSource<P: ProcessProtocol> {
    reactor: ReactorHandle,
    mailbox: Mailbox<Self>,
    status: PlainStatus,
    child: RefCell<ChildHandle>,
    pid: u32,
    /// The open pipes, by the numbers of their descriptors in the child.
    pipes: RefCell<BTreeMap<i32, Rc<Pipe>>>,
    exit: RefCell<Option<Rc<Exit>>>,
    max_buffered: usize,
    // Set and cleared by `set_paused`. While set, the pipes that the parent reads are masked.
    is_paused: Cell<bool>,
    /// All pipes are to be closed. Set by `close_all`; never cleared.
    is_closing: Cell<bool>,
    /// Numbers of closed pipes that were not reported to the protocol yet.
    lost: RefCell<VecDeque<i32>>,
    exited: Cell<Exited>,
    /// The reactor stops, and the child is given up when it has taken the bytes that were written
    /// to it. Set by `begin_to_close`; never cleared.
    is_stopping: Cell<bool>,
    /// The protocol ends although the child may still run. Set when a stopping reactor has no bytes
    /// left to write, at its shutdown timeout, and when the reactor is dropped; never cleared.
    is_abandoned: Cell<bool>,
    /// Triggers of `drained` that are due, with the number of the pipe if it was closed.
    due: RefCell<Vec<(Trigger<()>, Option<i32>)>>,
}

/// Whether the child has exited. The states follow one another in this order.
#[derive(Clone, Copy)]
enum Exited {
    No,
    /// The child is reaped, but `process_exited` was not called yet, because a handler was running.
    Untold(Status),
    /// `process_exited` was called. `process_ended` follows when all pipes are closed.
    Told(Status),
}

impl<P: ProcessProtocol> ProcessSource<P> {
    fn start(
        core: &Rc<Core>,
        reactor: &ReactorHandle,
        command: Command,
        protocol: P,
    ) -> io::Result<Rc<Self>> {
        let timeout = command.timeout;
        let max_buffered = command.max_buffered;
        core.require_system("a test reactor runs no programs; use a `Reactor`")?;
        let Spawned { child, ends, input } = command.spawn()?;
        let child = ChildHandle::new(child);
        let source = Rc::new_cyclic(|me: &Weak<Self>| Self {
            reactor: reactor.clone(),
            mailbox: Mailbox::new(me, Some(protocol)),
            status: PlainStatus::default(),
            pid: child.pid(),
            child: RefCell::new(child),
            pipes: RefCell::default(),
            exit: RefCell::default(),
            max_buffered,
            is_paused: Cell::new(false),
            is_closing: Cell::new(false),
            lost: RefCell::default(),
            exited: Cell::new(Exited::No),
            is_stopping: Cell::new(false),
            is_abandoned: Cell::new(false),
            due: RefCell::default(),
        });
        let watched = source.watch(core, ends);
        if let Err(error) = watched {
            // The program runs already, but cannot be watched. It is killed, because it must not
            // run without its protocol.
            source.kill();
            source.close_silently();
            return Err(error);
        }
        // A timer of the protocol, so that it is cancelled when the protocol ends.
        if let Some(timeout) = timeout {
            source.call_later(timeout, |_protocol, cx| {
                cx.kill();
                // Grandchildren may keep the pipes open.
                cx.lose_connection();
            });
        }
        if let Some(input) = input {
            // The input is in memory already, so no limit applies.
            let pipe = source.pipe(STDIN);
            if let Some(pipe) = pipe {
                // Errs if the pipe is not one that the parent writes; `spawn` refuses a command
                // with input and without such a pipe.
                let _ = pipe.push(&input, usize::MAX);
                pipe.end_input();
            }
        }
        source.try_with_open(|protocol| {
            source.handle(protocol, |protocol, cx| protocol.connection_made(cx));
        });
        // The child may have exited, and pipes may have closed, since they were watched.
        source.settle_now();
        Ok(source)
    }

    fn watch(self: &Rc<Self>, core: &Rc<Core>, ends: Vec<ParentEnd>) -> io::Result<()> {
        // A reference cycle: each open pipe and the watched exit own the source, so that a child is
        // watched until its end without a handle. Closing them breaks the cycle.
        let owner: Rc<dyn ChildOwner> = Rc::<Self>::clone(self);
        for end in ends {
            let number = end.number;
            let pipe = Pipe::open(Rc::clone(&owner), core, end)?;
            self.pipes.borrow_mut().insert(number, pipe);
        }
        let pid = self.child.borrow().system_pid();
        let watched = pid.map(|pid| exit::watch(&owner, core, pid)).transpose()?;
        match watched {
            Some(Watched::Descriptor(exit)) => drop(self.exit.replace(Some(exit))),
            // The protocol hears of the exit after `connection_made`.
            Some(Watched::Exited) => self.take_status(),
            Some(Watched::Thread) | None => {}
        }
        Ok(())
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    // --- requests ---

    fn pipe(&self, number: i32) -> Option<Rc<Pipe>> {
        // A clone, so that nothing is borrowed when a pipe closes and leaves the map.
        self.pipes.borrow().get(&number).cloned()
    }

    fn all_pipes(&self) -> Vec<Rc<Pipe>> {
        self.pipes.borrow().values().cloned().collect()
    }

    pub(super) fn write(&self, number: i32, bytes: &[u8]) -> Result<(), ProcessError> {
        let pipe = self.pipe(number).ok_or(ProcessError::NoPipe { number })?;
        pipe.push(bytes, self.max_buffered)?;
        self.touch();
        Ok(())
    }

    pub(super) fn drained(&self, number: i32) -> Deferred<()> {
        match self.pipe(number) {
            Some(pipe) => pipe.drained(),
            None => fail(ProcessError::NoPipe { number }),
        }
    }

    pub(super) fn close(&self, number: i32) -> Result<(), ProcessError> {
        let pipe = self.pipe(number).ok_or(ProcessError::NoPipe { number })?;
        pipe.end_input();
        self.touch();
        Ok(())
    }

    /// Closes the pipes that the parent writes, as soon as their bytes are written.
    pub(super) fn end_input(&self) {
        for pipe in self.all_pipes() {
            if pipe.is_written_to() {
                pipe.end_input();
            }
        }
        self.touch();
    }

    pub(super) fn close_all(&self) {
        self.is_closing.set(true);
        let pipes = self.all_pipes();
        let terminal_is_written = pipes
            .iter()
            .any(|pipe| pipe.is_terminal() && pipe.has_unwritten());
        for pipe in pipes {
            // The output of the terminal stays open until its input is written, because a child
            // whose output is not read may not read its input.
            if pipe.is_terminal() && !pipe.is_written_to() && terminal_is_written {
                continue;
            }
            pipe.close_in_order();
        }
        self.touch();
    }

    pub(super) fn set_window_size(&self, size: WindowSize) -> Result<(), ProcessError> {
        let pipes = self.pipes.borrow();
        let terminal = pipes.values().find(|pipe| pipe.is_terminal());
        let terminal = terminal.ok_or(ProcessError::NoTerminal)?;
        terminal.set_window_size(size).map_err(ProcessError::Io)
    }

    pub(super) fn set_paused(&self, is_paused: bool) {
        self.is_paused.set(is_paused);
        self.touch();
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        let signal = rustix::process::Signal::from_named_raw(signal.number())
            .ok_or_else(|| ProcessError::Io(io::ErrorKind::InvalidInput.into()))?;
        // A clone, so that nothing is borrowed while the signal is sent.
        let exit = self.exit.borrow().clone();
        // Sent through the pidfd, if there is one, because another process may have the process ID
        // if the system has reaped the child.
        let sent = exit
            .and_then(|exit| exit.signal(signal))
            .unwrap_or_else(|| self.child.borrow().signal(signal));
        match sent {
            Ok(true) => Ok(()),
            Ok(false) => Err(ProcessError::Exited),
            Err(error) => Err(ProcessError::Io(error.into())),
        }
    }

    pub(super) fn kill(&self) {
        if let Err(ProcessError::Io(error)) = self.signal(Signal::KILL) {
            tracing::warn!(target: "reactor", pid = self.pid, %error, "cannot kill a child");
        }
    }

    // --- events ---

    /// Takes the status of the child, if it has exited.
    fn take_status(&self) {
        let status = self.child.borrow_mut().try_wait();
        if let Some(status) = status {
            // Only stored, because a handler of the protocol may be running.
            self.exited.set(Exited::Untold(status));
            if let Some(exit) = self.exit.take() {
                exit.close();
            }
        }
    }

    fn has_unwritten(&self) -> bool {
        self.all_pipes().iter().any(|pipe| pipe.has_unwritten())
    }

    // --- settling ---

    fn flush(&self) {
        for pipe in self.all_pipes() {
            pipe.flush();
        }
    }

    /// Reports closed pipes and the exit of the child to the protocol. The exit is reported after
    /// the pipes that were closed before it.
    fn report_events(&self, protocol: &mut P) {
        loop {
            let lost = self.lost.borrow_mut().pop_front();
            match (lost, self.exited.get()) {
                (Some(number), _) => {
                    self.handle(protocol, |protocol, cx| {
                        protocol.child_connection_lost(cx, number)
                    });
                }
                (None, Exited::Untold(status)) => {
                    self.exited.set(Exited::Told(status));
                    self.handle(protocol, |protocol, cx| protocol.process_exited(cx, status));
                }
                (None, Exited::No | Exited::Told(_)) => return,
            }
            self.run_jobs(protocol);
            self.flush();
        }
    }

    fn finish(&self, ended: ProcessEnded) {
        if ended == ProcessEnded::ReactorStopped {
            // The child is not killed, but must not stay a zombie.
            self.child.borrow_mut().let_go();
        }
        self.close_with(&self.status, |protocol, cx| {
            protocol.process_ended(cx, ended);
        });
    }
}

/// Called by the pipes, and by the watch on the child's exit.
impl<P: ProcessProtocol> ChildOwner for ProcessSource<P> {
    fn is_paused(&self) -> bool {
        self.is_paused.get()
    }

    fn takes_output(&self) -> bool {
        // False while a handler runs, before `connection_made`, and after the end.
        let is_open = self
            .mailbox
            .open
            .try_borrow()
            .is_ok_and(|open| open.is_some());
        is_open && !self.is_paused()
    }

    fn deliver(&self, number: i32, data: &[u8]) {
        self.try_with_open(|protocol| {
            self.handle(protocol, |protocol, cx| {
                protocol.child_data_received(cx, number, data)
            });
            self.run_jobs(protocol);
        });
    }

    fn fire_soon(&self, triggers: Vec<(Trigger<()>, Option<i32>)>) {
        self.due.borrow_mut().extend(triggers);
    }

    fn has_lost(&self, number: i32, is_terminal: bool) {
        // Only stored: `report_events` informs the protocol when no handler runs.
        drop(self.pipes.borrow_mut().remove(&number));
        self.lost.borrow_mut().push_back(number);
        // Closes the output of a terminal, which `close_all` has left open.
        if self.is_closing.get()
            && is_terminal
            && let Some(output) = self.pipe(STDOUT)
        {
            output.close();
        }
    }

    fn check_exit(&self) {
        self.take_status();
        self.settle_now();
    }

    fn settle_soon(&self) {
        self.touch();
    }

    fn settle_now(&self) {
        // A handler of this protocol is running; its caller calls this afterwards.
        if self.mailbox.is_busy() {
            return;
        }
        // Keeps `self` alive to the end of this function.
        let me = self.mailbox.weak().upgrade();
        self.try_with_open(|protocol| {
            // The same order as for a connection: jobs, then output, then events.
            self.run_jobs(protocol);
            self.flush();
            self.report_events(protocol);
        });
        if self.is_stopping.get() && !self.has_unwritten() {
            self.is_abandoned.set(true);
            self.close_silently();
        }
        match self.exited.get() {
            // The child has ended when it has exited and all pipes are closed, in any order: pipes
            // may outlive the child, if a grandchild has them, and the child may outlive its pipes.
            Exited::Told(status) if self.pipes.borrow().is_empty() => {
                self.finish(status.map_or(ProcessEnded::StatusUnknown, ProcessEnded::Exited));
            }
            _ if self.is_abandoned.get() => self.finish(ProcessEnded::ReactorStopped),
            _ => {
                for pipe in self.all_pipes() {
                    pipe.update_interest();
                }
            }
        }
        // Last, with nothing borrowed: callbacks may use the process, or drop its last handle.
        for (trigger, lost) in self.due.take() {
            // Errs only if a callback of another waiter has just cancelled this one; harmless.
            let _ = match lost {
                None => trigger.fire(Ok(())),
                Some(number) => trigger.fire(Err(ProcessError::NoPipe { number }.into())),
            };
        }
        drop(me);
    }

    fn begin_to_close(&self) -> bool {
        // Until all bytes are written, the child's output is still read, because the child may not
        // read its input before its output is taken.
        if !self.is_stopping.replace(true) {
            self.settle_now();
            for pipe in self.all_pipes() {
                if pipe.has_unwritten() {
                    pipe.close_in_order();
                }
            }
        }
        !self.is_abandoned.get() && self.has_unwritten()
    }

    fn abandon(&self) {
        if !self.is_abandoned.replace(true) {
            // Bytes that the pipes take at once are still written; the rest is dropped.
            self.flush();
            self.close_silently();
            self.settle_now();
        }
    }

    fn close_silently(&self) {
        for pipe in self.all_pipes() {
            pipe.close();
        }
        // The closes above have filled this list; they are not reported to the protocol.
        self.lost.take();
        if let Some(exit) = self.exit.take() {
            exit.close();
        }
    }
}

impl<P: ProcessProtocol> JobOwner for ProcessSource<P> {
    fn jobs(&self) -> &Jobs {
        &self.mailbox.jobs
    }

    fn handler_failed(&self, failure: Failure) {
        self.close_all();
        report(
            &Of::Process(self.pid),
            Some(std::any::type_name::<P>()),
            failure,
        );
    }
}

impl<P: ProcessProtocol> MailboxOwner for ProcessSource<P> {
    type Protocol = P;
    type Open = P;
    type Context<'a> = ProcessContext<'a, P>;
    type Closed = ProcessError;
    type Status = PlainStatus;

    fn mailbox(&self) -> &Mailbox<Self> {
        &self.mailbox
    }

    fn status(&self) -> &PlainStatus {
        &self.status
    }

    fn reactor(&self) -> &ReactorHandle {
        &self.reactor
    }

    fn split<'a>(&'a self, protocol: &'a mut P) -> (&'a mut P, ProcessContext<'a, P>) {
        (protocol, ProcessContext::new(self))
    }

    fn closed_error() -> ProcessError {
        ProcessError::Exited
    }
}

impl<P: ProcessProtocol> Runnable for ProcessSource<P> {
    fn run_pending(self: Rc<Self>) {
        self.status.set_queued(false);
        self.settle_now();
    }
}
