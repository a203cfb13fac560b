//! State of a connection as bit flags in one `u32`: the hot path tests "nothing special" with
//! one comparison.
//!
//! ```text
//!   reading   open ──READ_EOF──▶ ended       PAUSED and READ_THROTTLED come and go
//!   writing   open ──SHUT_WRITE_AFTER_FLUSH──▶ WRITE_CLOSED
//!                  └─WRITE_FAILED──▶ (what has arrived is delivered) ──▶ ABORTING
//!   both      open ──CLOSE_AFTER_FLUSH──▶ (output is sent) ──▶ CLOSED
//!                  └─ABORTING──▶ CLOSED
//! ```
//!
//! `CLOSED` follows from `CLOSE_AFTER_FLUSH` when all output is sent, from `READ_EOF` together with
//! `WRITE_CLOSED`, and from `ABORTING` even if output is unsent: see
//! [`Transport::end`](super::transport::Transport::end).

use std::cell::Cell;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags(u32);

impl Flags {
    pub(super) const NONE: Self = Self(0);
    pub(super) const ALL: Self = Self(u32::MAX);

    // --- reading ---

    /// Reading is paused. Set by `Transport::pause`, for `pause_reading` and for a pump that waits
    /// for room; cleared by `Transport::resume`, at the end of the last pause.
    pub(super) const PAUSED: Self = Self(1);

    /// More answers wait to be sent than the high-water mark allows, so the connection is not read.
    /// Set and cleared by `Transport::throttle`; cleared when at most half of the mark waits, when
    /// a producer is registered, and when `WRITE_FAILED` is set.
    pub(super) const READ_THROTTLED: Self = Self(1 << 1);

    /// The peer has finished sending. Set once, by a read of no bytes; never cleared.
    pub(super) const READ_EOF: Self = Self(1 << 2);

    /// Input was read and is not consumed by the framing: see `ConnectionSource::rest`. Set
    /// when input is kept, cleared when the rest is decoded again.
    pub(super) const HAS_REST: Self = Self(1 << 15);

    /// The kept input (`HAS_REST`) may hold a whole frame. Set when decoding stops because frames
    /// must not be delivered, and when a handler may have changed the framing; cleared when
    /// decoding continues.
    pub(super) const HAS_UNDECODED: Self = Self(1 << 12);

    /// Descriptors may come with the bytes. Set when the connection begins, on a UNIX socket;
    /// never cleared.
    pub(super) const CARRIES_DESCRIPTORS: Self = Self(1 << 14);

    // --- writing ---

    /// Output waits in the buffer. Set by a write, cleared when all was sent and when
    /// `WRITE_FAILED` is set.
    pub(super) const HAS_OUTPUT: Self = Self(1 << 17);

    /// The system has taken only a part of the output; the poller reports when it takes more. Set
    /// by a partial send, cleared by a send that leaves no output and when `WRITE_FAILED` is set.
    pub(super) const WRITE_BLOCKED: Self = Self(1 << 4);

    /// Writing ends when all output is sent. Set by `lose_write_connection`, cleared when
    /// `WRITE_CLOSED` or `WRITE_FAILED` is set.
    pub(super) const SHUT_WRITE_AFTER_FLUSH: Self = Self(1 << 5);

    /// Writing has ended. Set once, after `SHUT_WRITE_AFTER_FLUSH`; never cleared. Excludes
    /// `SHUT_WRITE_AFTER_FLUSH` and `HAS_OUTPUT`.
    pub(super) const WRITE_CLOSED: Self = Self(1 << 6);

    /// Sending has failed: input that has arrived is delivered, then the connection ends. Set once,
    /// by `Transport::fail_writing`, unless the connection is aborting or closed; never cleared.
    /// Excludes `HAS_OUTPUT`, `WRITE_BLOCKED` and `READ_THROTTLED`.
    pub(super) const WRITE_FAILED: Self = Self(1 << 21);
    /// A producer is registered. Set when it is registered, cleared when it is unregistered or has
    /// finished.
    pub(super) const HAS_PRODUCER: Self = Self(1 << 3);

