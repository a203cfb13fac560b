//! Event source of a datagram port: reads its socket, and calls its handlers.
//!
//! ```text
//!  start ──▶ start_protocol ──▶ datagram_received* ──▶ stop_protocol
//!                 after each handler: the jobs that the mailbox has queued
//! ```

mod sending;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};

use deferred::{Deferred, DelayedCall, Failure, succeed};
use rustix::io::Errno;

use super::address::sealed::Family;
use super::context::DatagramContext;
use super::error::{DatagramError, DatagramPortClosed};
use super::limits::Limits;
use super::protocol::DatagramProtocol;
use super::queue::{Queue, WaitsFor};
use super::socket::RawDatagrams;
use crate::core::{Core, Runnable};
use crate::handle::ReactorHandle;
use crate::mailbox::{JobOwner, Jobs, Mailbox, MailboxOwner, MailboxStatus, PlainStatus};
use crate::poll::{Interest, Key, Ready};
use crate::registry::EventSource;
use crate::report::{Of, report};
use crate::wait_list::WaitList;

/// Number of bytes that one wake-up receives before the loop calls other sources.
const BYTES_PER_TURN: usize = 256 * 1024;

/// Minimum number of bytes that a datagram counts for in `BYTES_PER_TURN`.
const LEAST_COST: usize = 256;
/// Number of bytes that an error counts for in `BYTES_PER_TURN`.
const COST_OF_ERROR: usize = 8 * 1024;

/// After this many futile wake-ups in a row (see `count_futile`), the port is closed as
/// [`Lost`](DatagramPortClosed::Lost).
const MAX_FUTILE: u32 = 16;

pub(crate) struct DatagramSource<P: DatagramProtocol> {
    core: Rc<Core>,
    reactor: ReactorHandle,
    key: Key,
    mailbox: Mailbox<Self>,
    status: PlainStatus,
    /// Value that is dropped when the port is closed, before its socket: for a UNIX socket, its
    /// file, which the drop removes.
    cleanup: Cell<Option<Box<dyn Any>>>,
    /// `None` once the port is closed.
    socket: RefCell<Option<RawDatagrams>>,
    local: RefCell<P::Address>,
    /// The peer that the port is connected to, as the system gives it.
    peer: RefCell<Option<P::Address>>,
    max_packet_size: usize,
    queue: RefCell<Queue<P::Address>>,
    /// Number of datagrams that were dropped instead of sent.
    dropped: Cell<u64>,
    /// Timer of the next attempt to send, while the queue is in [`WaitsFor::Time`].
    retry: RefCell<Option<DelayedCall>>,
    /// Number of futile wake-ups in a row.
    futile: Cell<u32>,
    /// Reason of a close that is due. Set in `end`; taken in `settle_now`, which closes the port.
    ending: RefCell<Option<DatagramPortClosed>>,
    /// Triggers of `stop_listening`.
    stopping: WaitList<()>,
}

impl<P: DatagramProtocol> DatagramSource<P> {
    /// Opens a port on `socket`; `cleanup` is dropped when the port is closed. A failure of
    /// `start_protocol` is returned.
    pub(in crate::datagram) fn start(
        core: &Rc<Core>,
        socket: OwnedFd,
        limits: &Limits,
        cleanup: Option<Box<dyn Any>>,
        protocol: P,
    ) -> io::Result<Rc<Self>> {
        let registration = core.register(socket, Interest::READABLE)?;
        Self::start_on(
            core,
            RawDatagrams::System(registration),
            limits,
            cleanup,
            protocol,
        )
    }

