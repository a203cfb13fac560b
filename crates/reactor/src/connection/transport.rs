//! A connection without its protocol: what is to be sent, whether to read, and
//! how it ends.
//!
//! The two directions end by themselves: reading when the peer has finished,
//! writing when this side has (`Writing`). When both have ended, or somebody asks
//! for it (`Ending`), the connection is over.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use deferred::Failure;
use smallvec::SmallVec;
use socket2::SockRef;

use super::limits::WriteLimits;
use super::linger::Linger;
use super::out_buffer::OutBuffer;
use crate::address::Address;
use crate::core::{Core, call};
use crate::error::ConnectionClosed;
use crate::poll::{Interest, Key};
use crate::wire::Wire;

/// A write of this size is handed to the system at once, if nothing waits before
/// it: copying it would cost more than gathering it with others saves.
const SEND_AT_ONCE: usize = 32 * 1024;

pub(crate) struct Transport {
    core: Rc<Core>,
    /// Those that events come under: two if there is a descriptor for each direction.
    keys: Keys,
    peer: Address,
    /// `None` once the connection is over.
    wire: RefCell<Option<Wire>>,
    out: RefCell<OutBuffer>,
    /// Came with bytes that are to be delivered after them.
    received_descriptors: RefCell<Vec<OwnedFd>>,
    limits: Cell<WriteLimits>,
    reading: Cell<Reading>,
    writing: Cell<Writing>,
    ending: RefCell<Ending>,
}

pub(crate) type Keys = SmallVec<[Key; 1]>;

/// What keeps the connection from being read.
#[derive(Clone, Copy, Default)]
struct Reading {
    is_paused: bool,
    /// Above the high-water mark.
    is_held_back: bool,
    is_at_end: bool,
    /// Somebody else sees to it that not too much is written.
    has_producer: bool,
}

/// How far writing is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    Open,
    /// Ends when everything is sent.
    Finishing,
    Finished,
}

/// How far the connection is on its way out.
enum Ending {
    No,
    /// When everything is sent, for this reason.
    AfterFlush(ConnectionClosed),
    /// At the next opportunity.
    Now(ConnectionClosed),
    Over,
}

impl Transport {
    pub(super) fn new(core: Rc<Core>, wire: Wire, keys: Keys, peer: Address) -> Self {
        Self {
            core,
            keys,
            peer,
            wire: RefCell::new(Some(wire)),
            out: RefCell::default(),
            received_descriptors: RefCell::default(),
            limits: Cell::default(),
            reading: Cell::default(),
            writing: Cell::new(Writing::Open),
            ending: RefCell::new(Ending::No),
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
        self.wire
            .borrow()
            .as_ref()
            .map_or(Address::Unknown, Wire::host)
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
        match &*self.wire.borrow() {
            Some(wire) => f(wire.socket().ok_or(io::ErrorKind::Unsupported)?),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    pub(super) fn limits(&self) -> WriteLimits {
        self.limits.get()
    }

    pub(super) fn set_limits(&self, limits: WriteLimits) {
        self.limits.set(limits);
    }

    // --- writing ---

    /// Whether it is not on its way out.
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        matches!(*self.ending.borrow(), Ending::No)
    }

    /// Whether something written now would be sent.
    #[inline]
    pub(super) fn takes_writes(&self) -> bool {
        self.writing.get() == Writing::Open
            && match *self.ending.borrow() {
                Ending::No => true,
                // The producer is let finish.
                Ending::AfterFlush(_) => self.reading.get().has_producer,
                Ending::Now(_) | Ending::Over => false,
            }
    }

    /// Whether it does not end now: it is open, or has something left to send.
    #[inline]
    pub(super) fn is_alive(&self) -> bool {
        match *self.ending.borrow() {
            Ending::No => !self.is_closed_both_ways(),
            Ending::AfterFlush(_) => self.waiting() > 0 || self.reading.get().has_producer,
            Ending::Now(_) | Ending::Over => false,
        }
    }

    fn is_closed_both_ways(&self) -> bool {
        self.reading.get().is_at_end && self.writing.get() == Writing::Finished
    }

    /// Whether it is over: nothing that is asked for has an effect.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        matches!(*self.ending.borrow(), Ending::Over)
    }

    pub(super) fn write(&self, bytes: &[u8]) {
        if !self.takes_writes() {
            tracing::debug!(target: "reactor", peer = %self.peer, "a write after the close is dropped");
            return;
        }
        let mut out = self.out.borrow_mut();
        let mut rest = bytes;
        if bytes.len() >= SEND_AT_ONCE && out.waiting() == 0 && !out.is_stuck {
            match self.send(bytes) {
                Ok(sent) => rest = &bytes[sent..],
                Err(error) => return self.abort(ConnectionClosed::Lost(error)),
            }
            out.is_stuck = !rest.is_empty();
        }
        let buffered = out.waiting() + rest.len();
        let limit = self.limits.get().max_buffered;
        if buffered > limit {
            return self.abort(ConnectionClosed::Overflow { buffered, limit });
        }
        out.push(rest, &self.core);
        if out.is_stuck {
            self.hold_back(out.waiting());
        }
    }

    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let wire = self.wire.borrow();
        let wire = wire.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let sent = wire.send(bytes)?;
        self.core.counters.sent(sent);
        Ok(sent)
    }