    /// The write limits are so low that a small write has to be checked against them. Set and
    /// cleared by `set_write_limits`.
    pub(super) const LOW_LIMIT: Self = Self(1 << 18);

    /// A write that is made now does not count as an answer to input. Set and cleared by
    /// `Transport::unprompted`, around a call.
    pub(super) const UNPROMPTED: Self = Self(1 << 19);

    /// `Output` has counted which of the unsent bytes are answers to input. Set with the first
    /// count, cleared when all output is sent.
    pub(super) const COUNTED: Self = Self(1 << 22);

    /// The peer has taken some of the output that waited. Set by a send, cleared by
    /// `Transport::take_progress`.
    pub(super) const PROGRESS: Self = Self(1 << 20);

    // --- filters ---

    /// A filter stands between the socket and the framing. Set when the first filter is inserted;
    /// never cleared.
    pub(super) const FILTERED: Self = Self(1 << 23);

    /// A filter is not open yet. Set when the filter is inserted, cleared when it opens or fails.
    /// Until then, a pause or a close by the protocol does not stop the reading of the socket,
    /// because the filter needs the input for its handshake.
    pub(super) const FILTER_OPENING: Self = Self(1 << 24);

    /// The socket is not read, because a filter has asked for that, or has not consumed its input.
    // Set and cleared by `Transport::run_filters`, from the read limit of the engine.
    pub(super) const FILTER_PAUSED: Self = Self(1 << 25);

    /// A filter was inserted and is not started. Set by the handler that inserts the filter,
    /// cleared when that handler has returned. Input that was read and not delivered goes to the
    /// filter.
    pub(super) const FILTER_SWITCHING: Self = Self(1 << 26);

    /// `connection_made` was not called yet, because the filters with which the connection begins
    /// are not open. Until then, no other handler is called either.
    // Set when the connection begins with filters; cleared when they are open, right before
    // `connection_made`.
    pub(super) const NOT_MADE: Self = Self(1 << 27);

    // --- another protocol ---

    /// Another protocol is about to take over. Set by `switch_to`. Cleared on the connection of the
    /// new protocol right before its `connection_made`, or on the old connection if that is
    /// closing. While set, no frame is delivered, and the connection is not read.
    pub(super) const SWITCHING: Self = Self(1 << 30);

    // --- the end ---

    /// The connection ends when all output is sent. Set by `lose_connection`, an idle timeout or a
    /// failure of the protocol; never cleared.
    pub(super) const CLOSE_AFTER_FLUSH: Self = Self(1 << 7);

    /// The connection ends when the loop next runs it, even if output is unsent. Set by `abort`, a
    /// read that fails, a limit, or the stop of the reactor; never cleared.
    pub(super) const ABORTING: Self = Self(1 << 8);

    /// The connection is over: further requests have no effect. Set once, by `Transport::end`,
    /// before `connection_lost` is called; never cleared.
    pub(super) const CLOSED: Self = Self(1 << 9);

    // --- work for the loop ---

    /// Jobs are in the mailbox. Set by a post, cleared when the jobs were run.
    pub(super) const HAS_JOBS: Self = Self(1 << 10);

    /// The connection is in the loop's run queue. Set by `touch`, cleared when it is run.
    pub(super) const IN_RUN_QUEUE: Self = Self(1 << 13);

    /// The descriptor may be registered with the poller for other events than input alone. Set when
    /// a connection begins with such a registration, and when a hang-up was handled; set and
    /// cleared by `Transport::update_interest`.
    pub(super) const INTEREST_CHANGED: Self = Self(1 << 16);

    /// There is a [`ColdState`](super::cold::ColdState). Set on its first use; never cleared.
    pub(super) const HAS_COLD_STATE: Self = Self(1 << 11);

    /// An idle timeout is set. Set and cleared by `set_idle_timeout`.
    pub(super) const HAS_IDLE_TIMEOUT: Self = Self(1 << 28);

    /// Bytes were received or sent. Set only while there is an idle timeout; cleared when
    /// `note_activity` has stored the time.
    pub(super) const ACTIVITY: Self = Self(1 << 29);