    /// As `start`, on a socket that is registered with the poller or in memory.
    pub(in crate::datagram) fn start_on(
        core: &Rc<Core>,
        socket: RawDatagrams,
        limits: &Limits,
        cleanup: Option<Box<dyn Any>>,
        protocol: P,
    ) -> io::Result<Rc<Self>> {
        let local = socket.local()?;
        let peer = socket.peer();
        let source = Rc::new_cyclic(|me: &Weak<Self>| Self {
            core: Rc::clone(core),
            reactor: ReactorHandle::new(core),
            key: socket.key(),
            mailbox: Mailbox::new(me, Some(protocol)),
            status: PlainStatus::default(),
            socket: RefCell::new(Some(socket)),
            local: RefCell::new(local),
            peer: RefCell::new(peer),
            max_packet_size: limits.max_packet_size,
            queue: RefCell::new(Queue::new(limits.max_queued)),
            dropped: Cell::new(0),
            retry: RefCell::default(),
            futile: Cell::new(0),
            ending: RefCell::default(),
            stopping: WaitList::default(),
            cleanup: Cell::new(cleanup),
        });
        core.insert(Rc::<Self>::clone(&source));
        let mut started = Ok(());
        source.try_with_open(|protocol| {
            started = source.guard(protocol, |protocol, cx| protocol.start_protocol(cx));
        });
        match started {
            Ok(()) => {
                // The protocol may have closed its own port.
                source.touch();
                Ok(source)
            }
            Err(failure) => {
                source.finish(None);
                Err(io::Error::other(failure.into_error()))
            }
        }
    }

    pub(in crate::datagram) fn address(&self) -> P::Address {
        self.local.borrow().clone()
    }

    pub(in crate::datagram) fn is_open(&self) -> bool {
        self.ending.borrow().is_none() && self.socket.borrow().is_some()
    }

    pub(in crate::datagram) fn dropped(&self) -> u64 {
        self.dropped.get()
    }

    pub(in crate::datagram) fn queued(&self) -> usize {
        self.queue.borrow().len()
    }

    /// Calls `f` with the socket. `f` runs no user code, because the socket is borrowed.
    pub(in crate::datagram) fn with_socket<R>(
        &self,
        f: impl FnOnce(&RawDatagrams) -> R,
    ) -> Option<R> {
        Some(f(self.socket.borrow().as_ref()?))
    }

    pub(in crate::datagram) fn connect(&self, peer: P::Address) -> Result<(), DatagramError> {
        if !self.is_open() {
            return Err(DatagramError::PortClosed);
        }
        if self.peer.borrow().is_some() {
            return Err(DatagramError::AlreadyConnected);
        }
        if !self.local.borrow().can_reach(&peer) {
            return Err(DatagramError::WrongFamily);
        }
        let connected = self.with_socket(|socket| {
            socket.connect(&peer)?;
            // Datagrams come from the address that the system has for the peer, which may be written
            // in another way: 0.0.0.0 means 127.0.0.1, and a path has the form in which the peer was
            // bound to it.
            Ok((socket.local()?, socket.peer().unwrap_or(peer)))
        });
        match connected {
            Some(Ok((local, peer))) => {
                self.local.replace(local);
                self.peer.replace(Some(peer));
                Ok(())
            }
            Some(Err(error)) => Err(DatagramError::Io(error)),
            None => Err(DatagramError::PortClosed),
        }
    }

    // --- receiving ---

