//! Pipe of a child process, or one direction of its terminal. The parent reads it, or writes to it
//! through a buffer.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use deferred::{Deferred, fail, succeed};
use rustix::io::Errno;

use super::error::ProcessError;
use super::owner::ChildOwner;
use super::spawning::{Direction, ParentEnd};
use super::window_size::WindowSize;
use crate::core::{Core, READS_PER_TURN};
use crate::out_buffer::OutBuffer;
use crate::poll::{Interest, Key, Ready, Registration};
use crate::registry::EventSource;
use crate::sys::pty;
use crate::wait_list::WaitList;

pub(super) struct Pipe {
    owner: Rc<dyn ChildOwner>,
    core: Rc<Core>,
    pub(super) number: i32,
    direction: Direction,
    is_terminal: bool,
    key: Key,
    /// `None` once the pipe is closed.
    registration: RefCell<Option<Registration>>,
    out: RefCell<Output>,
}

/// State of a pipe that the parent writes.
#[derive(Default)]
struct Output {
    bytes: OutBuffer,
    /// Set when a write finds the pipe full; cleared when the poller reports room, and by `push`
    /// before it tries to write.
    is_blocked: bool,
    /// The pipe is to be closed when the buffer is empty. Set by `close_in_order`; never cleared.
    is_closing: bool,
    /// Whether the last byte was not a line feed: set or cleared by each `push`.
    is_within_line: bool,
    waiters: WaitList<()>,
}

impl Pipe {
    pub(super) fn open(
        owner: Rc<dyn ChildOwner>,
        core: &Rc<Core>,
        end: ParentEnd,
    ) -> io::Result<Rc<Self>> {
        // A pipe is written without waiting for the poller; only a full one is watched.
        let interest = match end.direction {
            Direction::Read => Interest::READABLE,
            Direction::Write => Interest::NONE,
        };
        let registration = core.register(end.descriptor, interest)?;
        let pipe = Rc::new(Self {
            owner,
            core: Rc::clone(core),
            number: end.number,
            direction: end.direction,
            is_terminal: end.is_terminal,
            key: registration.key(),
            registration: RefCell::new(Some(registration)),
            out: RefCell::default(),
        });
        core.insert(Rc::<Self>::clone(&pipe));
        Ok(pipe)
    }

    fn no_pipe(&self) -> ProcessError {
        ProcessError::NoPipe {
            number: self.number,
        }
    }

    pub(super) fn is_written_to(&self) -> bool {
        self.direction == Direction::Write
    }

    fn takes_bytes(&self) -> bool {
        self.is_written_to() && !self.out.borrow().is_closing
    }

    /// Appends `bytes` to the buffer, which `flush` writes when the process is settled. Errs if
    /// more than `limit` bytes are buffered already; the size of `bytes` does not count.
    pub(super) fn push(&self, bytes: &[u8], limit: usize) -> Result<(), ProcessError> {
        if !self.takes_bytes() {
            return Err(self.no_pipe());
        }
        if self.out.borrow().bytes.waiting() > limit {
            // The child may have made room since the last write, so a write is tried before the
            // refusal.
            self.out.borrow_mut().is_blocked = false;
            self.flush();
            if !self.takes_bytes() || self.registration.borrow().is_none() {
                return Err(self.no_pipe());
            }
        }
        let mut out = self.out.borrow_mut();
        if out.bytes.waiting() > limit {
            let buffered = out.bytes.waiting() + bytes.len();
            return Err(ProcessError::Overflow { buffered, limit });
        }
        out.bytes.push(bytes, &self.core);
        if let Some(&last) = bytes.last() {
            out.is_within_line = last != b'\n';
        }
        Ok(())
    }

