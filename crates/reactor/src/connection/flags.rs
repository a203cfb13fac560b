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
//! `CLOSED` follows from `CLOSE_AFTER_FLUSH` when nothing waits to be sent, from `READ_EOF`
//! together with `WRITE_CLOSED`, and from `ABORTING` whatever waits: see
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

    /// More answers wait to be sent than the high-water mark allows, so that the connection is
    /// not read. Set and cleared by `Transport::throttle`; cleared below half of the mark, when
    /// a producer is registered, and by `WRITE_FAILED`.
    pub(super) const READ_THROTTLED: Self = Self(1 << 1);

    /// The peer has finished sending. Set once, by a read of no bytes; never cleared.
    pub(super) const READ_EOF: Self = Self(1 << 2);

    /// Input was read and is not consumed by the framing: see `ConnectionSource::rest`. Set
    /// when input is kept, cleared when the rest is decoded again.
    pub(super) const HAS_REST: Self = Self(1 << 15);

    /// The rest may hold a whole frame, which had to wait. Set when decoding stops because
    /// frames are not taken, and when a handler changes the framing; cleared when decoding
    /// continues.
    pub(super) const HAS_UNDECODED: Self = Self(1 << 12);

    /// Descriptors may come with the bytes. Set when the connection begins, on a UNIX socket;
    /// never cleared.
    pub(super) const CARRIES_DESCRIPTORS: Self = Self(1 << 14);

    // --- writing ---

    /// Output waits in the buffer. Set by a write, cleared when all was sent and by
    /// `WRITE_FAILED`.
    pub(super) const HAS_OUTPUT: Self = Self(1 << 17);

    /// The system took less than there was: the poller says when it takes more. Set by a
    /// partial send, cleared by one that leaves nothing and by `WRITE_FAILED`.
    pub(super) const WRITE_BLOCKED: Self = Self(1 << 4);

    /// Writing ends when everything is sent. Set by `lose_write_connection`, cleared when
    /// `WRITE_CLOSED` or `WRITE_FAILED` is set.
    pub(super) const SHUT_WRITE_AFTER_FLUSH: Self = Self(1 << 5);

    /// Writing has ended. Set once, after `SHUT_WRITE_AFTER_FLUSH`; never cleared. Excludes
    /// `SHUT_WRITE_AFTER_FLUSH` and `HAS_OUTPUT`.
    pub(super) const WRITE_CLOSED: Self = Self(1 << 6);

    /// Sending has failed: what has arrived is read, then the connection ends. Set once, by
    /// `Transport::fail_writing`, unless the connection is aborting or closed; never cleared.
    /// Excludes `HAS_OUTPUT`, `WRITE_BLOCKED` and `READ_THROTTLED`.
    pub(super) const WRITE_FAILED: Self = Self(1 << 21);
    /// A producer is registered. Set and cleared with it.
    pub(super) const HAS_PRODUCER: Self = Self(1 << 3);

    /// The write limits are so low that a small write has to be checked against them. Set and
    /// cleared by `set_write_limits`.
    pub(super) const LOW_LIMIT: Self = Self(1 << 18);

    /// A write that is made now is no answer to input. Set and cleared by
    /// `Transport::unprompted`, around a call.
    pub(super) const UNPROMPTED: Self = Self(1 << 19);

    /// The out-buffer has counts of the bytes that are answers to input. Set with the first count,
    /// cleared when nothing waits.
    pub(super) const COUNTED: Self = Self(1 << 22);

    /// The peer has taken something of what waited. Set by a send, cleared by
    /// `Transport::take_progress`.
    pub(super) const PROGRESS: Self = Self(1 << 20);

    // --- filters ---

    /// A filter stands between the socket and the framing. Set when the first one is put in,
    /// and never cleared.
    pub(super) const FILTERED: Self = Self(1 << 23);

    /// A filter is not open yet: set when it is put in, cleared when it opens or fails. The
    /// protocol's wishes (pausing, closing) do not keep the socket from being read.
    pub(super) const FILTER_OPENING: Self = Self(1 << 24);

    /// A filter does not want the socket to be read, or has not consumed what was.
    // Set and cleared by `Transport::run_filters`, from the read limit of the engine.
    pub(super) const FILTER_PAUSED: Self = Self(1 << 25);

    /// A filter was put in and is not started: set by the handler that puts it in, cleared when
    /// that has returned. What was read and not delivered is the filter's.
    pub(super) const FILTER_SWITCHING: Self = Self(1 << 26);

    /// `connection_made` was not called: the filters that the connection begins with are not
    /// open yet. Excludes all other calls of the protocol.
    // Set when the connection begins with filters; cleared when they are open, right before
    // `connection_made`.
    pub(super) const NOT_MADE: Self = Self(1 << 27);

    // --- another protocol ---

    /// Another protocol is about to take over. Set by `switch_to`, and cleared on the connection
    /// of the new protocol right before `connection_made`; or cleared on the old one, if that is
    /// closing. Until then, no frame is delivered, and nothing is read.
    pub(super) const SWITCHING: Self = Self(1 << 30);

    // --- the end ---

    /// The connection ends when everything is sent. Set by `lose_connection`, an idle timeout
    /// or a failure of the protocol; never cleared.
    pub(super) const CLOSE_AFTER_FLUSH: Self = Self(1 << 7);

    /// The connection ends when it is next run, whatever waits. Set by `abort`, a read that
    /// fails, a limit, or the stop of the reactor; never cleared.
    pub(super) const ABORTING: Self = Self(1 << 8);

    /// The connection is over: nothing that is asked for has an effect. Set once, by
    /// `Transport::end`, before `connection_lost` is called; never cleared.
    pub(super) const CLOSED: Self = Self(1 << 9);

    // --- work for the loop ---

    /// Jobs are in the mailbox. Set by a post, cleared when the jobs were run.
    pub(super) const HAS_JOBS: Self = Self(1 << 10);

    /// The connection is in the loop's run queue. Set by `touch`, cleared when it is run.
    pub(super) const IN_RUN_QUEUE: Self = Self(1 << 13);

    /// The poller waits for something else than input alone, or may do. Set when a connection
    /// begins whose descriptor is not registered for input, and by a hang-up that was looked
    /// into; set and cleared by `Transport::update_interest`.
    pub(super) const INTEREST_CHANGED: Self = Self(1 << 16);

    /// There is a [`ColdState`](super::cold::ColdState). Set on its first use; never cleared.
    pub(super) const HAS_COLD_STATE: Self = Self(1 << 11);

    /// An idle timeout is set. Set and cleared by `set_idle_timeout`.
    pub(super) const HAS_IDLE_TIMEOUT: Self = Self(1 << 28);

    /// Something was received or sent. Set only while there is an idle timeout, cleared when
    /// the time was noted.
    pub(super) const ACTIVITY: Self = Self(1 << 29);

    // --- groups ---

    /// The connection is over, or on its way there.
    pub(super) const CLOSING: Self = Self::CLOSE_AFTER_FLUSH
        .union(Self::ABORTING)
        .union(Self::CLOSED);

    /// A write of a handler is not sent; one of a producer may be.
    pub(super) const NOT_WRITING: Self = Self::CLOSING
        .union(Self::SHUT_WRITE_AFTER_FLUSH)
        .union(Self::WRITE_CLOSED)
        .union(Self::WRITE_FAILED);

    /// No write is sent, not even one of a producer.
    pub(super) const NEVER_WRITING: Self = Self::ABORTING
        .union(Self::CLOSED)
        .union(Self::WRITE_CLOSED)
        .union(Self::WRITE_FAILED);

    /// A write takes more than adding bytes to the buffer.
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

    /// The connection is not read.
    pub(super) const NOT_READING: Self = Self::CLOSING
        .union(Self::PAUSED)
        .union(Self::READ_THROTTLED)
        .union(Self::READ_EOF)
        .union(Self::SWITCHING);

    /// Flags that do not go to the next protocol at a switch: requests of the old protocol, and
    /// news that only the old one has got.
    pub(super) const ENDED_BY_SWITCH: Self = Self::PAUSED
        .union(Self::READ_EOF)
        .union(Self::HAS_JOBS)
        .union(Self::HAS_PRODUCER)
        .union(Self::IN_RUN_QUEUE)
        .union(Self::HAS_REST)
        .union(Self::HAS_UNDECODED);

    /// A read is followed by more than decoding.
    pub(super) const READ_IS_SPECIAL: Self =
        Self::CARRIES_DESCRIPTORS.union(Self::HAS_IDLE_TIMEOUT);

    /// A send is followed by more than tidying the buffer.
    pub(super) const SEND_IS_SPECIAL: Self = Self::WRITE_BLOCKED
        .union(Self::COUNTED)
        .union(Self::HAS_IDLE_TIMEOUT);

    /// Flags that ask for no work when a handler has returned.
    pub(super) const IGNORED_BY_SETTLE: Self = Self::IN_RUN_QUEUE
        .union(Self::CARRIES_DESCRIPTORS)
        .union(Self::HAS_REST)
        .union(Self::LOW_LIMIT)
        .union(Self::UNPROMPTED)
        .union(Self::PROGRESS)
        .union(Self::COUNTED)
        .union(Self::HAS_IDLE_TIMEOUT)
        .union(Self::ACTIVITY);

    /// The flags of either.
    #[inline(always)]
    pub(super) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The flags of both.
    #[inline(always)]
    pub(super) const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The flags of this that are not flags of `other`.
    #[inline(always)]
    pub(super) const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the two have a flag in common.
    #[inline(always)]
    pub(super) const fn has_any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }
}

/// Flags that change.
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
