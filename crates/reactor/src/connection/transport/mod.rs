//! A connection without its protocol: what is to be sent, whether to read, and
//! how it ends.
//!
//! The two directions end by themselves: reading when the peer has finished
//! (`AT_END`), writing when this side has (`FINISHING`, then `FINISHED`). When both
//! have ended, or somebody asks for it (`LOSING`: when everything is sent; `ENDING`:
//! at the next opportunity), the connection is `OVER`.

mod ending;

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use smallvec::SmallVec;
use socket2::SockRef;

pub(in crate::connection) use self::ending::Close;
use super::flags::{FlagCell, Flags};
use super::limits::WriteLimits;
use super::out_buffer::OutBuffer;
use crate::address::Address;
use crate::core::Core;
use crate::credentials::PeerCredentials;
use crate::error::ConnectionClosed;
use crate::poll::{Interest, Key};
use crate::wire::Wire;

/// A write of this size is handed to the system at once, if nothing waits before
/// it: copying it would cost more than gathering it with others saves.
const SEND_AT_ONCE: usize = 32 * 1024;

pub(crate) struct Transport {
    pub(super) flags: FlagCell,
    core: Rc<Core>,
    io: RefCell<Io>,
    limits: Cell<WriteLimits>,
    /// Why it ends, once it is on its way out.
    reason: RefCell<Option<ConnectionClosed>>,
    /// Came with bytes that are to be delivered after them.
    received_descriptors: RefCell<Vec<OwnedFd>>,
    /// Those that events come under: two if there is a descriptor for each direction.
    keys: Keys,
    peer: Address,
}

/// What is sent and received with.
#[derive(Default)]
struct Io {
    /// `None` once the connection is over.
    wire: Option<Wire>,
    out: OutBuffer,
}

pub(crate) type Keys = SmallVec<[Key; 1]>;

impl Transport {
    pub(super) fn new(core: Rc<Core>, wire: Wire, keys: Keys, peer: Address) -> Self {
        let flags = FlagCell::default();
        flags.put(Flags::GETS_DESCRIPTORS, wire.carries_descriptors());
        flags.set(Flags::OTHER_INTEREST);
        Self {
            flags,
            core,
            io: RefCell::new(Io {
                wire: Some(wire),
                out: OutBuffer::default(),
            }),
            limits: Cell::default(),
            reason: RefCell::default(),
            received_descriptors: RefCell::default(),
            keys,
            peer,
        }
    }

    #[inline]
    pub(super) fn core(&self) -> &Rc<Core> {
        &self.core
    }

    pub(super) fn peer(&self) -> &Address {
        &self.peer
    }

    pub(super) fn host(&self) -> Address {
        let io = self.io.borrow();
        io.wire.as_ref().map_or(Address::Unknown, Wire::host)
    }

