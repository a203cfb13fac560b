//! The socket of a connection: what is to be sent, whether to read, and how it
//! ends. It knows nothing of protocols.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use deferred::Failure;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use socket2::SockRef;

use super::linger::Linger;
use crate::address::Address;
use crate::core::{Core, call};
use crate::error::ConnectionClosed;
use crate::poll::{Interest, Key, Registration};

/// How much may wait to be sent on one connection.
///
/// # Examples
///
/// ```
/// use reactor::WriteLimits;
///
/// let limits = WriteLimits::default();
/// assert_eq!(limits.high_water, 64 * 1024);
/// assert_eq!(limits.max_buffered, 16 * 1024 * 1024);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteLimits {
    /// While more bytes than this wait, the connection is not read from, until
    /// half of it is sent: who does not take answers is not asked for more.
    pub high_water: usize,
    /// If more bytes than this would wait, the connection is aborted with
    /// [`ConnectionClosed::Overflow`].
    pub max_buffered: usize,
}

impl Default for WriteLimits {
    fn default() -> Self {
        Self {
            high_water: 64 * 1024,
            max_buffered: 16 * 1024 * 1024,
        }
    }
}

/// A write of this size is handed to the system at once, if nothing waits before
/// it: copying it would cost more than gathering it with others saves.
const SEND_AT_ONCE: usize = 32 * 1024;

/// What was sent is cut off the front of the buffer when it is so much.
const COMPACT_AT: usize = 64 * 1024;

#[cfg(not(target_vendor = "apple"))]
const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const SEND_FLAGS: SendFlags = SendFlags::empty(); // the runtime ignores SIGPIPE

pub(crate) struct Transport {
    core: Rc<Core>,
    key: Key,
    peer: Address,
    /// `None` once the connection is over.
    registration: RefCell<Option<Registration>>,
    out: RefCell<OutBuffer>,
    limits: Cell<WriteLimits>,
    reading: Cell<Reading>,
    ending: RefCell<Ending>,
}

#[derive(Default)]
struct OutBuffer {
    bytes: Vec<u8>,
    /// So many of `bytes`, at the front, are sent.
    sent: usize,
    /// The system took less than there was: it will say when it takes more.
    is_stuck: bool,
}

impl OutBuffer {
    fn waiting(&self) -> usize {
        self.bytes.len() - self.sent
    }
}

/// What keeps the connection from being read.
#[derive(Clone, Copy, Default)]
struct Reading {
    is_paused: bool,
    /// Above the high-water mark.
    is_held_back: bool,
    is_at_end: bool,
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
    pub(super) fn new(core: Rc<Core>, registration: Registration, peer: Address) -> Self {
        Self {
            core,
            key: registration.key(),
            peer,
            registration: RefCell::new(Some(registration)),
            out: RefCell::default(),
            limits: Cell::default(),
            reading: Cell::default(),
            ending: RefCell::new(Ending::No),
        }
    }

    pub(super) fn core(&self) -> &Rc<Core> {
        &self.core
    }

    pub(super) fn peer(&self) -> &Address {
        &self.peer
    }

    pub(super) fn host(&self) -> Address {
        self.with_socket(|socket| socket.local_addr())
            .and_then(|address| address.as_socket())
            .map_or(Address::Unknown, Address::Inet)
    }

    pub(super) fn nodelay(&self) -> bool {
        self.with_socket(|socket| socket.tcp_nodelay())
            .unwrap_or(false)
    }

