//! Transport of a connection: the socket, the out-buffer, and the state of both, which `sending`,
//! `receiving`, `filtered` and `ending` change. It knows nothing of protocols. Most of its state is
//! in [`Flags`]; the comments there say when each flag is set and cleared.

mod ending;
mod filter_state;
mod filtered;
mod receiving;
mod sending;

use std::cell::{Cell, OnceCell, RefCell};
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use smallvec::SmallVec;
use socket2::SockRef;

pub(in crate::connection) use self::ending::Close;
use self::filter_state::Filtered;
pub(crate) use self::filter_state::OnOpen;
use super::flags::{FlagCell, Flags};
use super::limits::WriteLimits;
use super::output::Output;
use crate::address::Address;
use crate::core::Core;
use crate::credentials::PeerCredentials;
use crate::error::ConnectionClosed;
use crate::io::RawStream;
use crate::poll::{Interest, Key};

/// A write of this size or more is handed to the system at once, if nothing waits before it:
/// copying it would cost more than gathering it with others saves.
const SEND_AT_ONCE: usize = 32 * 1024;

pub(crate) struct Transport {
    pub(super) flags: FlagCell,
    /// Number of pauses of reading that have begun and not ended.
    pauses: Cell<u32>,
    core: Rc<Core>,
    io: RefCell<Io>,
    /// Rarely used state, in a box so that a connection without it stays small.
    cold: Cell<Option<Box<ColdTransport>>>,
    /// The reason for the end of the connection. `None` while it is open.
    reason: RefCell<Option<ConnectionClosed>>,
    /// Descriptors that were received, for delivery before the bytes with which they came.
    received_descriptors: RefCell<Vec<OwnedFd>>,
    /// The keys in the registry: two if there is a descriptor for each direction.
    keys: Keys,
    /// Unset until the filters with which the connection begins are open.
    peer: OnceCell<Address>,
}

/// Limits that the program has set, and filters.
#[derive(Default)]
struct ColdTransport {
    /// `None` while they are the default.
    limits: Option<WriteLimits>,
    filtered: Option<Box<Filtered>>,
    /// The address of the peer while [`Transport::peer`] has none.
    raw_peer: Option<Address>,
}

impl ColdTransport {
    /// The state of a transport that does not show the address of its peer.
    #[cold]
    fn hiding(peer: Address) -> Box<Self> {
        Box::new(Self {
            raw_peer: Some(peer),
            ..Self::default()
        })
    }
}

/// The stream, and the output that waits.
#[derive(Default)]
struct Io {
    /// `None` once the connection is over.
    stream: Option<RawStream>,
    out: Output,
}