    /// Calls `f` with the socket, to ask for or to set one of its options.
    ///
    /// # Errors
    ///
    /// There is none, or the connection is over.
    pub(super) fn with_socket<R>(
        &self,
        f: impl FnOnce(SockRef<'_>) -> io::Result<R>,
    ) -> io::Result<R> {
        match &self.io.borrow().wire {
            Some(wire) => f(wire.socket().ok_or(io::ErrorKind::Unsupported)?),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// The credentials of the peer of a UNIX socket.
    pub(super) fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        match &self.io.borrow().wire {
            Some(wire) => wire.peer_credentials(),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    pub(super) fn limits(&self) -> WriteLimits {
        self.limits.get()
    }

    pub(super) fn set_limits(&self, limits: WriteLimits) {
        let is_low = limits.max_buffered < SEND_AT_ONCE;
        self.flags.put(Flags::LOW_LIMIT, is_low);
        self.limits.set(limits);
    }

    // --- writing ---

    /// Whether it is not on its way out.
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        !self.flags.has_any(Flags::CLOSING)
    }

    /// Whether something written now would be sent.
    #[inline]
    pub(super) fn takes_writes(&self) -> bool {
        let flags = self.flags.get();
        !flags.has_any(Flags::NOT_WRITING)
            // The producer is let finish.
            || flags.has_any(Flags::HAS_PRODUCER)
                && !flags.has_any(Flags::ENDING.and(Flags::OVER).and(Flags::FINISHED))
    }

    /// Whether it does not end now: it is open, or has something left to send.
    #[inline]
    pub(super) fn is_alive(&self) -> bool {
        let flags = self.flags.get();
        if !flags.has_any(Flags::CLOSING.and(Flags::AT_END)) {
            return true;
        }
        if flags.has_any(Flags::ENDING.and(Flags::OVER)) {
            return false;
        }
        if flags.has_any(Flags::LOSING) {
            return self.waiting() > 0 || flags.has_any(Flags::HAS_PRODUCER);
        }
        !flags.has_any(Flags::FINISHED)
    }

    /// Whether it is over: nothing that is asked for has an effect.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.flags.has_any(Flags::OVER)
    }

    #[inline]
    pub(super) fn write(&self, bytes: &[u8]) {
        let mut io = self.io.borrow_mut();
        let buffered = io.out.waiting() + bytes.len();
        // Mostly it is little.
        let is_little = buffered < SEND_AT_ONCE;
        if !is_little || self.flags.has_any(Flags::NOT_WRITING.and(Flags::LOW_LIMIT)) {
            drop(io);
            return self.write_much(bytes);
        }
        if !bytes.is_empty() {
            io.out.push(bytes, &self.core);
            self.flags.set(Flags::HAS_OUTPUT);
        }
    }

    /// Writes what may be much, or may not be written.
    #[inline(never)]
    fn write_much(&self, bytes: &[u8]) {
        if !self.takes_writes() {
            tracing::debug!(target: "reactor", peer = %self.peer, "a write after the close is dropped");
            return;
        }
        let Io { wire, out } = &mut *self.io.borrow_mut();
        let mut rest = bytes;
        if bytes.len() >= SEND_AT_ONCE && out.waiting() == 0 && !self.is_stuck() {
            let sent = match wire {
                Some(wire) => wire.send(bytes),
                None => Err(io::ErrorKind::NotConnected.into()),
            };
            match sent {
                Ok(sent) => {
                    self.core.counters.sent(sent);
                    rest = &bytes[sent..];
                }
                Err(error) => return self.abort(ConnectionClosed::Lost(error)),
            }
            self.flags.put(Flags::STUCK, !rest.is_empty());
        }
        let buffered = out.waiting() + rest.len();
        let limit = self.limits.get().max_buffered;
        if buffered > limit {
            return self.abort(ConnectionClosed::Overflow { buffered, limit });
        }
        if !rest.is_empty() {
            out.push(rest, &self.core);
            self.flags.set(Flags::HAS_OUTPUT);
        }
        if self.is_stuck() {
            self.hold_back(buffered);
        }
    }

    pub(super) fn carries_descriptors(&self) -> bool {
        self.flags.has_any(Flags::GETS_DESCRIPTORS)
    }

    /// How many descriptors wait to be sent.
    pub(super) fn waiting_descriptors(&self) -> usize {
        self.io.borrow().out.waiting_descriptors()
    }

    /// Writes `bytes`; `descriptor` goes with the first of them.
    pub(super) fn write_with(&self, descriptor: OwnedFd, bytes: &[u8]) {
        self.io.borrow_mut().out.push_descriptor(descriptor);
        // In pieces that are not sent past what waits.
        for piece in bytes.chunks(SEND_AT_ONCE - 1) {
            self.write(piece);
        }
    }

    /// How many bytes wait to be sent.
    #[inline]
    pub(super) fn waiting(&self) -> usize {
        self.io.borrow().out.waiting()
    }

    /// Whether there is something to send, and the system might take it.
    #[inline]
    pub(super) fn can_flush(&self) -> bool {
        let stopped = Flags::STUCK.and(Flags::ENDING).and(Flags::OVER);
        let flags = self.flags.get();
        flags.only(stopped.and(Flags::HAS_OUTPUT)) == Flags::HAS_OUTPUT
    }

    /// Whether the system is to say when it takes more.
    #[inline]
    pub(super) fn is_stuck(&self) -> bool {
        self.flags.has_any(Flags::STUCK)
    }

    /// Sends what waits, as far as the system takes it.
    #[inline]
    pub(super) fn flush(&self) {
        let Io { wire, out } = &mut *self.io.borrow_mut();
        if let Some(wire) = wire {
            match out.send(wire) {
                Ok(sent) => self.core.counters.sent(sent),
                Err(error) => return self.lost(error),
            }
        }
        let waiting = out.tidy(&self.core);
        let is_stuck = waiting > 0;
        self.flags.put(Flags::HAS_OUTPUT, is_stuck);
        if is_stuck || self.flags.has_any(Flags::STUCK.and(Flags::HELD_BACK)) {
            self.wait_for_room(waiting);
        }
    }

    #[cold]
    fn wait_for_room(&self, waiting: usize) {
        self.flags.put(Flags::STUCK, waiting > 0);
        self.hold_back(waiting);
    }

    #[cold]
    fn lost(&self, error: io::Error) {
        self.abort(ConnectionClosed::Lost(error));
    }

    /// Stops reading above the high-water mark, and resumes below half of it.
    fn hold_back(&self, waiting: usize) {
        let flags = self.flags.get();
        let high_water = self.limits.get().high_water;
        let limit = if flags.has_any(Flags::HELD_BACK) {
            high_water / 2
        } else {
            high_water
        };
        let is_held_back = waiting > limit && !flags.has_any(Flags::HAS_PRODUCER);
        self.flags.put(Flags::HELD_BACK, is_held_back);
    }

    pub(super) fn has_producer(&self) -> bool {
        self.flags.has_any(Flags::HAS_PRODUCER)
    }

    pub(super) fn set_has_producer(&self, has_producer: bool) {
        self.flags.put(Flags::HAS_PRODUCER, has_producer);
        self.hold_back(self.waiting());
    }

    // --- reading ---

    /// Reads once; `None` if there is nothing now.
    #[inline]
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let io = self.io.borrow_mut();
        let Some(wire) = &io.wire else {
            return Ok(None);
        };
        let received = if self.flags.has_any(Flags::GETS_DESCRIPTORS) {
            wire.receive_with(buffer, &mut self.received_descriptors.borrow_mut())?
        } else {
            wire.receive(buffer)?
        };
        if let Some(received) = received {
            self.core.counters.received(received);
        }
        Ok(received)
    }

    pub(super) fn take_descriptors(&self) -> Vec<OwnedFd> {
        self.received_descriptors.take()
    }

    /// Whether a frame may be delivered.
    #[inline]
    pub(super) fn takes_frames(&self) -> bool {
        // Mostly nothing stands against it, and nothing waits to be sent.
        !self.flags.has_any(Flags::NO_FRAMES.and(Flags::HAS_OUTPUT)) || self.takes_more_frames()
    }

    fn takes_more_frames(&self) -> bool {
        if self.waiting() > self.limits.get().high_water {
            // That may mean to find out that it is over.
            if self.can_flush() {
                self.flush();
            } else {
                self.hold_back(self.waiting());
            }
        }
        !self.flags.has_any(Flags::NO_FRAMES)
    }

    /// Whether the socket is to be read.
    #[inline]
    pub(super) fn is_reading(&self) -> bool {
        !self.flags.has_any(Flags::NOT_READING)
    }

    pub(super) fn set_paused(&self, is_paused: bool) {
        self.flags.put(Flags::PAUSED, is_paused);
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.flags.has_any(Flags::AT_END)
    }

    pub(super) fn set_at_end(&self) {
        self.flags.set(Flags::AT_END);
    }

    /// The system tells of a hang-up that neither reading nor writing would
    /// show: it is looked into here, since it would be told again and again.
    pub(super) fn look_into_hang_up(&self) {
        let looked = match &self.io.borrow().wire {
            Some(wire) => match wire.take_error() {
                Ok(None) => wire.mask(),
                Ok(Some(error)) | Err(error) => Err(error),
            },
            None => Ok(()),
        };
        self.flags.set(Flags::OTHER_INTEREST);
        if let Err(error) = looked {
            self.abort(ConnectionClosed::Lost(error));
        }
    }

    /// Tells the poller what to wait for now.
    #[inline]
    pub(super) fn update_interest(&self) {
        let interest = Interest {
            readable: self.is_reading(),
            writable: self.is_stuck(),
        };
        let set = match &self.io.borrow().wire {
            Some(wire) => wire.set_interest(interest),
            None => Ok(()),
        };
        self.flags
            .put(Flags::OTHER_INTEREST, interest != Interest::READABLE);
        if let Err(error) = set {
            self.abort(ConnectionClosed::Lost(error));
        }
    }
}
