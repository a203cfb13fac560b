//! Old words, and today's.

use std::error::Error;
use std::fmt;

/// A poem in today's English.
pub(crate) struct Modern {
    pub(crate) text: String,
    pub(crate) replaced: usize,
}

const OLD_AND_NEW: [(&str, &str); 5] = [
    ("thee", "you"),
    ("thou", "you"),
    ("thy", "your"),
    ("thine", "your"),
    ("hath", "has"),
];

/// Replaces old words by today's.
///
/// # Errors
///
/// [`NothingOld`] if there are none.
pub(crate) fn modernize(poem: String) -> deferred::Result<Modern> {
    let mut replaced = 0;
    let modern = |word: &str| {
        let bare = word.to_lowercase();
        let found = OLD_AND_NEW.iter().find(|(old, _)| *old == bare);
        replaced += usize::from(found.is_some());
        found.map_or_else(|| word.to_owned(), |(_, new)| (*new).to_owned())
    };
    let text = words(&poem).map(modern).collect();
    if replaced == 0 {
        Err(NothingOld { poem })?;
    }
    Ok(Modern { text, replaced })
}

/// Splits a text into words and the text between them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_letter = |c: char| c.is_alphabetic() || c == '\'';
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let end = rest
            .find(|c| is_letter(c) != is_letter(first))
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(word)
    })
}

/// There is no old word in the poem, which is in here unchanged.
#[derive(Debug)]
pub(crate) struct NothingOld {
    pub(crate) poem: String,
}

impl fmt::Display for NothingOld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the poem has no old words")
    }
}

impl Error for NothingOld {}
