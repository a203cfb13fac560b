//! Quoted strings of headers (RFC 9110, 5.6.4).

/// The text up to the closing quote, without its backslashes, and the rest after the quote. `None`
/// if there is no closing quote.
pub(super) fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}
