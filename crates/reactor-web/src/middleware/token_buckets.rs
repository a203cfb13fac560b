//! Token buckets: limit how often something may happen, for each of a bounded number of keys.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Duration;

/// The longest time in which a bucket fills; longer ones are this long.
// 18 billion years. The latest time that is computed here is ten bursts after now, which then
// cannot overflow.
const LONGEST: Duration = Duration::from_secs(u64::MAX / 32);

/// A token bucket for each key, as the time at which it will be full again (the generic cell rate
/// algorithm): one number for each key, and no timer.
///
/// A key whose bucket is full needs no entry: a key without one is taken to have a full bucket. If
/// there are `capacity` entries and one more is needed, the key whose bucket would be full first is
/// forgotten, which is the one that has used the least.
#[derive(Debug)]
pub(crate) struct TokenBuckets {
    /// Tokens of a full bucket.
    burst: u32,
    /// The time in which one token is added.
    interval: Duration,
    capacity: usize,
    /// When the bucket of each key is full again, in the time of the loop's clock.
    full_at: HashMap<Rc<str>, Duration>,
    /// The same pairs by time: the first is the next to be full. Each key of `full_at` is here
    /// once.
    order: BTreeSet<(Duration, Rc<str>)>,
}

impl TokenBuckets {
    /// Buckets of `burst` tokens, which fill in `per`, for at most `capacity` keys.
    pub(crate) fn new(burst: u32, per: Duration, capacity: usize) -> Self {
        // At least 1, since it is the divisor below.
        let burst = burst.max(1);
        Self {
            burst,
            interval: per.min(LONGEST) / burst,
            capacity: capacity.max(1),
            full_at: HashMap::new(),
            order: BTreeSet::new(),
        }
    }

    pub(crate) fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity.max(1);
    }

    /// How long it takes until there is a token for `key`; zero if there is one.
    pub(crate) fn wait(&self, key: &str, now: Duration) -> Duration {
        let full_at = self.full_at.get(key).copied().unwrap_or_default();
        // An empty bucket takes `burst` intervals to fill. Taking a token makes the bucket full one
        // interval later. So there is a token if the bucket would then be full within `burst`
        // intervals.
        (full_at.max(now) + self.interval)
            .saturating_sub(self.interval * self.burst)
            .saturating_sub(now)
    }

    /// Takes a token.
    ///
    /// # Errors
    ///
    /// If there is none: the time until there is one.
    pub(crate) fn take(&mut self, key: &str, now: Duration) -> Result<(), Duration> {
        let wait = self.wait(key, now);
        if !wait.is_zero() {
            return Err(wait);
        }
        self.push(key, now);
        Ok(())
    }

    /// Takes a token, whether or not there is one: the bucket of `key` is full one interval later.
    fn push(&mut self, key: &str, now: Duration) {
        // Before the capacity is checked, so that full buckets take no room.
        self.forget_full(now);
        let key: Rc<str> = Rc::from(key);
        let full_at = match self.full_at.get(&key) {
            Some(known) => {
                let known = *known;
                self.order.remove(&(known, Rc::clone(&key)));
                known.max(now)
            }
            None => {
                if self.full_at.len() >= self.capacity
                    && let Some((_, least)) = self.order.pop_first()
                {
                    self.full_at.remove(&least);
                }
                now
            }
        } + self.interval;
        self.order.insert((full_at, Rc::clone(&key)));
        self.full_at.insert(key, full_at);
    }

    /// Takes a token even if there is none: the debt makes the wait for the next one longer. The
    /// debt is bounded: beyond ten times the period of a whole burst, nothing is added.
    #[cfg(feature = "auth")]
    pub(crate) fn charge(&mut self, key: &str, now: Duration) {
        // Bounded, so that many failures at once, over many connections, do not lock an address out
        // for hours.
        let most = now + self.interval * self.burst * 10;
        let full_at = self.full_at.get(key).copied().unwrap_or_default();
        if full_at.max(now) + self.interval <= most {
            self.push(key, now);
        }
    }

    /// Drops the entries of buckets that are full at `now`.
    fn forget_full(&mut self, now: Duration) {
        while let Some((full_at, _)) = self.order.first()
            && *full_at <= now
            && let Some((_, key)) = self.order.pop_first()
        {
            self.full_at.remove(&key);
        }
    }

    /// Number of keys with an entry.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.full_at.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_bucket_holds_a_burst_and_fills_at_its_rate() {
        let mut buckets = TokenBuckets::new(4, SECOND * 8, 10);
        for _ in 0..4 {
            assert_eq!(buckets.take("a", SECOND), Ok(()));
        }
        assert_eq!(buckets.take("a", SECOND), Err(SECOND * 2));
        assert_eq!(buckets.take("b", SECOND), Ok(()));
        assert_eq!(buckets.take("a", SECOND * 2), Err(SECOND));
        assert_eq!(buckets.take("a", SECOND * 3), Ok(()));
        assert_eq!(buckets.take("a", SECOND * 3), Err(SECOND * 2));
        // Full again, and no fuller than full.
        for _ in 0..4 {
            assert_eq!(buckets.take("a", SECOND * 100), Ok(()));
        }
        assert!(buckets.take("a", SECOND * 100).is_err());
    }

    #[test]
    fn the_table_is_bounded_and_keeps_those_that_use_the_most() {
        let mut buckets = TokenBuckets::new(2, SECOND * 2, 100);
        assert_eq!(buckets.take("busy", SECOND), Ok(()));
        assert_eq!(buckets.take("busy", SECOND), Ok(()));
        for number in 0..10_000 {
            assert_eq!(buckets.take(&number.to_string(), SECOND), Ok(()));
            assert!(buckets.len() <= 100);
        }
        assert!(
            buckets.take("busy", SECOND).is_err(),
            "it was not forgotten"
        );
        assert_eq!(buckets.take("other", SECOND * 9), Ok(()));
        assert_eq!(buckets.len(), 1, "those that are full need no entry");
    }
}
