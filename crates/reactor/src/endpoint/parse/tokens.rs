//! Tokenizer for endpoint descriptions: `:` separates arguments, `=` names one, `\` escapes.

/// One argument of a description, without its escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// The keyword, if the argument has one.
    pub(super) name: Option<String>,
    pub(super) value: String,
}

/// Splits a description into its prefix and its arguments. `None` if it ends in the middle of
/// an escape.
pub(super) fn tokenize(text: &str) -> Option<(String, Vec<Token>)> {
    let mut tokens = Vec::new();
    let mut name = None;
    let mut value = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => value.push(characters.next()?),
            ':' => tokens.push(Token {
                name: name.take(),
                value: std::mem::take(&mut value),
            }),
            // A second `=` belongs to the value.
            '=' if name.is_none() => name = Some(std::mem::take(&mut value)),
            _ => value.push(character),
        }
    }
    tokens.push(Token { name, value });
    let mut tokens = tokens.into_iter();
    let first = tokens.next()?;
    // The first word is the prefix; a `=` in it does not make a keyword.
    let prefix = match first.name {
        None => first.value,
        Some(name) => format!("{name}={}", first.value),
    };
    // `stdio:` has no argument, rather than one empty argument.
    let mut rest: Vec<_> = tokens.collect();
    if let [only] = &rest[..]
        && only.name.is_none()
        && only.value.is_empty()
    {
        rest.clear();
    }
    Some((prefix, rest))
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
