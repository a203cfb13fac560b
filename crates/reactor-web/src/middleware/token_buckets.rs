//! Token buckets: how often something may happen, for each of a bounded number of keys.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Duration;

/// A token bucket for each key, as the time at which it will be full again (the generic cell rate
/// algorithm): one number for each key, and no timer.
///
/// A key whose bucket is full needs no entry, so what is forgotten first makes no difference. If
/// all entries are needed, that goes which would be full first: the key that has used the least.
#[derive(Debug)]
pub(crate) struct TokenBuckets {
    /// Tokens of a full bucket.
    burst: u32,
    /// The time in which a token comes.
    interval: Duration,
    capacity: usize,
    // Has the same pairs as `order`. A time that is over stands for a full bucket, as no entry
    // does.
    full_at: HashMap<Rc<str>, Duration>,
    order: BTreeSet<(Duration, Rc<str>)>,
}

impl TokenBuckets {
    /// Buckets of `burst` tokens, which fill in `per`, for at most `capacity` keys.
    pub(crate) fn new(burst: u32, per: Duration, capacity: usize) -> Self {
        // Also the divisor below.
        let burst = burst.max(1);
        Self {
            burst,
            interval: per / burst,
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
        // The bucket is empty when it takes `burst` intervals to fill it.
        (full_at.max(now) + self.interval)
            .saturating_sub(self.interval * self.burst)
            .saturating_sub(now)
    }

    /// Takes a token.
    ///
    /// # Errors
    ///
    /// There is none: with the time until there is.
    pub(crate) fn take(&mut self, key: &str, now: Duration) -> Result<(), Duration> {
        let wait = self.wait(key, now);
        if !wait.is_zero() {
            return Err(wait);
        }
        self.push(key, now);
        Ok(())
    }

    /// Has the bucket of `key` be full by an interval later.
    fn push(&mut self, key: &str, now: Duration) {
        // Before the bound is looked at, so that only buckets that count take room.
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

    /// Takes a token that may not be there: then it takes longer until there is one, up to the
    /// time of ten bursts.
    #[cfg(feature = "auth")]
    pub(crate) fn charge(&mut self, key: &str, now: Duration) {
        // Failures that come at once, from many connections, do not lock an address out for hours.
        let most = now + self.interval * self.burst * 10;
        let full_at = self.full_at.get(key).copied().unwrap_or_default();
        if full_at.max(now) + self.interval <= most {
            self.push(key, now);
        }
    }

    /// Drops what is full at `now`.
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
