//! What is out of the ordinary with a connection: all of it in one word, so that the
//! ordinary case is one comparison.

use std::cell::Cell;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags(u32);

impl Flags {
    pub(super) const NONE: Self = Self(0);

    /// Somebody has asked not to read.
    pub(super) const PAUSED: Self = Self(1);
    /// Above the high-water mark: it is not read from.
    pub(super) const READ_THROTTLED: Self = Self(1 << 1);
    /// The peer has finished sending.
    pub(super) const READ_EOF: Self = Self(1 << 2);
    /// Somebody sees to it that not too much is written.
    pub(super) const HAS_PRODUCER: Self = Self(1 << 3);
    /// The system took less than there was: it will say when it takes more.
    pub(super) const WRITE_BLOCKED: Self = Self(1 << 4);
    /// Writing ends when everything is sent.
    pub(super) const SHUT_WRITE_AFTER_FLUSH: Self = Self(1 << 5);
    /// Writing has ended.
    pub(super) const WRITE_CLOSED: Self = Self(1 << 6);
    /// The connection ends when everything is sent.
    pub(super) const CLOSE_AFTER_FLUSH: Self = Self(1 << 7);
    /// The connection ends at the next opportunity.
    pub(super) const ABORTING: Self = Self(1 << 8);
    /// It is over: nothing that is asked for has an effect.
    pub(super) const CLOSED: Self = Self(1 << 9);
    /// Jobs wait for the protocol.
    pub(super) const HAS_JOBS: Self = Self(1 << 10);
    /// There is a `ColdState`.
    pub(super) const HAS_COLD_STATE: Self = Self(1 << 11);
    /// The rest was not looked through: there may be a frame in it.
    pub(super) const HAS_UNDECODED: Self = Self(1 << 12);
    /// It is in the loop's list of what is to be settled.
    pub(super) const IN_RUN_QUEUE: Self = Self(1 << 13);
    /// Descriptors may come with the bytes.
    pub(super) const CARRIES_DESCRIPTORS: Self = Self(1 << 14);

    /// Something was read and not delivered: see `ConnectionSource::rest`.
    pub(super) const HAS_REST: Self = Self(1 << 15);
    /// The poller waits for something else than what comes in.
    pub(super) const INTEREST_CHANGED: Self = Self(1 << 16);
    /// Something waits to be sent.
    pub(super) const HAS_OUTPUT: Self = Self(1 << 17);
    /// Not even little may wait: see [`WriteLimits`](super::limits::WriteLimits).
    pub(super) const LOW_LIMIT: Self = Self(1 << 18);
    /// What is written now is not written in answer to input.
    pub(super) const UNPROMPTED: Self = Self(1 << 19);
    /// The peer has taken something of what waited, since this was last cleared.
    pub(super) const PROGRESS: Self = Self(1 << 20);
    /// It was counted which bytes that wait are answers to input.
    pub(super) const COUNTED: Self = Self(1 << 22);
    /// Sending has failed: what has arrived is read, then the connection ends.
    pub(super) const WRITE_FAILED: Self = Self(1 << 21);
    /// A filter stands between the socket and the framing. Set when the first one is put in,
    /// and never cleared.
    pub(super) const FILTERED: Self = Self(1 << 23);
    /// A filter is not open yet: set when it is put in, cleared when it opens or fails. The
    /// protocol's wishes (pausing, closing) do not keep the socket from being read.
    pub(super) const FILTER_OPENING: Self = Self(1 << 24);
    /// A filter does not want the socket to be read, or has not consumed what was.
    pub(super) const FILTER_PAUSED: Self = Self(1 << 25);
    /// A filter was put in and is not started: set by the handler that puts it in, cleared when
    /// that has returned. What was read and not delivered is the filter's.
    pub(super) const FILTER_SWITCHING: Self = Self(1 << 26);
    /// `connection_made` was not called: the filters that the connection begins with are not
    /// open yet. Excludes all other calls of the protocol.
    pub(super) const NOT_MADE: Self = Self(1 << 27);

    /// On its way out.
    pub(super) const CLOSING: Self =
        Self(Self::CLOSE_AFTER_FLUSH.0 | Self::ABORTING.0 | Self::CLOSED.0);
    /// What is written is not sent, unless there is a producer.
    pub(super) const NOT_WRITING: Self = Self(
        Self::CLOSING.0
            | Self::SHUT_WRITE_AFTER_FLUSH.0
            | Self::WRITE_CLOSED.0
            | Self::WRITE_FAILED.0,
    );
    /// What is written is not sent, whoever writes it.
    pub(super) const NEVER_WRITING: Self =
        Self(Self::ABORTING.0 | Self::CLOSED.0 | Self::WRITE_CLOSED.0 | Self::WRITE_FAILED.0);
    /// A write takes more than adding it to what waits.
    pub(super) const WRITES_CHECKED: Self =
        Self(Self::NOT_WRITING.0 | Self::LOW_LIMIT.0 | Self::UNPROMPTED.0 | Self::FILTERED.0);
    /// What was read is not delivered.
    pub(super) const NO_FRAMES: Self =
        Self(Self::CLOSING.0 | Self::PAUSED.0 | Self::READ_THROTTLED.0 | Self::FILTER_SWITCHING.0);
    /// Not to be read from.
    pub(super) const NOT_READING: Self =
        Self(Self::CLOSING.0 | Self::PAUSED.0 | Self::READ_THROTTLED.0 | Self::READ_EOF.0);
    /// Of no concern for what is done when a handler has returned.
    pub(super) const IGNORED_BY_SETTLE: Self = Self(
        Self::IN_RUN_QUEUE.0
            | Self::CARRIES_DESCRIPTORS.0
            | Self::HAS_REST.0
            | Self::LOW_LIMIT.0
            | Self::UNPROMPTED.0
            | Self::PROGRESS.0
            | Self::COUNTED.0,
    );

    #[inline(always)]
    pub(super) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[inline(always)]
    pub(super) const fn has_any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }

    #[inline(always)]
    pub(super) const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    #[inline(always)]
    pub(super) const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
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
    pub(super) fn set(&self, flag: Flags) {
        self.0.set(self.0.get().union(flag));
    }

    #[inline(always)]
    pub(super) fn clear(&self, flag: Flags) {
        self.0.set(self.0.get().difference(flag));
    }

    #[inline(always)]
    pub(super) fn set_to(&self, flag: Flags, is_set: bool) {
        if is_set {
            self.set(flag);
        } else {
            self.clear(flag);
        }
    }
}