    pub(super) fn drained(&self) -> Deferred<()> {
        if self.direction == Direction::Read {
            return fail(self.no_pipe());
        }
        let out = self.out.borrow();
        if out.bytes.waiting() == 0 {
            return succeed(());
        }
        // A cancel ends only the wait; the written bytes are still sent.
        out.waiters.add((), || ())
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Whether the buffer has unwritten bytes.
    pub(super) fn has_unwritten(&self) -> bool {
        self.out.borrow().bytes.waiting() > 0
    }

    pub(super) fn set_window_size(&self, size: WindowSize) -> io::Result<()> {
        match &*self.registration.borrow() {
            Some(registration) => pty::set_size(registration, size.into()),
            None => Err(Errno::PIPE.into()),
        }
    }

    /// Closes the pipe like [`close_in_order`](Self::close_in_order). To a terminal, it first writes
    /// the end-of-file character, because closing does not end the child's input there.
    pub(super) fn end_input(&self) {
        if self.is_terminal
            && self.takes_bytes()
            && let Some(registration) = &*self.registration.borrow()
        {
            let end = [pty::end_of_file(registration); 2];
            let mut out = self.out.borrow_mut();
            // Within a line, the first character only delivers the line; the second ends the
            // input.
            let count = 1 + usize::from(out.is_within_line);
            out.bytes.push(&end[..count], &self.core);
        }
        self.close_in_order();
    }

    /// Closes the pipe: at once if the parent reads it, otherwise when the buffer is written.
    pub(super) fn close_in_order(&self) {
        match self.direction {
            Direction::Read => self.close(),
            Direction::Write => self.out.borrow_mut().is_closing = true,
        }
    }

    /// Writes the buffer, until the pipe is full.
    pub(super) fn flush(&self) {
        if self.direction == Direction::Read {
            return;
        }
        let mut out = self.out.borrow_mut();
        while out.bytes.waiting() > 0 && !out.is_blocked {
            match self.write(out.bytes.unwritten()) {
                Ok(written) => out.bytes.advance(written),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => out.is_blocked = true,
                // The child has closed its end.
                Err(_) => {
                    drop(out);
                    return self.close();
                }
            }
        }
        out.bytes.tidy(&self.core);
        if out.bytes.waiting() > 0 {
            return;
        }
        let due = out.waiters.take_all().into_iter();
        self.owner
            .fire_soon(due.map(|trigger| (trigger, None)).collect());
        let is_closing = out.is_closing;
        drop(out);
        if is_closing {
            self.close();
        }
    }

    fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        match &*self.registration.borrow() {
            Some(registration) => rustix::io::write(registration, bytes),
            None => Err(Errno::PIPE),
        }
    }

    fn read(&self) {
        let mut buffer = self.core.buffers.take_read();
        for _ in 0..READS_PER_TURN {
            // Tested before each read, because the handler of the last one may have paused reading.
            if !self.owner.takes_output() {
                break;
            }
            // Borrowed only for this call, because a handler may close the pipe.
            let received = match &*self.registration.borrow() {
                Some(registration) => rustix::io::read(registration, &mut *buffer),
                None => break,
            };
            match received {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                // A pipe ends with 0, a terminal with an error (`EIO` on Linux).
                Ok(0) | Err(_) => {
                    self.close();
                    break;
                }
                Ok(received) => {
                    self.owner.deliver(self.number, &buffer[..received]);
                    // A short read has emptied the pipe.
                    if received < buffer.len() {
                        break;
                    }
                }
            }
        }
        self.core.buffers.return_read(buffer);
    }

    /// Closes the pipe now; `child_connection_lost` is called when the process is settled.
    pub(super) fn close(&self) {
        let Some(registration) = self.registration.take() else {
            return;
        };
        // Removed first, so that an event which the poller has returned already finds no source.
        drop(self.core.registry.remove(self.key));
        drop(registration);
        self.core.is_over(self.key);
        let due = self.out.borrow().waiters.take_all().into_iter();
        self.owner
            .fire_soon(due.map(|trigger| (trigger, Some(self.number))).collect());
        // Last, because this drops the owner's reference to this pipe.
        self.owner.has_lost(self.number, self.is_terminal);
    }

    /// Updates the poller's interest: readable, writable, or none.
    pub(super) fn update_interest(&self) {
        let set = match &*self.registration.borrow() {
            None => Ok(()),
            Some(registration) => match self.direction {
                // Masked, because the poller would report a hang-up even without interest.
                Direction::Read if self.owner.is_paused() => registration.mask(),
                Direction::Read => registration.set_interest(Interest::READABLE),
                Direction::Write => registration.set_interest(Interest {
                    readable: false,
                    writable: self.out.borrow().is_blocked,
                }),
            },
        };
        if let Err(error) = set {
            tracing::error!(target: "reactor", %error, "cannot watch a pipe of a child");
            self.close();
            self.owner.settle_soon();
        }
    }
}

impl EventSource for Pipe {
    fn ready(self: Rc<Self>, ready: Ready) {
        match self.direction {
            Direction::Read => self.read(),
            // The child has closed its end.
            Direction::Write if ready.is_hung_up() => self.close(),
            Direction::Write => self.out.borrow_mut().is_blocked = false,
        }
        // Writes the buffered bytes, if there is room again.
        self.owner.settle_now();
    }

    fn begin_to_close(self: Rc<Self>) -> bool {
        self.owner.begin_to_close()
    }

    fn shut_down(self: Rc<Self>) {
        self.owner.abandon();
    }

    fn close_in_child(self: Rc<Self>) {
        self.owner.close_silently();
    }
}
