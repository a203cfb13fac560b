//! `Cache`: keeps a bounded number of answers until their TTL is over.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

use hickory_proto::rr::Record;

use super::answer::{Answer, Content};
use super::question::Key;

#[derive(Default)]
pub(super) struct Cache {
    answers: HashMap<Rc<[u8]>, Cached>,
    /// The keys by the time at which their answers expire; the number tells equal times apart.
    by_end: BTreeMap<(Duration, u64), Rc<[u8]>>,
    next_number: u64,
    /// Buffer for the key that is looked up, which is used again for each look-up.
    looked_up: Vec<u8>,
}

struct Cached {
    answer: Answer,
    /// When it was inserted, in the time of the loop's clock.
    since: Duration,
    /// Its key in `by_end`.
    end: (Duration, u64),
}

impl Cache {
    /// The answer with its TTLs counted down.
    pub(super) fn get(&mut self, key: &Key, now: Duration) -> Option<Answer> {
        let cached = self.current(key, now)?;
        let age = now.saturating_sub(cached.since);
        let mut answer = cached.answer.clone();
        // The time that is left: the cache of a forwarder's client must not keep the answer
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

    /// The content of the answer, with the TTLs that it came with.
    pub(super) fn peek(&mut self, key: &Key, now: Duration) -> Option<&Content> {
        Some(&self.current(key, now)?.answer.content)
    }

    fn current(&mut self, key: &Key, now: Duration) -> Option<&Cached> {
        self.looked_up.clear();
        write_key(key, &mut self.looked_up);
        let cached = self.answers.get(&*self.looked_up)?;
        (cached.end.0 > now).then_some(cached)
    }

    /// Inserts an answer. If there are `limit` answers already, the one that expires first is
    /// removed.
    pub(super) fn insert(&mut self, key: &Key, answer: Answer, now: Duration, limit: usize) {
        if answer.ttl.is_zero() || limit == 0 {
            return;
        }
        let mut bytes = Vec::new();
        write_key(key, &mut bytes);
        let key: Rc<[u8]> = bytes.into();
        self.remove(&key);
        while self.answers.len() >= limit
            && let Some((_, first)) = self.by_end.pop_first()
        {
            self.answers.remove(&first);
        }
        let end = (now + answer.ttl, self.next_number);
        self.next_number += 1;
        self.by_end.insert(end, Rc::clone(&key));
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

    fn remove(&mut self, key: &[u8]) {
        if let Some(replaced) = self.answers.remove(key) {
            self.by_end.remove(&replaced.end);
        }
    }
}

/// The labels in small letters, and the type. Bytes are hashed and compared as a whole; a `Name`
/// does that letter by letter.
fn write_key((name, record_type): &Key, to: &mut Vec<u8>) {
    for label in name {
        to.push(label.len() as u8);
        to.extend_from_slice(label);
    }
    // A label has at most 63 bytes, so its length is no letter.
    to.make_ascii_lowercase();
    to.extend_from_slice(&u16::from(*record_type).to_be_bytes());
}

fn count_down(records: &mut [Record], age: u32) {
    for record in records {
        record.ttl = record.ttl.saturating_sub(age);
    }
}
