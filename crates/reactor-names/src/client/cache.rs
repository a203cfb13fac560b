//! `Cache`: keeps a bounded number of answers until their TTL is over.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use hickory_proto::rr::Record;

use super::answer::{Answer, Content};
use super::question::Key;

#[derive(Default)]
pub(super) struct Cache {
    answers: HashMap<Key, Cached>,
    /// The keys by the time at which the TTL of their answers is over. The number makes each entry
    /// unique, as two may end at the same time.
    // Each key of `answers` is here exactly once. Answers whose TTL is over stay until they are
    // replaced or evicted: they are the first that an insertion evicts.
    by_end: BTreeMap<(Duration, u64), Key>,
    next_number: u64,
}

struct Cached {
    answer: Answer,
    /// When it was inserted, in the time of the loop's clock.
    since: Duration,
    /// Its key in `by_end`.
    end: (Duration, u64),
}

impl Cache {
    /// The answer, if it is there and its TTL is not over, with the TTLs counted down by its age.
    pub(super) fn get(&self, key: &Key, now: Duration) -> Option<Answer> {
        let cached = self.answers.get(key)?;
        if cached.end.0 <= now {
            return None;
        }
        let age = now.saturating_sub(cached.since);
        let mut answer = cached.answer.clone();
        // What is left of it: a cache behind this one, of a forwarder's client, must not keep it
        // longer.
        answer.ttl = cached.end.0.saturating_sub(now);
        let age = u32::try_from(age.as_secs()).unwrap_or(u32::MAX);
        match &mut answer.content {
            Content::Records { aliases, records } => {
                count_down(aliases, age);
                count_down(records, age);
            }
            Content::Alias { aliases, .. } => count_down(aliases, age),
            Content::None { aliases, soa, .. } => {
                count_down(aliases, age);
                if let Some(soa) = soa {
                    count_down(std::slice::from_mut(&mut **soa), age);
                }
            }
        }
        Some(answer)
    }

    /// Keeps an answer, unless its TTL is zero. If there are `limit` already, the one whose TTL is
    /// over first is removed.
    pub(super) fn insert(&mut self, key: Key, answer: Answer, now: Duration, limit: usize) {
        if answer.ttl.is_zero() || limit == 0 {
            return;
        }
        // First: an answer that is replaced must not cost another one its place.
        self.remove(&key);
        while self.answers.len() >= limit
            && let Some((_, first)) = self.by_end.pop_first()
        {
            self.answers.remove(&first);
        }
        let end = (now + answer.ttl, self.next_number);
        self.next_number += 1;
        self.by_end.insert(end, key.clone());
        let since = now;
        self.answers.insert(key, Cached { answer, since, end });
    }

    pub(super) fn clear(&mut self) {
        self.answers.clear();
        self.by_end.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.answers.len()
    }

    fn remove(&mut self, key: &Key) {
        if let Some(replaced) = self.answers.remove(key) {
            self.by_end.remove(&replaced.end);
        }
    }
}

fn count_down(records: &mut [Record], age: u32) {
    for record in records {
        record.ttl = record.ttl.saturating_sub(age);
    }
}