impl Io {
    /// Sends `pieces`, before which nothing waits.
    fn send(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match &self.stream {
            Some(stream) => stream.send_pieces(pieces),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

/// The number of bytes of all `pieces`.
pub(super) fn length_of(pieces: &[IoSlice<'_>]) -> usize {
    pieces.iter().map(|piece| piece.len()).sum()
}

pub(crate) type Keys = SmallVec<[Key; 1]>;

impl Transport {
    pub(super) fn new(
        core: Rc<Core>,
        stream: RawStream,
        keys: Keys,
        peer: Address,
        hides_peer: bool,
    ) -> Self {
        let flags = FlagCell::default();
        flags.set_to(Flags::CARRIES_DESCRIPTORS, stream.carries_descriptors());
        flags.set_to(Flags::INTEREST_CHANGED, !stream.is_watched_for_input());
        let (peer, cold) = if hides_peer {
            (OnceCell::new(), Some(ColdTransport::hiding(peer)))
        } else {
            (OnceCell::from(peer), None)
        };
        Self {
            flags,
            pauses: Cell::new(0),
            core,
            io: RefCell::new(Io {
                stream: Some(stream),
                out: Output::default(),
            }),
            cold: Cell::new(cold),
            reason: RefCell::default(),
            received_descriptors: RefCell::default(),
            keys,
            peer,
        }
    }

    /// Moves the stream and its state into a new transport, for another protocol; this transport is
    /// closed.
    #[cold]
    pub(super) fn take_over(&self) -> Self {
        let flags = FlagCell::default();
        flags.set(self.flags.get().difference(Flags::ENDED_BY_SWITCH));
        // If this is in the run queue, it stays there; its run then finds it closed.
        let left = self.flags.get().intersection(Flags::IN_RUN_QUEUE);
        // The old transport is an empty shell: with `CLOSED`, its methods have no effect.
        self.flags.clear(Flags::ALL);
        self.flags.set(left.union(Flags::CLOSED));
        Self {
            flags,
            // The pauses of the old protocol end with it (`ENDED_BY_SWITCH`).
            pauses: Cell::new(0),
            core: Rc::clone(&self.core),
            io: RefCell::new(self.io.take()),
            cold: Cell::new(self.cold.take()),
            reason: RefCell::new(self.reason.take()),
            received_descriptors: RefCell::new(self.received_descriptors.take()),
            keys: self.keys.clone(),
            peer: self.peer.clone(),
        }
    }

    pub(super) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Calls `f` with the rarely used state. `f` runs no code of the user.
    fn with_cold<R>(&self, f: impl FnOnce(&mut ColdTransport) -> R) -> R {
        let mut cold = self.cold.take().unwrap_or_default();
        // The box is out of its cell during the call. That is why `f` must not use the cold state
        // itself: it would find none and make a second box.
        let result = f(&mut cold);
        self.put_cold_back(cold);
        result
    }

    /// Puts the box back. Its place is empty, so there is nothing to drop: `forget` leaves out the
    /// code for that.
    #[inline]
    fn put_cold_back(&self, cold: Box<ColdTransport>) {
        let before = self.cold.replace(Some(cold));
        debug_assert!(before.is_none(), "the closure has used the cold state, too");
        std::mem::forget(before);
    }

    #[inline]
    pub(super) fn core(&self) -> &Rc<Core> {
        &self.core
    }

    /// The key that the connection itself is registered under.
    #[inline]
    pub(super) fn key(&self) -> Key {
        self.keys[0]
    }

    pub(super) fn peer(&self) -> &Address {
        self.peer.get().unwrap_or(&Address::Unknown)
    }

    /// Sets the address of the peer, now that the filters are open.
    pub(super) fn show_peer(&self) {
        let peer = self.filtered_peer_or_raw();
        // Errs if it is set: then it stays.
        let _ = self.peer.set(peer);
    }

    /// The address that the system has given.
    fn raw_peer(&self) -> Address {
        let hidden = self.peek_cold(|cold| cold.raw_peer.clone());
        hidden.unwrap_or_else(|| self.peer().clone())
    }

    /// The address that the filters have given, if there are any; else that of the system.
    pub(super) fn filtered_peer_or_raw(&self) -> Address {
        self.filtered_peer().unwrap_or_else(|| self.raw_peer())
    }

    pub(super) fn host(&self) -> Address {
        let io = self.io.borrow();
        io.stream.as_ref().map_or(Address::Unknown, RawStream::host)
    }

    /// Calls `f` with the socket, to ask for or to set one of its options.
    ///
    /// # Errors
    ///
    /// The connection has no socket, or is over.
    pub(super) fn with_socket<R>(
        &self,
        f: impl FnOnce(SockRef<'_>) -> io::Result<R>,
    ) -> io::Result<R> {
        match &self.io.borrow().stream {
            Some(stream) => f(stream.socket().ok_or(io::ErrorKind::Unsupported)?),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// The credentials of the peer of a UNIX socket.
    pub(super) fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        match &self.io.borrow().stream {
            Some(stream) => stream.peer_credentials(),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// As [`with_cold`](Self::with_cold), if there is such state; makes no box.
    fn peek_cold<R>(&self, f: impl FnOnce(&mut ColdTransport) -> Option<R>) -> Option<R> {
        let mut cold = self.cold.take()?;
        let result = f(&mut cold);
        self.put_cold_back(cold);
        result
    }

    pub(super) fn limits(&self) -> WriteLimits {
        self.peek_cold(|cold| cold.limits).unwrap_or_default()
    }

    pub(super) fn set_limits(&self, limits: WriteLimits) {
        // `write_little` compares with `SEND_AT_ONCE` only: lower limits must take the path through
        // `write_much`.
        let is_low = limits.max_buffered.min(limits.high_water) < SEND_AT_ONCE;
        self.flags.set_to(Flags::LOW_LIMIT, is_low);
        self.with_cold(|cold| cold.limits = Some(limits));
    }

    /// Whether the connection is neither closing nor closed.
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        !self.flags.has_any(Flags::CLOSING)
    }

    /// Whether the connection goes on: it is open, or has something left to send.
    #[inline]
    pub(super) fn is_alive(&self) -> bool {
        let flags = self.flags.get();
        if !flags.has_any(Flags::CLOSING.union(Flags::READ_EOF)) {
            return true;
        }
        // The order matters: `ABORTING` ends a connection whatever else is set, `CLOSE_AFTER_FLUSH`
        // before `READ_EOF`, because output is still sent after the peer's end.
        if flags.has_any(Flags::ABORTING.union(Flags::CLOSED)) {
            return false;
        }
        if flags.has_any(Flags::CLOSE_AFTER_FLUSH) {
            return self.waiting() > 0
                || flags.has_any(Flags::HAS_PRODUCER)
                || !self.filters_are_finished();
        }
        !flags.has_any(Flags::WRITE_CLOSED)
    }

    /// Whether the connection is over: then its methods have no effect.
    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.flags.has_any(Flags::CLOSED)
    }

    /// Notes that something was received or sent, if that ends an idle time.
    pub(super) fn note_activity(&self) {
        if self.flags.has_any(Flags::HAS_IDLE_TIMEOUT) {
            self.flags.set(Flags::ACTIVITY);
        }
    }

    /// Tells the poller what to wait for now.
    #[inline]
    pub(super) fn update_interest(&self) {
        let interest = Interest {
            readable: self.is_reading() || self.is_discarding(),
            writable: self.is_write_blocked(),
        };
        let set = match &self.io.borrow().stream {
            Some(stream) => stream.set_interest(interest),
            None => Ok(()),
        };
        self.flags
            .set_to(Flags::INTEREST_CHANGED, interest != Interest::READABLE);
        if let Err(error) = set {
            self.abort(ConnectionClosed::Lost(error));
        }
    }
}