    /// Gives the protocol the datagrams and errors of the socket. A socket that has only errors,
    /// or has hung up, would wake the loop without end, so such wake-ups are counted.
    fn read(&self) {
        let mut buffer = self.core.buffers.take_read();
        // One byte more than allowed, so that the length shows whether a datagram is too long.
        let room = buffer.len().min(self.max_packet_size + 1);
        // A budget of bytes and not of datagrams, with a minimum cost for small ones, so that
        // neither many small nor large datagrams starve the other sources.
        let mut left = BYTES_PER_TURN;
        let mut has_received = false;
        let mut last_error = None;
        let mut is_drained = false;
        self.try_with_open(|protocol| {
            // Tested before each datagram, because a handler may close the port.
            while left > 0 && self.is_open() {
                let received = self.with_socket(|socket| socket.receive(&mut buffer[..room]));
                // `None` if a handler has closed the port; handled as if the socket were drained.
                let cost = match received.unwrap_or(Err(Errno::AGAIN)) {
                    Ok((length, Some(from))) => {
                        has_received = true;
                        self.take_in(protocol, &buffer[..room], length, from);
                        length.max(LEAST_COST)
                    }
                    Err(Errno::INTR) => continue,
                    Err(Errno::AGAIN) => {
                        is_drained = true;
                        break;
                    }
                    // A datagram without a sender: the socket was shut down through another
                    // descriptor.
                    Ok((_, None)) => {
                        last_error = Some(Errno::SHUTDOWN);
                        COST_OF_ERROR
                    }
                    Err(error) => {
                        last_error = Some(error);
                        self.take_error(protocol, error);
                        COST_OF_ERROR
                    }
                };
                left = left.saturating_sub(cost);
                // Jobs run before the next datagram, as those of a connection run before the next
                // frame.
                self.run_jobs(protocol);
            }
        });
        self.core.buffers.return_read(buffer);
        // A wake-up that received a datagram is not futile, nor is one whose errors the read has
        // consumed (the socket is drained). If the error stays, or the socket has hung up, the
        // next wake-up comes at once.
        let is_futile = match last_error {
            _ if has_received => false,
            Some(_) => !is_drained,
            None => self.with_socket(RawDatagrams::has_hung_up).unwrap_or(false),
        };
        self.count_futile(is_futile, last_error);
    }

    /// Counts a futile wake-up: it received no datagram, and the next one would come at once with
    /// an error again. At `MAX_FUTILE` in a row, the port is closed.
    fn count_futile(&self, is_futile: bool, error: Option<Errno>) {
        self.futile
            .set(if is_futile { self.futile.get() + 1 } else { 0 });
        if self.futile.get() >= MAX_FUTILE {
            self.end(DatagramPortClosed::Lost(
                error.unwrap_or(Errno::PIPE).into(),
            ));
        }
    }

    fn take_in(&self, protocol: &mut P, buffer: &[u8], length: usize, from: P::Address) {
        // A datagram of another sender, from before the port was connected, is dropped.
        let is_from_peer = match &*self.peer.borrow() {
            Some(peer) => peer.is_peer(&from),
            None => true,
        };
        if !is_from_peer {
            return;
        }
        if length > self.max_packet_size {
            let error = DatagramError::TooLong { length };
            return self.handle(protocol, |protocol, cx| protocol.datagram_failed(cx, error));
        }
        self.handle(protocol, |protocol, cx| {
            protocol.datagram_received(cx, &buffer[..length], from)
        });
    }

    fn take_error(&self, protocol: &mut P, error: Errno) {
        match error {
            Errno::CONNREFUSED | Errno::CONNRESET => {
                // An unconnected port cannot tell which of its peers has refused.
                if self.peer.borrow().is_some() {
                    self.handle(protocol, |protocol, cx| protocol.connection_refused(cx));
                }
            }
            error => {
                let error = DatagramError::Io(error.into());
                self.handle(protocol, |protocol, cx| protocol.datagram_failed(cx, error));
            }
        }
    }

    // --- settling and ending ---

    /// Runs the queued jobs. Then closes the port, if that is due; otherwise, updates the events
    /// for which the port waits.
    fn settle_now(&self) {
        // A handler of this protocol is on the stack. The function that called the handler calls
        // `settle_now` after it.
        if self.mailbox.is_busy() {
            return;
        }
        self.try_with_open(|protocol| self.run_jobs(protocol));
        // Taken before `finish`, in which `stop_protocol` may ask for an end once more.
        let ending = self.ending.take();
        if ending.is_some() {
            self.finish(ending);
        } else {
            self.update_interest();
        }
    }

