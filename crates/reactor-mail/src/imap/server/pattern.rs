//! Patterns of LIST: `*` stands for anything, `%` for anything without a slash.

use std::collections::BTreeMap;

use crate::store::{MailboxEntry, MailboxName};

/// Most bytes of a pattern. The time for a match is the product of its length and that of the name.
const MAX_PATTERN: usize = 256;

/// A name in the answer to LIST or LSUB.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    pub(super) is_selectable: bool,
}

/// The names that match, in order. If an entry does not match, the names above it that match are
/// included, too.
pub(super) fn matches(
    entries: Vec<MailboxEntry>,
    pattern: &str,
    subscribed_only: bool,
) -> BTreeMap<MailboxName, Shown> {
    let mut shown = BTreeMap::new();
    if pattern.len() > MAX_PATTERN {
        return shown;
    }
    for entry in entries {
        // A name that is only subscribed to does not exist for LIST.
        let is_listed = match subscribed_only {
            true => entry.is_subscribed,
            false => entry.is_selectable || !entry.is_subscribed,
        };
        if !is_listed {
            continue;
        }
        let is_selectable = entry.is_selectable;
        let reached = matching_lengths(pattern, entry.name.as_str());
        let is_match = |name: &MailboxName| reached[name.as_str().len()];
        if is_match(&entry.name) {
            shown.insert(entry.name, Shown { is_selectable });
            continue;
        }
        // For `a/b`, `%` shows `a`, even if there is no mailbox `a`, so that a client can find `a/b`
        // (RFC 3501, section 6.3.9).
        let mut above = entry.name.parent();
        while let Some(name) = above {
            above = name.parent();
            if is_match(&name) {
                let is_selectable = false;
                shown.entry(name).or_insert(Shown { is_selectable });
            }
        }
    }
    shown
}

/// For each length, whether the beginning of the name of that length matches the pattern. So one call
/// decides about the name and all names above it. Dynamic programming, with a row for each byte of
/// the pattern, so that there is no backtracking.
fn matching_lengths(pattern: &str, name: &str) -> Vec<bool> {
    let name = name.as_bytes();
    // For INBOX, case does not matter, also in a pattern.
    let inbox = name.starts_with(b"INBOX") && matches!(name.get(5), None | Some(b'/'));
    let inbox_length = if inbox { 5 } else { 0 };
    // `reached[at]`: the pattern so far matches the first `at` bytes.
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    for &wanted in pattern.as_bytes() {
        if wanted == b'*' || wanted == b'%' {
            for at in 0..name.len() {
                let passes = wanted == b'*' || name[at] != b'/';
                reached[at + 1] |= reached[at] && passes;
            }
            continue;
        }
        for at in (0..name.len()).rev() {
            let is_equal =
                name[at] == wanted || at < inbox_length && name[at] == wanted.to_ascii_uppercase();
            reached[at + 1] = reached[at] && is_equal;
        }
        reached[0] = false;
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::matching_lengths;

    #[test]
    fn patterns_match_as_rfc_3501_says() {
        let is_match = |pattern, name: &str| matching_lengths(pattern, name)[name.len()];
        for (pattern, name) in [
            ("*", "a/b"),
            ("%", "a"),
            ("a/%", "a/b"),
            ("%/%", "a/b"),
            ("in*", "INBOX/x"),
            ("inbox", "INBOX"),
            ("*b*", "abc/d"),
            ("", ""),
            ("a%c", "abc"),
            ("Größe", "Größe"),
        ] {
            assert!(is_match(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("%", "a/b"),
            ("a/%", "a/b/c"),
            ("A", "a"),
            ("a", "ab"),
            ("inboxes", "INBOXES"),
            ("", "a"),
            ("a*", "b"),
        ] {
            assert!(!is_match(pattern, name), "{pattern} {name}");
        }
    }
}
