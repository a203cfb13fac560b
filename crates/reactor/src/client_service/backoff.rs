//! `Backoff`: exponential delays with a cap and jitter.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Exponential back-off with a cap and jitter. Each delay is [`factor`](Self::factor) times the one
/// before, from [`initial`](Self::initial) up to [`max`](Self::max). A random part of it, the
/// [`jitter`](Self::jitter), is left out, so that the clients of a server that has restarted do not
/// all reconnect at once. (Twisted: `backoffPolicy`.)
///
/// # Examples
///
/// ```
/// use reactor::Backoff;
/// use std::time::Duration;
///
/// let mut backoff = Backoff::new()
///     .initial(Duration::from_millis(100))
///     .factor(2.0)
///     .max(Duration::from_secs(1))
///     .jitter(0.0);
/// let delays: Vec<_> = (1..=5).map(|attempt| backoff.delay(attempt).as_millis()).collect();
/// assert_eq!(delays, [100, 200, 400, 800, 1000]);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a policy does nothing by itself"]
pub struct Backoff {
    initial: Duration,
    factor: f64,
    max: Duration,
    jitter: f64,
    random: u64,
}

impl Backoff {
    /// Delays from 1 s, each 1.5 times the one before, up to 60 s; each is shortened by a random
    /// part of up to a half.
    pub fn new() -> Self {
        // The numbers are those of Twisted's `backoffPolicy`, except for the jitter.
        Self {
            initial: Duration::from_secs(1),
            factor: 1.5,
            max: Duration::from_secs(60),
            jitter: 0.5,
            // std seeds each `RandomState` differently. Never zero, because xorshift makes only
            // zeros from a zero.
            random: RandomState::new().build_hasher().finish() | 1,
        }
    }

    /// The delay after the first failure.
    pub fn initial(mut self, initial: Duration) -> Self {
        self.initial = initial;
        self
    }

    /// The factor from each delay to the next; at least 1.
    pub fn factor(mut self, factor: f64) -> Self {
        self.factor = if factor.is_nan() {
            1.0
        } else {
            factor.max(1.0)
        };
        self
    }

    /// The longest delay.
    pub fn max(mut self, max: Duration) -> Self {
        self.max = max;
        self
    }

    /// The largest random part by which each delay is shortened, from 0 to 1: with 0.25, a delay of
    /// 8 s becomes one between 6 s and 8 s.
    pub fn jitter(mut self, jitter: f64) -> Self {
        self.jitter = if jitter.is_nan() {
            0.0
        } else {
            jitter.clamp(0.0, 1.0)
        };
        self
    }

    /// The delay after failure number `attempt` in a row, counted from 1.
    pub fn delay(&mut self, attempt: u32) -> Duration {
        // A greater exponent gives an infinite delay as well, which becomes `max`.
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let max = self.max.as_secs_f64();
        let seconds = self.initial.as_secs_f64() * self.factor.powi(exponent);
        // An infinite delay, or one that is no number (0 times infinity), is the longest.
        let seconds = if seconds < max { seconds } else { max };
        let seconds = seconds * (1.0 - self.jitter * self.chance());
        Duration::try_from_secs_f64(seconds).unwrap_or(self.max)
    }

    /// A random number from 0 up to 1 (xorshift64).
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    fn chance(&mut self) -> f64 {
        // Xorshift64 (Marsaglia). The state is never 0: `new` sets its lowest bit, and the steps
        // keep it nonzero. To spread reconnects, no better generator is needed.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_shortens_a_delay_by_its_part_at_most() {
        let mut backoff = Backoff::new().jitter(0.25).initial(Duration::from_secs(8));
        let delays: Vec<_> = (0..1000).map(|_| backoff.delay(1)).collect();
        let (least, most) = (delays.iter().min().unwrap(), delays.iter().max().unwrap());
        assert!(*least >= Duration::from_secs(6) && *most <= Duration::from_secs(8));
        assert!(*most - *least > Duration::from_millis(1500), "it is spread");
    }

    #[test]
    fn delays_stay_below_the_cap_whatever_is_given() {
        let mut backoff = Backoff::new();
        for attempt in [0, 1, 10, 100, 10_000, u32::MAX] {
            assert!(backoff.delay(attempt) <= Duration::from_secs(60));
        }
        let mut odd = Backoff::new()
            .initial(Duration::ZERO)
            .factor(f64::INFINITY)
            .jitter(f64::NAN);
        assert_eq!(odd.delay(1000), Duration::from_secs(60));
        let mut longest = Backoff::new()
            .initial(Duration::MAX)
            .max(Duration::MAX)
            .jitter(0.0);
        assert_eq!(longest.delay(2), Duration::MAX);
        let mut shrinking = Backoff::new().factor(0.5).jitter(0.0);
        assert_eq!(shrinking.delay(5), Duration::from_secs(1));
    }

    #[test]
    fn two_clients_do_not_wait_equally_long() {
        let delay = || Backoff::new().delay(30);
        assert!((0..10).any(|_| delay() != delay()));
    }
}