    /// Sets the poller's interest and the retry timer as the queue needs them.
    fn update_interest(&self) {
        let waits_for = self.queue.borrow().waits_for;
        let interest = Interest {
            readable: true,
            writable: waits_for == WaitsFor::Room,
        };
        let set = self.with_socket(|socket| socket.set_interest(interest));
        // `end` puts the port into the run queue, so the next `settle_now` closes it.
        if let Some(Err(error)) = set {
            self.end(DatagramPortClosed::Lost(error));
        }
        if waits_for == WaitsFor::Time {
            self.retry_later();
        }
    }

    /// Has the loop close the port. If there are several reasons, the first one is kept.
    fn end(&self, reason: DatagramPortClosed) {
        if self.status.is_closed() {
            return;
        }
        self.ending.borrow_mut().get_or_insert(reason);
        self.touch();
    }

    pub(in crate::datagram) fn stop(&self) -> Deferred<()> {
        if self.status.is_closed() {
            return succeed(());
        }
        // The waiter is added before `end`, after which the loop closes the port and fires the
        // waiters.
        let stopped = self.stopping.add((), || ());
        self.end(DatagramPortClosed::Stopped);
        stopped
    }

    /// Closes the port, calls `stop_protocol` with `reason`, and fires the waiters. With `None`,
    /// the protocol has not started, and `stop_protocol` is not called.
    fn finish(&self, reason: Option<DatagramPortClosed>) {
        // Keeps `self` alive to the end of this function.
        let me = self.mailbox.weak().upgrade();
        // No event reaches the port from here on.
        drop(self.core.registry.remove(self.key));
        // This removes the file of a UNIX socket, before the socket is closed.
        drop(self.cleanup.take());
        drop(self.socket.take());
        let left = self.queue.borrow_mut().clear();
        self.count_dropped(left.len());
        if let Some(retry) = self.retry.take() {
            retry.cancel();
        }
        self.close_with(&self.status, |protocol, cx| {
            if let Some(reason) = reason {
                protocol.stop_protocol(cx, reason);
            }
        });
        // Last, because a callback may open a new port on the same address.
        for trigger in self.stopping.take_all() {
            // Errs only if a callback of another waiter has just cancelled this one; harmless.
            let _ = trigger.callback(());
        }
        drop(me);
    }
}

impl<P: DatagramProtocol> JobOwner for DatagramSource<P> {
    fn jobs(&self) -> &Jobs {
        &self.mailbox.jobs
    }

    fn handler_failed(&self, failure: Failure) {
        let address = self.address();
        let of = Of::DatagramPort(&address);
        report(&of, Some(std::any::type_name::<P>()), failure);
    }
}

impl<P: DatagramProtocol> MailboxOwner for DatagramSource<P> {
    type Protocol = P;
    type Open = P;
    type Context<'a> = DatagramContext<'a, P>;
    type Closed = DatagramError;
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

    fn split<'a>(&'a self, protocol: &'a mut P) -> (&'a mut P, DatagramContext<'a, P>) {
        (protocol, DatagramContext::new(self))
    }

    fn closed_error() -> DatagramError {
        DatagramError::PortClosed
    }

    /// True from the moment when a close is due, before the port is closed.
    fn is_gone(&self) -> bool {
        !self.is_open()
    }
}

impl<P: DatagramProtocol> EventSource for DatagramSource<P> {
    fn ready(self: Rc<Self>, ready: Ready) {
        if ready.is_writable() && self.queue.borrow().waits_for == WaitsFor::Room {
            self.flush();
        }
        if ready.is_readable() {
            self.read();
        }
        self.settle_now();
    }

    fn shut_down(self: Rc<Self>) {
        self.end(DatagramPortClosed::ReactorStopped);
        self.settle_now();
    }
}

impl<P: DatagramProtocol> Runnable for DatagramSource<P> {
    fn run_pending(self: Rc<Self>) {
        self.status.set_queued(false);
        self.settle_now();
    }
}