    pub(super) fn carries_descriptors(&self) -> bool {
        self.wire
            .borrow()
            .as_ref()
            .is_some_and(Wire::carries_descriptors)
    }

    /// Writes `bytes`; `descriptor` goes with the first of them.
    pub(super) fn write_with(&self, descriptor: OwnedFd, bytes: &[u8]) {
        self.out.borrow_mut().push_descriptor(descriptor);
        // In pieces that are not sent past what waits.
        for piece in bytes.chunks(SEND_AT_ONCE - 1) {
            self.write(piece);
        }
    }

    /// How many bytes wait to be sent.
    #[inline]
    pub(super) fn waiting(&self) -> usize {
        self.out.borrow().waiting()
    }

    /// Whether there is something to send, and the system might take it.
    #[inline]
    pub(super) fn can_flush(&self) -> bool {
        let out = self.out.borrow();
        out.waiting() > 0
            && !out.is_stuck
            && matches!(*self.ending.borrow(), Ending::No | Ending::AfterFlush(_))
    }

    /// Whether the system is to say when it takes more.
    #[inline]
    pub(super) fn is_stuck(&self) -> bool {
        self.out.borrow().is_stuck
    }

    /// Sends what waits, as far as the system takes it.
    pub(super) fn flush(&self) {
        let mut out = self.out.borrow_mut();
        if out.waiting() > 0
            && let Some(wire) = &*self.wire.borrow()
        {
            match out.send(wire) {
                Ok(sent) => self.core.counters.sent(sent),
                Err(error) => return self.abort(ConnectionClosed::Lost(error)),
            }
        }
        out.is_stuck = out.waiting() > 0;
        out.tidy(&self.core);
        self.hold_back(out.waiting());
    }

    /// Stops reading above the high-water mark, and resumes below half of it.
    #[inline]
    fn hold_back(&self, waiting: usize) {
        let mut reading = self.reading.get();
        let high_water = self.limits.get().high_water;
        let limit = if reading.is_held_back {
            high_water / 2
        } else {
            high_water
        };
        reading.is_held_back = waiting > limit && !reading.has_producer;
        self.reading.set(reading);
    }

    /// Whether more waits than the high-water mark allows, after another try.
    #[inline]
    fn is_held_back(&self) -> bool {
        let waiting = self.waiting();
        if waiting > self.limits.get().high_water {
            if self.can_flush() {
                self.flush();
            } else {
                self.hold_back(waiting);
            }
        }
        self.reading.get().is_held_back
    }

    pub(super) fn has_producer(&self) -> bool {
        self.reading.get().has_producer
    }

    pub(super) fn set_has_producer(&self, has_producer: bool) {
        let mut reading = self.reading.get();
        reading.has_producer = has_producer;
        self.reading.set(reading);
        self.hold_back(self.waiting());
    }

    // --- reading ---

