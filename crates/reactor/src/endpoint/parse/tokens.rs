//! Tokenizer for endpoint descriptions: `:` separates arguments, `=` names one, `\` escapes.

use std::borrow::Cow;

use smallvec::SmallVec;

/// One argument of a description, without its escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// The keyword, if the argument has one.
    pub(super) name: Option<Cow<'a, str>>,
    pub(super) value: Cow<'a, str>,
}

/// The arguments of a description. Room for 4 is inline, because few descriptions have more, and a
/// connect by a string should not allocate.
pub(super) type Tokens<'a> = SmallVec<[Token<'a>; 4]>;

/// Splits a description into its prefix and its arguments. `None` if it ends in the middle of
/// an escape.
pub(super) fn tokenize(text: &str) -> Option<(Cow<'_, str>, Tokens<'_>)> {
    let mut words = Words { left: text };
    let first = words.next_word()?;
    // The first word is the prefix; a `=` in it does not make a keyword.
    let prefix = match first.name {
        None => first.value,
        Some(name) => Cow::Owned(format!("{name}={}", first.value)),
    };
    let mut tokens = Tokens::new();
    while !words.left.is_empty() {
        words.left = &words.left[1..]; // the colon
        tokens.push(words.next_word()?);
    }
    // `stdio:` has no argument, rather than one empty argument.
    if let [only] = &tokens[..]
        && only.name.is_none()
        && only.value.is_empty()
    {
        tokens.clear();
    }
    Some((prefix, tokens))
}

struct Words<'a> {
    /// The rest of the text that was not read yet; between two words, it begins with a colon.
    left: &'a str,
}

impl<'a> Words<'a> {
    /// The word up to the next colon or the end. `None` if the text ends in the middle of an
    /// escape.
    fn next_word(&mut self) -> Option<Token<'a>> {
        let mut name = None;
        let mut value = Cow::Borrowed("");
        loop {
            let at = self
                .left
                .bytes()
                .position(|b| matches!(b, b':' | b'\\' | b'='));
            let (piece, rest) = self.left.split_at(at.unwrap_or(self.left.len()));
            append(&mut value, piece);
            self.left = rest;
            match rest.as_bytes().first() {
                None | Some(b':') => return Some(Token { name, value }),
                Some(b'\\') => {
                    let escaped = rest[1..].chars().next()?;
                    let end = 1 + escaped.len_utf8();
                    append(&mut value, &rest[1..end]);
                    self.left = &rest[end..];
                }
                // A second `=` belongs to the value.
                Some(_) if name.is_some() => {
                    append(&mut value, &rest[..1]);
                    self.left = &rest[1..];
                }
                Some(_) => {
                    name = Some(std::mem::take(&mut value));
                    self.left = &rest[1..];
                }
            }
        }
    }
}

/// Appends to a word. A word without escapes stays a part of the text.
fn append<'a>(word: &mut Cow<'a, str>, piece: &'a str) {
    if word.is_empty() {
        *word = Cow::Borrowed(piece);
    } else if !piece.is_empty() {
        word.to_mut().push_str(piece);
    }
}

/// Escapes the special characters of a description (`\`, `:` and `=`), so that `argument` is one
/// value in it.
///
/// # Examples
///
/// ```
/// use reactor::endpoint::quote;
///
/// assert_eq!(quote("C:\\run\\a=b"), r"C\:\\run\\a\=b");
/// let description = format!("unix:{}", quote("/run/a:b"));
/// assert_eq!(description, r"unix:/run/a\:b");
/// ```
#[doc(alias = "quoteStringArgument")]
pub fn quote(argument: &str) -> String {
    let mut quoted = String::with_capacity(argument.len());
    for character in argument.chars() {
        if matches!(character, '\\' | ':' | '=') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted
}
