//! `MailAddress`: an address of an envelope, checked.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Most bytes of the part before the `@`, of the part behind it, and of the whole address (RFC 5321,
/// section 4.5.3.1).
const MAX_LOCAL_PART: usize = 64;
const MAX_DOMAIN: usize = 255;
// RFC 5321 allows 256 for a path, which has angle brackets, too.
const MAX_PATH: usize = 254;

/// An address of an envelope, such as `eve@example.org`.
///
/// It has no control character, no `<` and no `>`, and no space outside of quotes, so it can be
/// written into a command without ending the command.
///
/// # Examples
///
/// ```
/// use reactor_mail::MailAddress;
///
/// let eve: MailAddress = "eve@example.org".parse()?;
/// assert_eq!((eve.local_part(), eve.domain()), ("eve", "example.org"));
/// assert!("eve@example.org>\r\nRCPT TO:<bob@example.org".parse::<MailAddress>().is_err());
/// # Ok::<(), reactor_mail::InvalidMailAddress>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MailAddress {
    text: String,
    /// Offset of the `@`; length of `text` for `postmaster`, which needs no domain.
    at: usize,
}

impl MailAddress {
    /// The part before the `@`, as it was written.
    pub fn local_part(&self) -> &str {
        &self.text[..self.at]
    }

    /// The part behind the `@`; empty for `postmaster` alone.
    pub fn domain(&self) -> &str {
        self.text.get(self.at + 1..).unwrap_or_default()
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for MailAddress {
    type Err = InvalidMailAddress;

    fn from_str(text: &str) -> Result<Self, InvalidMailAddress> {
        if text.eq_ignore_ascii_case("postmaster") {
            let (text, at) = (text.to_owned(), text.len());
            return Ok(Self { text, at });
        }
        // The last `@`: a domain has none, but a quoted local part may.
        let at = text.rfind('@').ok_or(InvalidMailAddress)?;
        let (local_part, domain) = (&text[..at], &text[at + 1..]);
        let is_valid = local_part.len() <= MAX_LOCAL_PART
            && domain.len() <= MAX_DOMAIN
            && text.len() <= MAX_PATH
            && is_local_part(local_part)
            && is_domain(domain);
        if !is_valid {
            return Err(InvalidMailAddress);
        }
        let text = text.to_owned();
        Ok(Self { text, at })
    }
}

fn is_local_part(text: &str) -> bool {
    match text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
    {
        Some(content) => is_quoted_content(content),
        None => text.split('.').all(is_atom),
    }
}

fn is_quoted_content(content: &str) -> bool {
    let mut characters = content.chars();
    while let Some(character) = characters.next() {
        let character = match character {
            '"' => return false,
            '\\' => characters.next(),
            character => Some(character),
        };
        // The grammar allows `<` and `>`, but many programs misread them.
        if character.is_none_or(|character| character.is_control() || "<>".contains(character)) {
            return false;
        }
    }
    true
}

fn is_atom(text: &str) -> bool {
    let is_atext = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' => true,
        character if character.is_ascii() => "!#$%&'*+-/=?^_`{|}~".contains(character),
        // RFC 6531 allows all characters that are not ASCII. White space is refused, since it would
        // end the word.
        character => !character.is_control() && !character.is_whitespace(),
    };
    !text.is_empty() && text.chars().all(is_atext)
}

fn is_domain(text: &str) -> bool {
    if let Some(literal) = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
    {
        let is_literal = |byte: u8| {
            byte.is_ascii_graphic() && !matches!(byte, b'[' | b']' | b'\\' | b'<' | b'>')
        };
        return !literal.is_empty() && literal.bytes().all(is_literal);
    }
    let is_label = |label: &str| {
        let is_character = |character: char| match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => true,
            character => {
                !character.is_ascii() && !character.is_control() && !character.is_whitespace()
            }
        };
        !label.is_empty() && label.chars().all(is_character)
    };
    text.split('.').all(is_label)
}

/// The form of an IP address that stands in place of a domain (RFC 5321, section 4.1.3).
pub(super) fn literal(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => format!("[{ip}]"),
        IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A text is not a valid [`MailAddress`].
///
/// # Examples
///
/// ```
/// use reactor_mail::{InvalidMailAddress, MailAddress};
///
/// assert_eq!("nowhere".parse::<MailAddress>(), Err(InvalidMailAddress));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidMailAddress;

impl fmt::Display for InvalidMailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no valid mail address")
    }
}

impl Error for InvalidMailAddress {}