    /// Reads once; `None` if there is nothing now.
    #[inline]
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let wire = self.wire.borrow();
        let Some(wire) = &*wire else {
            return Ok(None);
        };
        let received = wire.receive(buffer, &mut self.received_descriptors.borrow_mut())?;
        self.core.counters.received(received.unwrap_or(0));
        Ok(received)
    }

    pub(super) fn take_descriptors(&self) -> Vec<OwnedFd> {
        self.received_descriptors.take()
    }

    /// Whether a frame may be delivered.
    #[inline]
    pub(super) fn takes_frames(&self) -> bool {
        // To be held back may mean to find out that it is over.
        !self.reading.get().is_paused && !self.is_held_back() && self.is_open()
    }

    /// Whether the socket is to be read.
    #[inline]
    pub(super) fn is_reading(&self) -> bool {
        let reading = self.reading.get();
        self.is_open() && !reading.is_paused && !reading.is_held_back && !reading.is_at_end
    }

    pub(super) fn set_paused(&self, is_paused: bool) {
        let mut reading = self.reading.get();
        reading.is_paused = is_paused;
        self.reading.set(reading);
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.reading.get().is_at_end
    }

    pub(super) fn set_at_end(&self) {
        let mut reading = self.reading.get();
        reading.is_at_end = true;
        self.reading.set(reading);
    }

    /// The system tells of a hang-up that neither reading nor writing would
    /// show: it is looked into here, since it would be told again and again.
    pub(super) fn look_into_hang_up(&self) {
        let looked = match &*self.wire.borrow() {
            Some(wire) => match wire.take_error() {
                Ok(None) => wire.mask(),
                Ok(Some(error)) | Err(error) => Err(error),
            },
            None => Ok(()),
        };
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
        let set = match &*self.wire.borrow() {
            Some(wire) => wire.set_interest(interest),
            None => Ok(()),
        };
        if let Err(error) = set {
            self.abort(ConnectionClosed::Lost(error));
        }
    }

    // --- ending ---

    /// Ends writing when everything is sent; reading goes on.
    pub(super) fn lose_write(&self) {
        if self.writing.get() == Writing::Open {
            self.writing.set(Writing::Finishing);
        }
    }

    /// Ends writing, if the time has come for it; says whether it has.
    pub(super) fn finish_writing(&self) -> bool {
        if self.writing.get() != Writing::Finishing
            || self.waiting() > 0
            || self.has_producer()
            || !self.is_open()
        {
            return false;
        }
        self.writing.set(Writing::Finished);
        let finished = match &*self.wire.borrow() {
            Some(wire) => wire.finish_writing(),
            None => Ok(()),
        };
        if let Err(error) = finished {
            self.abort(ConnectionClosed::Lost(error));
        }
        true
    }

    /// Ends the connection when everything is sent.
    pub(super) fn lose(&self) {
        let mut ending = self.ending.borrow_mut();
        if let Ending::No = *ending {
            *ending = Ending::AfterFlush(ConnectionClosed::Done);
        }
    }

    /// The same, because of `failure`.
    pub(super) fn fail(&self, failure: Failure) {
        let mut ending = self.ending.borrow_mut();
        if let Ending::No | Ending::AfterFlush(ConnectionClosed::Done) = *ending {
            *ending = Ending::AfterFlush(ConnectionClosed::Failed(failure));
        } else {
            drop(ending);
            call("the drop of a failure", || drop(failure));
        }
    }

    /// Whether it ends because of a failure.
    pub(super) fn has_failed(&self) -> bool {
        matches!(
            *self.ending.borrow(),
            Ending::AfterFlush(ConnectionClosed::Failed(_)) | Ending::Now(_)
        )
    }

    /// Ends the connection at the next opportunity; what waits is not sent.
    pub(super) fn abort(&self, reason: ConnectionClosed) {
        let mut ending = self.ending.borrow_mut();
        match &*ending {
            // The first failure is the reason, whatever came of it.
            Ending::AfterFlush(ConnectionClosed::Failed(_)) => {
                if let Ending::AfterFlush(failed) = std::mem::replace(&mut *ending, Ending::Over) {
                    *ending = Ending::Now(failed);
                }
            }
            Ending::No | Ending::AfterFlush(_) => *ending = Ending::Now(reason),
            Ending::Now(_) | Ending::Over => {}
        }
    }

    /// If the time has come to end: the reason, once.
    #[inline]
    pub(super) fn end(&self) -> Option<ConnectionClosed> {
        if self.is_alive() {
            return None;
        }
        match self.ending.replace(Ending::Over) {
            Ending::AfterFlush(reason) | Ending::Now(reason) => Some(reason),
            Ending::No => Some(ConnectionClosed::Done),
            Ending::Over => None,
        }
    }

    /// Closes the socket: in order, when the peer has finished sending too, or with
    /// a reset.
    pub(super) fn close(&self, how: Close) {
        // The room for what was to be sent is others' now.
        self.out.take().discard(&self.core);
        drop(self.received_descriptors.take());
        let Some(wire) = self.wire.take() else {
            return;
        };
        let lingers = how == Close::InOrder && !self.is_at_end() && !self.core.is_gone();
        let wire = match wire {
            Wire::Socket(registration) | Wire::Unix(registration) if lingers => {
                return Linger::start(&self.core, registration);
            }
            wire => wire,
        };
        if how == Close::Reset {
            wire.reset();
        }
        for &key in &self.keys {
            drop(self.core.registry.remove(key));
        }
    }
}

/// How a socket is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Close {
    /// What was sent is to arrive.
    InOrder,
    /// There is nothing to wait for.
    AtOnce,
    /// What was sent is to be forgotten.
    Reset,
}