    pub(super) fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        match &*self.registration.borrow() {
            Some(registration) => SockRef::from(registration).set_tcp_nodelay(nodelay),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn with_socket<R>(&self, f: impl FnOnce(SockRef<'_>) -> io::Result<R>) -> Option<R> {
        let registration = self.registration.borrow();
        f(SockRef::from(registration.as_ref()?)).ok()
    }

    pub(super) fn set_limits(&self, limits: WriteLimits) {
        self.limits.set(limits);
    }

    // --- writing ---

    /// Whether something written now would be sent.
    pub(super) fn is_open(&self) -> bool {
        matches!(*self.ending.borrow(), Ending::No)
    }

    /// Whether it does not end now: it is open, or has something left to send.
    pub(super) fn is_alive(&self) -> bool {
        match *self.ending.borrow() {
            Ending::No => true,
            Ending::AfterFlush(_) => self.out.borrow().waiting() > 0,
            Ending::Now(_) | Ending::Over => false,
        }
    }

    /// Whether it is over: nothing that is asked for has an effect.
    pub(super) fn is_over(&self) -> bool {
        matches!(*self.ending.borrow(), Ending::Over)
    }

    pub(super) fn write(&self, bytes: &[u8]) {
        if !self.is_open() {
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
        if out.bytes.capacity() == 0 && !rest.is_empty() {
            out.bytes = self.core.take_spare_buffer();
        }
        out.bytes.extend_from_slice(rest);
        if out.is_stuck {
            self.hold_back(out.waiting());
        }
    }

    /// Sends what the system takes; 0 if it takes nothing now.
    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let registration = self.registration.borrow();
        let Some(registration) = &*registration else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        loop {
            match rustix::net::send(registration, bytes, SEND_FLAGS) {
                Ok(sent) => return Ok(sent),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(0),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether there is something to send, and the system might take it.
    pub(super) fn can_flush(&self) -> bool {
        let out = self.out.borrow();
        let is_wanted = matches!(*self.ending.borrow(), Ending::No | Ending::AfterFlush(_));
        is_wanted && out.waiting() > 0 && !out.is_stuck
    }

    /// Whether the system is to say when it takes more.
    pub(super) fn is_stuck(&self) -> bool {
        self.out.borrow().is_stuck
    }

    /// Sends what waits, as far as the system takes it.
    pub(super) fn flush(&self) {
        let mut out = self.out.borrow_mut();
        if out.waiting() > 0 {
            match self.send(&out.bytes[out.sent..]) {
                Ok(sent) => out.sent += sent,
                Err(error) => return self.abort(ConnectionClosed::Lost(error)),
            }
        }
        out.is_stuck = out.waiting() > 0;
        if !out.is_stuck {
            out.sent = 0;
            self.core
                .return_spare_buffer(std::mem::take(&mut out.bytes));
        } else if out.sent >= COMPACT_AT {
            let sent = std::mem::take(&mut out.sent);
            out.bytes.drain(..sent);
        }
        self.hold_back(out.waiting());
    }

    /// Stops reading above the high-water mark, and resumes below half of it.
    fn hold_back(&self, waiting: usize) {
        let mut reading = self.reading.get();
        let high_water = self.limits.get().high_water;
        reading.is_held_back = if reading.is_held_back {
            waiting > high_water / 2
        } else {
            waiting > high_water
        };
        self.reading.set(reading);
    }

    /// Whether more waits than the high-water mark allows, after another try.
    pub(super) fn is_held_back(&self) -> bool {
        if self.out.borrow().waiting() > self.limits.get().high_water {
            if self.can_flush() {
                self.flush();
            } else {
                self.hold_back(self.out.borrow().waiting());
            }
        }
        self.reading.get().is_held_back
    }

    // --- reading ---

    /// Reads once; `None` if there is nothing now.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let registration = self.registration.borrow();
        let Some(registration) = &*registration else {
            return Ok(None);
        };
        loop {
            match rustix::net::recv(registration, &mut *buffer, RecvFlags::empty()) {
                Ok((received, _)) => return Ok(Some(received)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether a frame may be delivered.
    pub(super) fn takes_frames(&self) -> bool {
        // To be held back may mean to find out that it is over.
        !self.reading.get().is_paused && !self.is_held_back() && self.is_open()
    }

    /// Whether the socket is to be read.
    pub(super) fn is_reading(&self) -> bool {
        let reading = self.reading.get();
        self.is_open() && !reading.is_paused && !reading.is_held_back && !reading.is_at_end
    }

    pub(super) fn set_paused(&self, is_paused: bool) {
        let mut reading = self.reading.get();
        reading.is_paused = is_paused;
        self.reading.set(reading);
    }

    pub(super) fn set_at_end(&self) {
        let mut reading = self.reading.get();
        reading.is_at_end = true;
        self.reading.set(reading);
    }

    /// The system tells of a hang-up that neither reading nor writing would
    /// show: it is looked into here, since it would be told again and again.
    pub(super) fn look_into_hang_up(&self) {
        match self.with_socket(|socket| socket.take_error()) {
            Some(Some(error)) => self.abort(ConnectionClosed::Lost(error)),
            _ => {
                if let Some(registration) = &*self.registration.borrow()
                    && let Err(error) = registration.mask()
                {
                    self.abort(ConnectionClosed::Lost(error));
                }
            }
        }
    }

    /// Tells the poller what to wait for now.
    pub(super) fn update_interest(&self) {
        let interest = Interest {
            readable: self.is_reading(),
            writable: self.is_stuck(),
        };
        let set = match &*self.registration.borrow() {
            // A masked descriptor stays so until there is a reason to hear of it.
            Some(registration) if interest != Interest::NONE || !registration.is_masked() => {
                registration.set_interest(interest)
            }
            _ => Ok(()),
        };
        if let Err(error) = set {
            self.abort(ConnectionClosed::Lost(error));
        }
    }

    // --- ending ---

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
    pub(super) fn end(&self) -> Option<ConnectionClosed> {
        if self.is_alive() {
            return None;
        }
        match self.ending.replace(Ending::Over) {
            Ending::AfterFlush(reason) | Ending::Now(reason) => Some(reason),
            Ending::No | Ending::Over => None,
        }
    }

    /// Closes the socket: in order, when the peer has finished sending too, or with
    /// a reset.
    pub(super) fn close(&self, how: Close) {
        let out = self.out.take();
        self.core.return_spare_buffer(out.bytes);
        let Some(registration) = self.registration.take() else {
            return;
        };
        match how {
            Close::InOrder if !self.reading.get().is_at_end && !self.core.is_gone() => {
                return Linger::start(&self.core, registration);
            }
            Close::InOrder | Close::AtOnce => {}
            Close::Reset => {
                let _ = SockRef::from(&registration).set_linger(Some(Duration::ZERO));
            }
        }
        drop(self.core.registry.remove(self.key));
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
