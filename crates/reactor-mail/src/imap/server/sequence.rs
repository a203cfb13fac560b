//! Sequence sets: the messages that a command names. The cost depends on the number of ranges and
//! of existing messages in them, and not on the numbers in the ranges: `1:4294967295` is cheap.

use std::ops::Range;

use imap_types::sequence::{SeqOrUid, Sequence, SequenceSet};

use crate::store::MessageInfo;

/// Ranges of numbers, inclusive and ascending. Ranges that touch or overlap are merged, so a binary
/// search finds a number.
#[derive(Clone, Debug)]
pub(super) struct NumberSet(Vec<(u32, u32)>);

impl NumberSet {
    /// `last` is what `*` stands for: the largest number in use, or 0.
    pub(super) fn new(set: &SequenceSet, last: u32) -> Self {
        let number = |of: &SeqOrUid| match of {
            SeqOrUid::Value(value) => value.get(),
            // In a range, `*` may be less than the other end: `10:*` includes the last message even
            // if its number is 5 (RFC 3501, section 9).
            SeqOrUid::Asterisk => last,
        };
        let range = |sequence: &Sequence| match sequence {
            Sequence::Single(one) => (number(one), number(one)),
            // `5:2` means the same as `2:5` (RFC 3501, section 9).
            Sequence::Range(a, b) => (number(a).min(number(b)), number(a).max(number(b))),
        };
        let mut ranges: Vec<_> = set.0.as_ref().iter().map(range).collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= number);
        after > 0 && number <= self.0[after - 1].1
    }

    /// The indices in `messages` of those that the set names, by number or by UID. Numbers and UIDs
    /// without a message are ignored.
    pub(super) fn places(&self, messages: &[MessageInfo], by_uid: bool) -> Vec<usize> {
        let mut places = Vec::new();
        for &(first, last) in &self.0 {
            let range: Range<usize> = if by_uid {
                let start = messages.partition_point(|message| message.uid.get() < first);
                let end = messages.partition_point(|message| message.uid.get() <= last);
                start..end
            } else {
                // In an empty mailbox, `*` is 0, which gives an empty range.
                let end = usize::try_from(last).unwrap_or(usize::MAX);
                let start = usize::try_from(first).unwrap_or(usize::MAX);
                start.saturating_sub(1)..end.min(messages.len())
            };
            places.extend(range);
        }
        places
    }
}

/// The indices of the messages that a set of a command names.
pub(super) fn places(set: &SequenceSet, messages: &[MessageInfo], by_uid: bool) -> Vec<usize> {
    NumberSet::new(set, last_number(messages, by_uid)).places(messages, by_uid)
}

/// The number or UID for which `*` stands: that of the last message, or 0 if there is none.
pub(super) fn last_number(messages: &[MessageInfo], by_uid: bool) -> u32 {
    match by_uid {
        true => messages.last().map_or(0, |message| message.uid.get()),
        false => u32::try_from(messages.len()).unwrap_or(u32::MAX),
    }
}
