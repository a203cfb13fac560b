//! The life of a port for datagrams: its socket, and which handler is called when.
//!
//! ```text
//!  start ──▶ start_protocol ──▶ datagram_received* ──▶ stop_protocol
//!                 after each of them: the jobs that wait for the protocol
//! ```

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::{Rc, Weak};

use deferred::{Deferred, DelayedCall, Failure, Trigger, succeed};
use rustix::io::Errno;
use socket2::SockRef;

use super::address::SEND_FLAGS;
use super::address::sealed::Family;
use super::context::DatagramContext;
use super::error::{DatagramError, PortClosed};
use super::protocol::DatagramProtocol;
use super::queue::{Datagram, Queue, WaitsFor};
use crate::core::{Core, Unsettled, call};
use crate::handle::ReactorHandle;
use crate::host::{Desk, Host};
use crate::poll::{Interest, Key, Ready, Registration};
use crate::registry::Source;

/// How many bytes are received before others have their turn.
const BYTES_PER_TURN: usize = 256 * 1024;

/// A datagram counts as so many bytes at the least, and an error as so many.
const LEAST_COST: usize = 256;
const COST_OF_ERROR: usize = 8 * 1024;

/// So many wake-ups in a row that bring nothing but errors, and the port is lost.
const MAX_FUTILE: u32 = 16;

/// What does not change as long as the port is open.
pub(super) struct Limits {
    pub(super) max_packet_size: usize,
    pub(super) max_queued: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_packet_size: 8192,
            max_queued: 128,
        }
    }
}

pub(crate) struct DatagramSource<P: DatagramProtocol> {
    core: Rc<Core>,
    reactor: ReactorHandle,
    key: Key,
    desk: Desk<Self>,
    /// `None` once it is closed.
    registration: RefCell<Option<Registration>>,
    local: RefCell<P::Address>,
    /// Whom it is connected to.
    peer: RefCell<Option<P::Address>>,
    max_packet_size: usize,
    queue: RefCell<Queue<P::Address>>,
    dropped: Cell<u64>,
    retry: RefCell<Option<DelayedCall>>,
    futile: Cell<u32>,
    /// It is to be closed, for this reason.
    ending: RefCell<Option<PortClosed>>,
    /// Who waits for it to be closed.
    stopping: RefCell<Vec<Trigger<()>>>,
    /// Dropped when it is closed.
    cleanup: Cell<Option<Box<dyn Any>>>,
}

