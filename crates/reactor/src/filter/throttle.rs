//! Throttling: limits the rate of bytes of one connection, or of several together.
//!
//! Token bucket, stored as one time, at which the last byte so far would have passed at exactly the
//! rate of the bucket. After a piece, a connection waits until that time, so connections that share
//! a bucket take turns, piece by piece.
//!
//! The filter buffers nothing: while a connection is above its rate, its socket is not read, and
//! its output stays in the output buffer of the connection, which pauses producers.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use deferred::Result;

use super::{Filter, Link};

/// A piece is the number of bytes that pass in 1/`PIECES_PER_SECOND` seconds, clamped to these
/// limits.
const PIECES_PER_SECOND: u64 = 100;
const SMALLEST_PIECE: u64 = 1;
const LARGEST_PIECE: u64 = 64 * 1024;

/// Burst allowance: a bucket that was idle, or whose timer fired late, lets the bytes of at most
/// this much unused time pass at once. So late timers do not lower the rate.
const MAX_LAG: Duration = Duration::from_millis(50);

/// Makes filters that limit how many bytes pass in a second, in each direction.
///
/// All filters of a `Throttle` and of its clones share one [shared
/// limit](Self::shared_bytes_per_second). The [other limit](Self::bytes_per_second) is for each
/// connection. Both apply to each direction.
///
/// # Examples
///
/// At most 1 MB/s for each connection, and 10 MB/s for all together:
///
/// ```
/// use reactor::filter::throttle::Throttle;
/// use reactor::testing::FilterDriver;
/// use std::time::Duration;
///
/// let throttle = Throttle::new()
///     .bytes_per_second(1_000_000)
///     .shared_bytes_per_second(10_000_000);
///
/// let mut driver = FilterDriver::new(throttle.filter())?;
/// driver.send(vec![0; 5_000_000])?;
/// for _ in 0..200 {
///     driver.advance(Duration::from_millis(10))?;
/// }
/// let in_two_seconds = driver.sent().len();
/// assert!((1_900_000..=2_100_000).contains(&in_two_seconds));
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Throttle {
    own: Option<u64>,
    shared: Option<Rc<Directions>>,
}

/// One bucket for each direction.
#[derive(Debug)]
struct Directions {
    receiving: Bucket,
    sending: Bucket,
}

impl Directions {
    fn new(rate: u64) -> Self {
        Self {
            receiving: Bucket::new(rate),
            sending: Bucket::new(rate),
        }
    }
}

impl Throttle {
    /// No limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Limits each connection to `rate` bytes a second. A rate of 0 counts as 1.
    pub fn bytes_per_second(mut self, rate: u64) -> Self {
        self.own = Some(rate);
        self
    }

    /// Limits all connections together to `rate` bytes a second; a rate of 0 counts as 1. Busy
    /// connections get equal shares.
    pub fn shared_bytes_per_second(mut self, rate: u64) -> Self {
        self.shared = Some(Rc::new(Directions::new(rate)));
        self
    }

    /// A filter for one connection.
    pub fn filter(&self) -> ThrottleFilter {
        let own = self.own.map(|rate| Rc::new(Directions::new(rate)));
        // Clones the `Rc`, so that all filters have the same shared limit.
        let limits: Vec<_> = own.into_iter().chain(self.shared.clone()).collect();
        // The receiving bucket of a limit has the same rate, so its piece is the same.
        let pieces = limits.iter().map(|limit| limit.sending.piece());
        ThrottleFilter {
            piece: pieces.min().unwrap_or(usize::MAX),
            limits,
            may_receive_at: None,
            may_send_at: None,
        }
    }
}

/// Filter that limits the rate of input and output of one connection: see [`Throttle`].
///
/// # Examples
///
/// Reading pauses after each piece, for as long as the piece takes at this rate:
///
/// ```
/// use reactor::filter::throttle::Throttle;
/// use reactor::testing::FilterDriver;
/// use std::time::Duration;
///
/// let throttle = Throttle::new().bytes_per_second(100);
/// let mut driver = FilterDriver::new(throttle.filter())?;
/// driver.receive([0; 50])?;
/// assert_eq!(driver.read_limit(), 0);
/// driver.advance(Duration::from_millis(500))?;
/// assert_ne!(driver.read_limit(), 0);
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Debug)]
pub struct ThrottleFilter {
    limits: Vec<Rc<Directions>>,
    /// Maximum number of bytes that pass at once.
    piece: usize,
    /// Time at which reading resumes; `None` if it is not paused. Set when a piece was received;
    /// cleared in `update_pauses` once the time has come.
    may_receive_at: Option<Duration>,
    /// Time at which sending resumes, set and cleared in the same way.
    may_send_at: Option<Duration>,
}