    // --- groups ---

    /// The connection is over, closing or aborting.
    pub(super) const CLOSING: Self = Self::CLOSE_AFTER_FLUSH
        .union(Self::ABORTING)
        .union(Self::CLOSED);

    /// A write of a handler is dropped; a write of a producer may still be sent.
    pub(super) const NOT_WRITING: Self = Self::CLOSING
        .union(Self::SHUT_WRITE_AFTER_FLUSH)
        .union(Self::WRITE_CLOSED)
        .union(Self::WRITE_FAILED);

    /// All writes are dropped, including those of a producer.
    pub(super) const NEVER_WRITING: Self = Self::ABORTING
        .union(Self::CLOSED)
        .union(Self::WRITE_CLOSED)
        .union(Self::WRITE_FAILED);

    /// A write has to do more than append bytes to the buffer.
    pub(super) const WRITES_CHECKED: Self = Self::NOT_WRITING
        .union(Self::LOW_LIMIT)
        .union(Self::UNPROMPTED)
        .union(Self::FILTERED);

    /// Frames are not delivered.
    pub(super) const NO_FRAMES: Self = Self::CLOSING
        .union(Self::PAUSED)
        .union(Self::READ_THROTTLED)
        .union(Self::FILTER_SWITCHING)
        .union(Self::SWITCHING);

    /// The connection is not read. With filters, other flags count, too, such as `FILTER_PAUSED`:
    /// see `Transport::is_reading_filtered`.
    pub(super) const NOT_READING: Self = Self::CLOSING
        .union(Self::PAUSED)
        .union(Self::READ_THROTTLED)
        .union(Self::READ_EOF)
        .union(Self::SWITCHING);

    /// Flags that the next protocol's connection does not take over at a switch: requests of the
    /// old protocol (`PAUSED`, `HAS_PRODUCER`); an event that only the old protocol was told of
    /// (`READ_EOF`); and what the old source keeps or the switch sets anew: its mailbox
    /// (`HAS_JOBS`), its place in the run queue, and the undecoded input (`HAS_REST`,
    /// `HAS_UNDECODED`).
    pub(super) const ENDED_BY_SWITCH: Self = Self::PAUSED
        .union(Self::READ_EOF)
        .union(Self::HAS_JOBS)
        .union(Self::HAS_PRODUCER)
        .union(Self::IN_RUN_QUEUE)
        .union(Self::HAS_REST)
        .union(Self::HAS_UNDECODED);

    /// After a read, more is to be done than decoding.
    pub(super) const READ_IS_SPECIAL: Self =
        Self::CARRIES_DESCRIPTORS.union(Self::HAS_IDLE_TIMEOUT);

    /// After a send, more is to be done than tidying the buffer.
    pub(super) const SEND_IS_SPECIAL: Self = Self::WRITE_BLOCKED
        .union(Self::COUNTED)
        .union(Self::HAS_IDLE_TIMEOUT);

    /// Flags that require no work when a handler has returned.
    pub(super) const IGNORED_BY_SETTLE: Self = Self::IN_RUN_QUEUE
        .union(Self::CARRIES_DESCRIPTORS)
        .union(Self::HAS_REST)
        .union(Self::LOW_LIMIT)
        .union(Self::UNPROMPTED)
        .union(Self::PROGRESS)
        .union(Self::COUNTED)
        .union(Self::HAS_IDLE_TIMEOUT)
        .union(Self::ACTIVITY);

    /// The flags that are in `self` or in `other`.
    #[inline(always)]
    pub(super) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The flags that are in both `self` and `other`.
    #[inline(always)]
    pub(super) const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The flags that are in `self` and not in `other`.
    #[inline(always)]
    pub(super) const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether `self` has any flag of `of`.
    #[inline(always)]
    pub(super) const fn has_any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }
}

/// A cell of the flags of one connection.
#[derive(Default)]
pub(super) struct FlagCell(Cell<Flags>);

impl FlagCell {
    #[inline(always)]
    pub(super) fn get(&self) -> Flags {
        self.0.get()
    }

