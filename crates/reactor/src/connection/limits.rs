//! `WriteLimits`: bounds of the output that waits on one connection.

use std::time::Duration;

/// At this multiple of `max_buffered`, a connection is aborted even if the peer takes output.
const MOST_TIMES: usize = 8;

/// How much output may wait to be sent on one connection, and for how long.
///
/// The limits apply to a peer that does not take output, not to the size of a write: a single write
/// of any size is accepted while at most `max_buffered` waits.
///
/// # Examples
///
/// ```
/// use reactor::WriteLimits;
/// use std::time::Duration;
///
/// let limits = WriteLimits::default();
/// assert_eq!(limits.high_water, 64 * 1024);
/// assert_eq!(limits.max_buffered, 16 * 1024 * 1024);
/// assert_eq!(limits.stall_timeout, Duration::from_secs(5));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteLimits {
    /// While more bytes than this wait that were written **in answer to input**, the connection is
    /// not read, until at most half of the mark waits: the server takes no more questions from a
    /// peer that does not read its answers.
    ///
    /// Output that no input has caused does not count: output of `connection_made`, output of jobs
    /// and delayed calls that input has not caused, and writes through a
    /// [`Connection`](crate::Connection). So a client that uploads 64 MB still reads, even if the
    /// server sends everything back. Of the output of one handler call, at most `high_water` bytes
    /// count.
    ///
    /// If there is a [producer](crate::Connection::register_producer), it is paused instead,
    /// whatever was written.
    pub high_water: usize,
    /// If more bytes than this wait and the peer takes none of them for
    /// [`stall_timeout`](Self::stall_timeout), or if eight times as many wait, the
    /// connection is aborted with
    /// [`ConnectionClosed::Overflow`](crate::ConnectionClosed::Overflow).
    ///
    /// A single write that is larger than `max_buffered` does not count towards the eightfold
    /// limit.
    pub max_buffered: usize,
    /// How long the peer may go without taking any output while more than
    /// [`max_buffered`](Self::max_buffered) waits.
    pub stall_timeout: Duration,
}

impl WriteLimits {
    /// These limits with another [`high_water`](Self::high_water).
    #[must_use]
    pub fn with_high_water(self, high_water: usize) -> Self {
        Self { high_water, ..self }
    }

    /// These limits with another [`max_buffered`](Self::max_buffered).
    #[must_use]
    pub fn with_max_buffered(self, max_buffered: usize) -> Self {
        Self {
            max_buffered,
            ..self
        }
    }

    /// These limits with another [`stall_timeout`](Self::stall_timeout).
    #[must_use]
    pub fn with_stall_timeout(self, stall_timeout: Duration) -> Self {
        Self {
            stall_timeout,
            ..self
        }
    }

    /// The most bytes that may wait, besides a single large write.
    pub(super) fn most(&self) -> usize {
        self.max_buffered.saturating_mul(MOST_TIMES)
    }
}

impl Default for WriteLimits {
    fn default() -> Self {
        Self {
            high_water: 64 * 1024,
            max_buffered: 16 * 1024 * 1024,
            stall_timeout: Duration::from_secs(5),
        }
    }
}
