//! Transport of a connection: what is to be sent, whether to read, and how it ends. It knows
//! nothing of protocols. Its state is in [`Flags`], which say how they follow one another.

mod ending;
mod filter_state;
mod filtered;

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

/// A write of this size is handed to the system at once, if nothing waits before
/// it: copying it would cost more than gathering it with others saves.
const SEND_AT_ONCE: usize = 32 * 1024;

/// Number of reads of a closing connection in a turn, to discard what comes.
const DISCARDS_PER_TURN: usize = 4;

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
    /// Unset until the filters are open with which the connection begins.
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
    pub(super) fn new(core: Rc<Core>, stream: RawStream, keys: Keys, peer: Address) -> Self {
        let flags = FlagCell::default();
        flags.set_to(Flags::CARRIES_DESCRIPTORS, stream.carries_descriptors());
        flags.set_to(Flags::INTEREST_CHANGED, !stream.is_watched_for_input());
        Self {
            flags,
            pauses: Cell::new(0),
            core,
            io: RefCell::new(Io {
                stream: Some(stream),
                out: Output::default(),
            }),
            cold: Cell::default(),
            reason: RefCell::default(),
            received_descriptors: RefCell::default(),
            keys,
            peer: OnceCell::from(peer),
        }
    }

    /// Moves all of it into a transport for another protocol; what is left is closed.
    #[cold]
    pub(super) fn take_over(&self) -> Self {
        let flags = FlagCell::default();
        flags.set(self.flags.get().difference(Flags::ENDED_BY_SWITCH));
        // If this is in the run queue, it stays there; its run then finds it closed.
        let left = self.flags.get().intersection(Flags::IN_RUN_QUEUE);
        // The old transport is an empty shell: with `CLOSED`, what is asked of it has no effect.
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

    /// Calls `f`, which runs nothing of a user's, with what few connections have.
    fn with_cold<R>(&self, f: impl FnOnce(&mut ColdTransport) -> R) -> R {
        let mut cold = self.cold.take().unwrap_or_default();
        // The box is out of its cell during the call. That is why `f` must not use the cold state
        // itself: it would find none and make a second box.
        let result = f(&mut cold);
        self.put_cold_back(cold);
        result
    }

    /// The place is empty, so there is nothing to drop: `forget` leaves out the code that would.
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

    /// Hides the peer's address until the filters are open with which the connection begins: one of
    /// them may set another address.
    pub(super) fn hide_peer(&mut self) {
        let peer = self.peer.take();
        self.with_cold(|cold| cold.raw_peer = peer);
    }

    /// Sets the address of the peer, now that the filters are open.
    pub(super) fn show_peer(&self) {
        let peer = self.filtered_peer_or_raw();
        // Errs if it is set: then it stays.
        let _ = self.peer.set(peer);
    }

    /// The address as the system tells it.
    fn raw_peer(&self) -> Address {
        let hidden = self.peek_cold(|cold| cold.raw_peer.clone());
        hidden.unwrap_or_else(|| self.peer().clone())
    }

    /// The address as the filters tell it, if there are any.
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
    /// There is none, or the connection is over.
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

    /// As [`with_cold`](Self::with_cold), if there is something; makes no box.
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
            // A registered producer may write until it unregisters.
            || flags.has_any(Flags::HAS_PRODUCER) && !flags.has_any(Flags::NEVER_WRITING)
    }

    /// Whether it does not end now: it is open, or has something left to send.
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

    /// Whether it is over: nothing that is asked for has an effect.
    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.flags.has_any(Flags::CLOSED)
    }

    #[inline]
    pub(super) fn write(&self, bytes: &[u8]) {
        if !self.write_little(bytes) {
            self.write_much(bytes);
        }
    }

    /// Writes, if that only adds a few bytes to the buffer; says whether it did.
    #[inline]
    pub(super) fn write_little(&self, bytes: &[u8]) -> bool {
        let mut io = self.io.borrow_mut();
        // One test covers size, limits and state: `WRITES_CHECKED` has every flag under which a
        // write is more than an append.
        let buffered = io.out.waiting() + bytes.len();
        if buffered >= SEND_AT_ONCE || self.flags.has_any(Flags::WRITES_CHECKED) {
            return false;
        }
        if !bytes.is_empty() {
            io.out.push(bytes, &self.core);
            self.flags.set(Flags::HAS_OUTPUT);
        }
        true
    }

    /// Writes what may be large, or may not be written at all.
    #[inline(never)]
    pub(super) fn write_much(&self, bytes: &[u8]) {
        if !self.takes_writes() {
            tracing::debug!(target: "reactor", peer = %self.peer(), "a write after the close is dropped");
            return;
        }
        if self.flags.has_any(Flags::FILTERED) {
            return self.write_filtered(bytes);
        }
        let io = &mut *self.io.borrow_mut();
        let limits = self.limits();
        let before = io.out.waiting();
        let most = limits.most().saturating_add(io.out.allowance());
        let crosses = |limit: usize| before <= limit && before + bytes.len() > limit;
        if before > 0 && (crosses(limits.max_buffered) || before + bytes.len() > most) {
            // The peer may have made room since the handler began.
            if let Err(error) = self.send_waiting(io) {
                return self.fail_writing(io, error);
            }
        }
        let rest = match self.send_at_once(io, &[IoSlice::new(bytes)]) {
            Ok(sent) => &bytes[sent..],
            Err(error) => return self.fail_writing(io, error),
        };
        if rest.is_empty() {
            return;
        }
        let before = io.out.waiting();
        let buffered = before + rest.len();
        // Checked before the bytes of this write: so that one write of any size is accepted, and
        // the next one is not.
        if before <= limits.max_buffered {
            // One write of any size.
            io.out
                .set_allowance(rest.len().saturating_sub(limits.max_buffered));
        } else if buffered > limits.most().saturating_add(io.out.allowance()) {
            let limit = limits.max_buffered;
            return self.abort(ConnectionClosed::Overflow { buffered, limit });
        }
        io.out.push(rest, &self.core);
        if self.flags.has_any(Flags::UNPROMPTED) {
            // Counted apart, because throttling looks at answers to input only: output that the
            // peer did not cause must not stop the reading of its input.
            io.out.add_unprompted(rest.len());
            self.flags.set(Flags::COUNTED);
        }
        self.flags.set(Flags::HAS_OUTPUT);
    }

    /// Sends what the system takes of a large write, if nothing waits before it.
    fn send_at_once(&self, io: &mut Io, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let length = length_of(pieces);
        if length < SEND_AT_ONCE || io.out.waiting() > 0 || self.is_write_blocked() {
            return Ok(0);
        }
        let sent = io.send(pieces)?;
        self.core.counters.sent(sent);
        if sent > 0 {
            self.note_activity();
        }
        // Set only here and in `has_sent`, from what the system took: the next write must not
        // overtake the rest in the buffer.
        self.flags.set_to(Flags::WRITE_BLOCKED, sent < length);
        Ok(sent)
    }

    /// Number of bytes that pass the high-water mark, so that a wait for room does wait.
    pub(super) fn room(&self) -> usize {
        let bound = self.limits().high_water.saturating_add(1);
        bound.saturating_sub(self.waiting())
    }

    /// Sends what the system takes of `pieces` at once, and buffers nothing. The caller must buffer
    /// a part of the rest, if there is one: only for what is buffered does the loop wait for room.
    pub(super) fn send_some(&self, pieces: &[IoSlice<'_>]) -> usize {
        if self.flags.has_any(Flags::FILTERED) || !self.takes_writes() {
            return 0;
        }
        let io = &mut *self.io.borrow_mut();
        match self.send_at_once(io, pieces) {
            Ok(sent) => sent,
            Err(error) => {
                self.fail_writing(io, error);
                // Discarded, as what is written to a connection that has failed.
                length_of(pieces)
            }
        }
    }

    /// Calls `f`, during which output does not count as answers to input.
    pub(super) fn unprompted<R>(&self, f: impl FnOnce() -> R) -> R {
        let was_set = self.flags.has_any(Flags::UNPROMPTED);
        self.flags.set(Flags::UNPROMPTED);
        let result = f();
        // Restored, because these calls nest.
        self.flags.set_to(Flags::UNPROMPTED, was_set);
        result
    }

    /// Notes that something was received or sent, if that ends an idle time.
    pub(super) fn note_activity(&self) {
        if self.flags.has_any(Flags::HAS_IDLE_TIMEOUT) {
            self.flags.set(Flags::ACTIVITY);
        }
    }

    pub(super) fn carries_descriptors(&self) -> bool {
        self.flags.has_any(Flags::CARRIES_DESCRIPTORS)
    }

    /// How many descriptors wait to be sent.
    pub(super) fn waiting_descriptors(&self) -> usize {
        self.io.borrow().out.waiting_descriptors()
    }

    /// Writes `bytes`; `descriptor` goes with the first of them.
    pub(super) fn write_with(&self, descriptor: OwnedFd, bytes: &[u8]) {
        self.io.borrow_mut().out.push_descriptor(descriptor);
        // Below SEND_AT_ONCE, so that no piece overtakes buffered bytes.
        for piece in bytes.chunks(SEND_AT_ONCE - 1) {
            self.write(piece);
        }
    }

    /// How many bytes wait to be sent.
    #[inline]
    pub(super) fn waiting(&self) -> usize {
        let waiting = self.io.borrow().out.waiting();
        if self.flags.has_any(Flags::FILTERED) {
            return waiting + self.waiting_for_filters();
        }
        waiting
    }

    /// Whether there is something to send, and the system might take it.
    #[inline]
    pub(super) fn can_flush(&self) -> bool {
        // `WRITE_BLOCKED`: the poller reports room first. Trying before would be a system call in
        // vain for each handler.
        let stopped = Flags::WRITE_BLOCKED
            .union(Flags::ABORTING)
            .union(Flags::CLOSED);
        let flags = self.flags.get();
        flags.intersection(stopped.union(Flags::HAS_OUTPUT)) == Flags::HAS_OUTPUT
    }

    /// Whether the system is to say when it takes more.
    #[inline]
    pub(super) fn is_write_blocked(&self) -> bool {
        self.flags.has_any(Flags::WRITE_BLOCKED)
    }

    /// Sends what waits, as far as the system takes it. Not to be called while a handler runs,
    /// since it counts what the last one has written.
    #[inline]
    pub(super) fn flush(&self) {
        let io = &mut *self.io.borrow_mut();
        let Some(stream) = &io.stream else {
            return;
        };
        let sent = match io.out.send(stream) {
            Ok(sent) => sent,
            Err(error) => return self.fail_writing(io, error),
        };
        self.core.counters.sent(sent);
        let is_write_blocked = io.out.tidy(&self.core) > 0;
        self.flags.set_to(Flags::HAS_OUTPUT, is_write_blocked);
        if is_write_blocked || self.flags.has_any(Flags::SEND_IS_SPECIAL) {
            self.wait_for_room(io, sent);
        }
    }

    #[cold]
    fn wait_for_room(&self, io: &mut Io, sent: usize) {
        self.has_sent(io, sent);
        self.throttle(io);
    }

    /// Notes that the system has taken `sent` bytes of what waited, and whether any are left.
    fn has_sent(&self, io: &mut Io, sent: usize) {
        io.out.forget_sent(sent);
        if sent > 0 {
            self.flags.set(Flags::PROGRESS);
            if self.flags.has_any(Flags::FILTERED) {
                self.note_filtered_output(io.out.waiting());
            } else {
                self.note_activity();
            }
        }
        let is_write_blocked = io.out.waiting() > 0;
        self.flags.set_to(Flags::WRITE_BLOCKED, is_write_blocked);
        self.flags.set_to(Flags::HAS_OUTPUT, is_write_blocked);
    }

    /// As [`flush`](Self::flush), in the middle of a handler, also if the system took nothing.
    fn send_waiting(&self, io: &mut Io) -> io::Result<()> {
        if let Some(stream) = &io.stream {
            let sent = io.out.send(stream)?;
            self.core.counters.sent(sent);
            io.out.tidy(&self.core);
            self.has_sent(io, sent);
        }
        Ok(())
    }

    /// Stops reading while more answers wait than the high-water mark allows, and resumes below
    /// half of it.
    fn throttle(&self, io: &mut Io) {
        let flags = self.flags.get();
        let high_water = self.limits().high_water;
        // Two limits, so that a peer that takes a little at a time does not switch reading off and
        // on with each piece.
        let limit = if flags.has_any(Flags::READ_THROTTLED) {
            high_water / 2
        } else {
            high_water
        };
        let answers = if flags.has_any(Flags::FILTERED) {
            self.answers_for_filters(high_water)
        } else {
            io.out.answers(high_water)
        };
        // A producer is paused itself, so its connection is read on.
        let is_throttled = answers > limit && !flags.has_any(Flags::HAS_PRODUCER);
        self.flags.set_to(Flags::READ_THROTTLED, is_throttled);
        self.flags.set_to(Flags::COUNTED, io.out.waiting() > 0);
    }

    /// As [`throttle`](Self::throttle), between two handlers, if the system takes no more.
    pub(super) fn throttle_if_blocked(&self) {
        if self.is_write_blocked() {
            // A producer lifts the throttling; without it, what waits counts again.
            self.throttle(&mut self.io.borrow_mut());
        }
    }

    pub(super) fn has_producer(&self) -> bool {
        self.flags.has_any(Flags::HAS_PRODUCER)
    }

    pub(super) fn set_has_producer(&self, has_producer: bool) {
        self.flags.set_to(Flags::HAS_PRODUCER, has_producer);
        // Counted anew: a producer lifts the throttling, and its end may bring it back.
        self.throttle(&mut self.io.borrow_mut());
    }

    /// Whether the peer is to take something now and then: the connection is closing, or more
    /// waits than is allowed.
    pub(super) fn is_to_be_watched(&self) -> bool {
        let flags = self.flags.get();
        flags.has_any(Flags::WRITE_BLOCKED.union(Flags::FILTERED))
            && (flags.has_any(Flags::CLOSING) || self.overfull().is_some())
    }

    /// How much waits and is more than is allowed.
    pub(super) fn overfull(&self) -> Option<usize> {
        let waiting = self.waiting();
        (waiting > self.limits().max_buffered).then_some(waiting)
    }

    /// Whether the peer has taken something since this was asked last.
    pub(super) fn take_progress(&self) -> bool {
        let has_progressed = self.flags.has_any(Flags::PROGRESS);
        self.flags.clear(Flags::PROGRESS);
        has_progressed
    }

    // --- reading ---

    /// Reads once; `None` if there is nothing now.
    #[inline(always)]
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let io = self.io.borrow_mut();
        let Some(stream) = &io.stream else {
            return Ok(None);
        };
        let received = if self.flags.has_any(Flags::CARRIES_DESCRIPTORS) {
            stream.receive_with(buffer, &mut self.received_descriptors.borrow_mut())?
        } else {
            stream.receive(buffer)?
        };
        if let Some(received) = received {
            self.core.counters.received(received);
        }
        Ok(received)
    }

    /// As [`receive`](Self::receive), not inlined: at the end of a connection.
    #[cold]
    pub(super) fn receive_last(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        self.receive(buffer)
    }

    pub(super) fn take_descriptors(&self) -> Vec<OwnedFd> {
        self.received_descriptors.take()
    }

    /// Whether a frame may be delivered.
    #[inline]
    pub(super) fn takes_frames(&self) -> bool {
        // The usual case: no flag forbids it, and nothing waits to be sent.
        !self.flags.has_any(
            Flags::NO_FRAMES
                .union(Flags::HAS_OUTPUT)
                .union(Flags::FILTERED),
        ) || self.takes_more_frames()
    }

    fn takes_more_frames(&self) -> bool {
        if self.waiting() > self.limits().high_water {
            if self.flags.has_any(Flags::FILTERED) {
                self.flush_filters();
            }
            // The flush may find the connection lost.
            if self.can_flush() {
                self.flush();
            } else {
                self.throttle(&mut self.io.borrow_mut());
            }
        }
        !self.flags.has_any(Flags::NO_FRAMES)
    }

    /// Whether the socket is to be read.
    #[inline]
    pub(super) fn is_reading(&self) -> bool {
        if self.flags.has_any(Flags::FILTERED) {
            return self.is_reading_filtered();
        }
        !self.flags.has_any(Flags::NOT_READING)
    }

    /// Begins a pause of reading. Each ends by itself, so that two parts of a program which pause
    /// do not undo each other's.
    pub(super) fn pause(&self) {
        self.pauses.set(self.pauses.get().saturating_add(1));
        self.flags.set(Flags::PAUSED);
    }

    /// Ends a pause of reading, if there is one.
    pub(super) fn resume(&self) {
        let left = self.pauses.get().saturating_sub(1);
        self.pauses.set(left);
        self.flags.set_to(Flags::PAUSED, left > 0);
    }

    pub(super) fn has_read_eof(&self) -> bool {
        self.flags.has_any(Flags::READ_EOF)
    }

    pub(super) fn set_read_eof(&self) {
        self.flags.set(Flags::READ_EOF);
    }

    /// Whether input is read and discarded: the connection is closing, and output waits to be sent.
    /// The peer may read nothing before its own output is read, so this side has to read.
    pub(super) fn is_discarding(&self) -> bool {
        self.flags.has_any(Flags::CLOSE_AFTER_FLUSH)
            && !self
                .flags
                .has_any(Flags::READ_EOF.union(Flags::FILTER_OPENING))
            && self.is_alive()
    }

    /// Reads, and discards what comes.
    #[cold]
    pub(super) fn discard_input(&self) {
        let mut buffer = self.core.buffers.take_read();
        // Bounded per turn, as reading is, so that a peer which sends without end does not keep the
        // loop from its other sources.
        for _ in 0..DISCARDS_PER_TURN {
            let received = self.receive_last(&mut *buffer);
            // Closed at once: descriptors that come with discarded bytes must not pile up.
            drop(self.received_descriptors.take());
            match received {
                Ok(None) => break,
                Ok(Some(0)) => {
                    self.set_read_eof();
                    break;
                }
                // A short read has emptied the socket; another call would only say so.
                Ok(Some(received)) if received < buffer.len() => break,
                Ok(Some(_)) => {}
                Err(error) => {
                    self.abort(ConnectionClosed::Lost(error));
                    break;
                }
            }
        }
        self.core.buffers.return_read(buffer);
    }

    /// How many bytes have arrived that were not read.
    pub(super) fn arrived(&self) -> usize {
        let io = self.io.borrow();
        io.stream.as_ref().map_or(0, RawStream::arrived)
    }

    /// Looks into a hang-up that neither reading nor writing would show, and that the poller
    /// would report again and again.
    pub(super) fn look_into_hang_up(&self) {
        // An error of the socket ends the connection. Without one, the descriptor is masked: the
        // poller reports a hang-up also without interest, in each turn.
        let looked = match &self.io.borrow().stream {
            Some(stream) => match stream.take_error() {
                Ok(None) => stream.mask(),
                Ok(Some(error)) | Err(error) => Err(error),
            },
            None => Ok(()),
        };
        self.flags.set(Flags::INTEREST_CHANGED);
        if let Err(error) = looked {
            self.fail_with(error);
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