    #[inline(always)]
    pub(super) fn has_any(&self, of: Flags) -> bool {
        self.0.get().has_any(of)
    }

    #[inline(always)]
    pub(super) fn set(&self, flags: Flags) {
        self.0.set(self.0.get().union(flags));
    }

    #[inline(always)]
    pub(super) fn clear(&self, flags: Flags) {
        self.0.set(self.0.get().difference(flags));
    }

    #[inline(always)]
    pub(super) fn set_to(&self, flags: Flags, are_set: bool) {
        if are_set {
            self.set(flags);
        } else {
            self.clear(flags);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FlagCell, Flags};

    const SINGLE: [Flags; 31] = [
        Flags::PAUSED,
        Flags::READ_THROTTLED,
        Flags::READ_EOF,
        Flags::HAS_PRODUCER,
        Flags::WRITE_BLOCKED,
        Flags::SHUT_WRITE_AFTER_FLUSH,
        Flags::WRITE_CLOSED,
        Flags::CLOSE_AFTER_FLUSH,
        Flags::ABORTING,
        Flags::CLOSED,
        Flags::HAS_JOBS,
        Flags::HAS_COLD_STATE,
        Flags::HAS_UNDECODED,
        Flags::IN_RUN_QUEUE,
        Flags::CARRIES_DESCRIPTORS,
        Flags::HAS_REST,
        Flags::INTEREST_CHANGED,
        Flags::HAS_OUTPUT,
        Flags::LOW_LIMIT,
        Flags::UNPROMPTED,
        Flags::PROGRESS,
        Flags::WRITE_FAILED,
        Flags::COUNTED,
        Flags::HAS_IDLE_TIMEOUT,
        Flags::ACTIVITY,
        Flags::FILTERED,
        Flags::FILTER_OPENING,
        Flags::FILTER_PAUSED,
        Flags::FILTER_SWITCHING,
        Flags::NOT_MADE,
        Flags::SWITCHING,
    ];

    #[test]
    fn each_flag_is_one_bit_of_its_own() {
        let mut all = Flags::NONE;
        for flag in SINGLE {
            assert_eq!(flag.0.count_ones(), 1, "{flag:?}");
            assert!(!all.has_any(flag), "{flag:?} is there already");
            all = all.union(flag);
        }
    }

    #[test]
    fn operators_are_those_of_sets() {
        let (a, b, c) = (Flags::PAUSED, Flags::READ_EOF, Flags::CLOSED);
        let ab = a.union(b);
        assert!(ab.has_any(a) && ab.has_any(b) && !ab.has_any(c));
        assert_eq!(ab.intersection(b.union(c)), b);
        assert_eq!(ab.intersection(c), Flags::NONE);
        assert_eq!(ab.difference(b.union(c)), a);
        assert!(!Flags::NONE.has_any(ab));
    }

    #[test]
    fn a_cell_changes_only_the_flags_that_are_named() {
        let cell = FlagCell::default();
        cell.set(Flags::PAUSED.union(Flags::HAS_JOBS));
        cell.set_to(Flags::READ_EOF, true);
        cell.set_to(Flags::PAUSED, false);
        assert_eq!(cell.get(), Flags::HAS_JOBS.union(Flags::READ_EOF));
        cell.clear(Flags::HAS_JOBS.union(Flags::CLOSED));
        assert_eq!(cell.get(), Flags::READ_EOF);
        assert!(cell.has_any(Flags::NOT_READING) && !cell.has_any(Flags::NO_FRAMES));
    }

    #[test]
    fn the_end_of_one_direction_is_not_the_end_of_the_other() {
        assert!(!Flags::NOT_WRITING.has_any(Flags::READ_EOF));
        assert!(!Flags::NOT_READING.has_any(Flags::WRITE_CLOSED));
        assert!(!Flags::NEVER_WRITING.has_any(Flags::CLOSE_AFTER_FLUSH));
        assert!(!Flags::IGNORED_BY_SETTLE.has_any(Flags::CLOSING.union(Flags::HAS_JOBS)));
    }
}