impl<P: DatagramProtocol> DatagramSource<P> {
    /// Opens a port on `socket`; `cleanup` is dropped when it is closed. Fails with what
    /// `start_protocol` fails with.
    pub(super) fn start(
        core: &Rc<Core>,
        socket: OwnedFd,
        limits: &Limits,
        cleanup: Option<Box<dyn Any>>,
        protocol: P,
    ) -> io::Result<Rc<Self>> {
        let local = P::Address::of(socket.as_fd())?;
        let peer = P::Address::peer_of(socket.as_fd());
        let registration = core.register(socket, Interest::READABLE)?;
        let source = Rc::new_cyclic(|me: &Weak<Self>| Self {
            core: Rc::clone(core),
            reactor: ReactorHandle::new(core),
            key: registration.key(),
            desk: Desk::new(me, protocol),
            registration: RefCell::new(Some(registration)),
            local: RefCell::new(local),
            peer: RefCell::new(peer),
            max_packet_size: limits.max_packet_size,
            queue: RefCell::new(Queue::new(limits.max_queued)),
            dropped: Cell::new(0),
            retry: RefCell::default(),
            futile: Cell::new(0),
            ending: RefCell::default(),
            stopping: RefCell::default(),
            cleanup: Cell::new(cleanup),
        });
        core.insert(Rc::<Self>::clone(&source));
        let mut started = Ok(());
        source.with_protocol(|protocol| {
            started = Failure::catch(|| protocol.start_protocol(&mut source.context()))
                .and_then(|started| started);
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

    pub(super) fn address(&self) -> P::Address {
        self.local.borrow().clone()
    }

    pub(super) fn is_open(&self) -> bool {
        self.ending.borrow().is_none() && self.registration.borrow().is_some()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.get()
    }

    pub(super) fn queued(&self) -> usize {
        self.queue.borrow().len()
    }

    fn count_dropped(&self, count: usize) {
        self.dropped.set(self.dropped.get() + count as u64);
    }

    /// Calls `f`, which runs nothing of a user's, with the socket.
    pub(super) fn with_socket<R>(&self, f: impl FnOnce(BorrowedFd<'_>) -> R) -> Option<R> {
        let registration = self.registration.borrow();
        Some(f(registration.as_ref()?.as_fd()))
    }

    pub(super) fn connect(&self, peer: P::Address) -> Result<(), DatagramError> {
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
            SockRef::from(&socket).connect(&peer.to_system()?)?;
            P::Address::of(socket)
        });
        match connected {
            Some(Ok(local)) => {
                self.local.replace(local);
                self.peer.replace(Some(peer));
                Ok(())
            }
            Some(Err(error)) => Err(DatagramError::Io(error)),
            None => Err(DatagramError::PortClosed),
        }
    }

    // --- sending ---

    pub(super) fn send(&self, bytes: &[u8], to: Option<P::Address>) -> Result<(), DatagramError> {
        if !self.is_open() {
            return Err(DatagramError::PortClosed);
        }
        match &to {
            Some(to) if !self.local.borrow().can_reach(to) => {
                return Err(DatagramError::WrongFamily);
            }
            None if self.peer.borrow().is_none() => return Err(DatagramError::NotConnected),
            _ => {}
        }
        if self.queue.borrow().is_empty() {
            match self.send_now(bytes, to.as_ref()) {
                Ok(()) => return Ok(()),
                Err(error) if is_full(error) => {}
                Err(error) => return Err(DatagramError::of(error, bytes.len())),
            }
        }
        let mut queue = self.queue.borrow_mut();
        if queue.is_full() {
            self.count_dropped(1);
            return Err(DatagramError::QueueFull);
        }
        if queue.waits_for == WaitsFor::Nothing {
            queue.waits_for = WaitsFor::Room;
        }
        let bytes = bytes.to_vec();
        queue.push(Datagram { bytes, to });
        drop(queue);
        self.touch();
        Ok(())
    }

    fn send_now(&self, bytes: &[u8], to: Option<&P::Address>) -> Result<(), Errno> {
        let mut was_refused = !P::Address::IS_REFUSED_LATE;
        loop {
            let sent = self.with_socket(|socket| match to {
                Some(to) => to.send(socket, bytes),
                None => rustix::net::send(socket, bytes, SEND_FLAGS),
            });
            match sent.unwrap_or(Err(Errno::BADF)) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::CONNREFUSED) if !was_refused => {
                    // That is what became of an earlier one.
                    was_refused = true;
                    if self.peer.borrow().is_some() {
                        let told =
                            self.post(Box::new(|protocol, cx| protocol.connection_refused(cx)));
                        drop(told);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends what waits, as far as there is room.
    fn flush(&self) {
        let mut has_sent = false;
        loop {
            let first = self.queue.borrow_mut().pop();
            let Some(datagram) = first else {
                self.queue.borrow_mut().waits_for = WaitsFor::Nothing;
                return;
            };
            match self.send_now(&datagram.bytes, datagram.to.as_ref()) {
                Ok(()) => {
                    has_sent = true;
                    self.queue.borrow_mut().progress();
                }
                Err(error) if is_full(error) => {
                    let mut queue = self.queue.borrow_mut();
                    queue.put_back(datagram);
                    queue.waits_for = if has_sent {
                        WaitsFor::Room
                    } else {
                        WaitsFor::Time
                    };
                    return;
                }
                Err(error) => {
                    self.count_dropped(1);
                    let error = DatagramError::of(error, datagram.bytes.len());
                    let told =
                        self.post(Box::new(|protocol, cx| protocol.datagram_failed(cx, error)));
                    drop(told);
                }
            }
        }
    }

    // --- receiving ---

    /// Gives the protocol what has come; says whether there was anything.
    fn read(&self) -> bool {
        let mut buffer = self.core.buffers.take_read();
        let room = buffer.len().min(self.max_packet_size + 1);
        let mut left = BYTES_PER_TURN;
        self.with_protocol(|protocol| {
            while left > 0 && self.is_open() {
                let received =
                    self.with_socket(|socket| P::Address::receive(socket, &mut buffer[..room]));
                let cost = match received.unwrap_or(Err(Errno::AGAIN)) {
                    Ok((length, from)) => {
                        self.futile.set(0);
                        self.take_in(protocol, &buffer[..room], length, from);
                        length.max(LEAST_COST)
                    }
                    Err(Errno::AGAIN) => break,
                    Err(Errno::INTR) => continue,
                    Err(error) => {
                        self.take_error(protocol, error);
                        COST_OF_ERROR
                    }
                };
                left = left.saturating_sub(cost);
                self.run_jobs(protocol);
            }
        });
        self.core.buffers.return_read(buffer);
        left < BYTES_PER_TURN
    }

    fn take_in(&self, protocol: &mut P, buffer: &[u8], length: usize, from: P::Address) {
        if length > self.max_packet_size {
            let error = DatagramError::TooLong { length };
            return self.guard(|cx| protocol.datagram_failed(cx, error));
        }
        // What came from others before it was connected.
        let is_from_peer = match &*self.peer.borrow() {
            Some(peer) => peer.is_peer(&from),
            None => true,
        };
        if is_from_peer {
            self.guard(|cx| protocol.datagram_received(cx, &buffer[..length], from));
        }
    }

    fn take_error(&self, protocol: &mut P, error: Errno) {
        match error {
            Errno::CONNREFUSED | Errno::CONNRESET => {
                if self.peer.borrow().is_some() {
                    self.guard(|cx| protocol.connection_refused(cx));
                }
            }
            error => {
                self.bring_nothing(error.into());
                let error = DatagramError::Io(error.into());
                self.guard(|cx| protocol.datagram_failed(cx, error));
            }
        }
    }

    /// A wake-up has brought nothing but an error. A socket that only does that would keep
    /// the loop from ever sleeping.
    fn bring_nothing(&self, error: io::Error) {
        self.futile.set(self.futile.get() + 1);
        if self.futile.get() >= MAX_FUTILE {
            self.end(PortClosed::Lost(error));
        }
    }

    // --- settling and ending ---

    fn settle_now(&self) {
        // Somebody further up the stack has the protocol, and will do it.
        if self.desk.is_busy() {
            return;
        }
        self.with_protocol(|protocol| self.run_jobs(protocol));
        let ending = self.ending.take();
        if ending.is_some() {
            self.finish(ending);
        } else {
            self.update_interest();
        }
    }

    /// Tells the poller, or the clock, what is waited for now.
    fn update_interest(&self) {
        let waits_for = self.queue.borrow().waits_for;
        let interest = Interest {
            readable: true,
            writable: waits_for == WaitsFor::Room,
        };
        let set = match &*self.registration.borrow() {
            Some(registration) => registration.set_interest(interest),
            None => Ok(()),
        };
        if let Err(error) = set {
            self.end(PortClosed::Lost(error));
        }
        if waits_for == WaitsFor::Time {
            self.retry_later();
        }
    }

    fn retry_later(&self) {
        let mut retry = self.retry.borrow_mut();
        if retry.as_ref().is_some_and(DelayedCall::is_active) {
            return;
        }
        let me = self.desk.weak();
        let wait = self.queue.borrow_mut().wait();
        *retry = Some(self.reactor.call_later(wait, move || {
            if let Some(me) = me.upgrade() {
                me.flush();
                me.settle_now();
            }
        }));
    }

    /// Has the port closed, from the loop. The first reason counts.
    fn end(&self, reason: PortClosed) {
        if self.desk.is_over() {
            return;
        }
        self.ending.borrow_mut().get_or_insert(reason);
        self.touch();
    }

    pub(super) fn stop(&self) -> Deferred<()> {
        if self.desk.is_over() {
            return succeed(());
        }
        let (trigger, deferred) = Deferred::pair();
        self.stopping.borrow_mut().push(trigger);
        self.end(PortClosed::Stopped);
        deferred
    }

    /// Closes the port, then tells the protocol, if it has started, and those who wait.
    fn finish(&self, reason: Option<PortClosed>) {
        // This is kept from being dropped until the end of it.
        let me = self.desk.weak().upgrade();
        drop(self.core.registry.remove(self.key));
        drop(self.registration.take());
        drop(self.cleanup.take());
        let left = self.queue.borrow_mut().clear();
        self.count_dropped(left.len());
        if let Some(retry) = self.retry.take() {
            // It may be what called this.
            let _ = retry.cancel();
        }
        self.retire(|protocol, cx| {
            if let Some(reason) = reason {
                protocol.stop_protocol(cx, reason);
            }
            Ok(())
        });
        for trigger in self.stopping.take() {
            // Cancelled meanwhile, at the worst.
            let _ = trigger.callback(());
        }
        drop(me);
    }
}

/// Whether there is no room for a datagram just now.
fn is_full(error: Errno) -> bool {
    matches!(error, Errno::AGAIN | Errno::NOBUFS)
}

impl<P: DatagramProtocol> Host for DatagramSource<P> {
    type Protocol = P;
    type Context<'a> = DatagramContext<'a, P>;

    fn desk(&self) -> &Desk<Self> {
        &self.desk
    }

    fn reactor(&self) -> &ReactorHandle {
        &self.reactor
    }

    fn context(&self) -> DatagramContext<'_, P> {
        DatagramContext::new(self)
    }

    fn failed(&self, failure: Failure) {
        // What it says is other people's code.
        call("the log of a failure", || {
            tracing::error!(
                target: "reactor",
                port = %self.address(),
                "a protocol failed; its port lives on: {failure:?}"
            );
            drop(failure);
        });
    }
}

impl<P: DatagramProtocol> Source for DatagramSource<P> {
    fn ready(self: Rc<Self>, ready: Ready) {
        if ready.writable && self.queue.borrow().waits_for == WaitsFor::Room {
            self.flush();
        }
        let has_come = ready.readable && self.read();
        if ready.hung_up && !has_come {
            let error = self.with_socket(|socket| SockRef::from(&socket).take_error());
            let error = error.and_then(|error| error.ok().flatten());
            self.bring_nothing(error.unwrap_or_else(|| io::ErrorKind::BrokenPipe.into()));
        }
        self.settle_now();
    }

    fn shut_down(self: Rc<Self>) {
        self.end(PortClosed::ReactorGone);
        self.settle_now();
    }
}

impl<P: DatagramProtocol> Unsettled for DatagramSource<P> {
    fn settle(self: Rc<Self>) {
        self.desk.settle();
        self.settle_now();
    }
}