impl ThrottleFilter {
    /// Ends the pauses whose time has come, schedules `wake` for the next one, and limits reading
    /// to a piece, or to nothing during a pause.
    fn update_pauses(&mut self, link: &mut Link<'_>) {
        let now = link.now();
        for time in [&mut self.may_receive_at, &mut self.may_send_at] {
            if time.is_some_and(|at| at <= now) {
                *time = None;
            }
        }
        let next = self
            .may_receive_at
            .into_iter()
            .chain(self.may_send_at)
            .min();
        // Times up to `now` were cleared above, so the subtraction cannot underflow.
        link.wake_after(next.map(|at| at - now));
        let is_paused = self.may_receive_at.is_some();
        link.limit_reading(if is_paused { 0 } else { self.piece });
    }

    /// Charges `bytes`, which pass at `now`, to the bucket that `direction` selects of each limit;
    /// returns the time at which the next bytes may pass.
    fn pay(
        &self,
        now: Duration,
        bytes: usize,
        direction: impl Fn(&Directions) -> &Bucket,
    ) -> Duration {
        let limits = self.limits.iter();
        let paid = limits.map(|limit| direction(limit).pay(now, bytes));
        paid.max().unwrap_or(now)
    }
}

impl Filter for ThrottleFilter {
    fn start(&mut self, link: &mut Link<'_>) -> Result<()> {
        link.limit_reading(self.piece);
        link.open();
        Ok(())
    }

    fn receive(&mut self, input: &mut [u8], link: &mut Link<'_>) -> Result<usize> {
        // Delivered as a whole and charged afterwards, because the bytes are here already; more
        // than a piece makes the pause longer.
        link.deliver(input);
        let next = self.pay(link.now(), input.len(), |limit| &limit.receiving);
        self.may_receive_at = Some(next);
        self.update_pauses(link);
        Ok(input.len())
    }

    fn send(&mut self, bytes: &[u8], link: &mut Link<'_>) -> Result<usize> {
        // During a pause, the bytes wait in the transport, which offers them again after the wake.
        if self.may_send_at.is_some_and(|at| at > link.now()) {
            return Ok(0);
        }
        let piece = &bytes[..bytes.len().min(self.piece)];
        link.send(piece);
        let next = self.pay(link.now(), piece.len(), |limit| &limit.sending);
        self.may_send_at = Some(next);
        self.update_pauses(link);
        Ok(piece.len())
    }

    fn wake(&mut self, link: &mut Link<'_>) -> Result<()> {
        self.update_pauses(link);
        Ok(())
    }
}

/// Token bucket of one direction.
struct Bucket {
    /// Bytes a second.
    rate: u64,
    /// Time at which the last byte so far would have passed at exactly `rate`.
    paid_until: Cell<Duration>,
}

impl Bucket {
    fn new(rate: u64) -> Self {
        Self {
            rate: rate.max(1),
            paid_until: Cell::new(Duration::ZERO),
        }
    }

    fn piece(&self) -> usize {
        let piece = (self.rate / PIECES_PER_SECOND).clamp(SMALLEST_PIECE, LARGEST_PIECE);
        // Cannot fail: `LARGEST_PIECE` fits into 32 bits.
        usize::try_from(piece).unwrap_or(usize::MAX)
    }

    /// Charges `bytes`, which pass at `now`; returns the new `paid_until`.
    fn pay(&self, now: Duration, bytes: usize) -> Duration {
        // In 128 bits, because 64 bits overflow above 18 GB. Rounded up, so that many small writes
        // do not pass faster than the rate.
        let nanoseconds = (bytes as u128 * 1_000_000_000).div_ceil(u128::from(self.rate));
        let cost = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        let from = self.paid_until.get().max(now.saturating_sub(MAX_LAG));
        let until = from.saturating_add(cost);
        self.paid_until.set(until);
        until
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("rate", &self.rate).finish()
    }
}
