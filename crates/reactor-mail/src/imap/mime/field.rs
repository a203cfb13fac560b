//! Header fields: finds them, and parses their values within limits.

use std::cell::Cell;

use mail_parser::{HeaderName, HeaderValue, MessageParser};
use memchr::{memchr, memmem};

/// Most bytes of a field that is parsed: about 2,000 addresses.
const MAX_FIELD: usize = 64 * 1024;

/// Most bytes of a field with parameters that is parsed, since `mail-parser` takes quadratic time for
/// it.
const MAX_CONTENT_FIELD: usize = 8 * 1024;

/// Most bytes that a `FieldParser` reads in all, by an upper bound: at each `=?` that does not begin an
/// encoded word, `mail-parser` reads on to the end of the field.
const MAX_STEPS: usize = 32 * 1024 * 1024;

/// A header field: its name, and all of its bytes with the line ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) raw: &'a [u8],
}

impl Field<'_> {
    pub(crate) fn is_named(&self, name: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The value behind the colon, without line ends and without white space around it.
    pub(crate) fn value(&self) -> Vec<u8> {
        let start = (self.name.len()..self.raw.len()).find(|&at| self.raw[at] == b':');
        let value = &self.raw[start.map_or(self.raw.len(), |at| at + 1)..];
        // Unfolded (RFC 5322, section 2.2.3): line ends are removed, the white space behind them
        // stays. NULs are removed, too, since IMAP does not allow them.
        let is_kept = |byte: &u8| !matches!(byte, b'\r' | b'\n' | 0);
        let value: Vec<u8> = value.iter().copied().filter(is_kept).collect();
        value.trim_ascii().to_vec()
    }
}

/// The line at the beginning of `bytes`, with its end.
fn first_line(bytes: &[u8]) -> &[u8] {
    &bytes[..memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1)]
}

/// The length of the header, with the empty line behind it.
pub(crate) fn header_end(message: &[u8]) -> usize {
    let mut at = 0;
    while at < message.len() {
        let line = first_line(&message[at..]);
        at += line.len();
        if matches!(line, b"\r\n" | b"\n") {
            break;
        }
    }
    at
}

/// The fields of a header. A line that is not a field gets an empty name.
pub(crate) fn fields(header: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut rest = header;
    std::iter::from_fn(move || {
        let mut end = first_line(rest).len();
        if end == 0 || matches!(&rest[..end], b"\r\n" | b"\n") {
            return None;
        }
        while let Some(b' ' | b'\t') = rest.get(end) {
            end += first_line(&rest[end..]).len();
        }
        let raw;
        (raw, rest) = rest.split_at(end);
        let name = memchr(b':', raw).map_or(&raw[..0], |at| raw[..at].trim_ascii_end());
        Some(Field { name, raw })
    })
}

/// The first field with this name.
pub(crate) fn field<'a>(header: &'a [u8], name: &[u8]) -> Option<Field<'a>> {
    fields(header).find(|field| field.is_named(name))
}

/// Parses fields, until `MAX_STEPS` are used up.
#[derive(Debug)]
pub(crate) struct FieldParser {
    parser: MessageParser,
    /// Number of steps that are left, of `MAX_STEPS`.
    left: Cell<usize>,
}

impl FieldParser {
    pub(crate) fn new() -> Self {
        Self {
            parser: MessageParser::new(),
            left: Cell::new(MAX_STEPS),
        }
    }

    /// A parser that parses each field as text, and decodes encoded words.
    pub(crate) fn of_text() -> Self {
        let parser = MessageParser::new().header_text(HeaderName::Subject);
        Self {
            parser: parser.default_header_text(),
            left: Cell::new(MAX_STEPS),
        }
    }

    /// The value of a field; `None` if the field is too long, would take more steps than are left, or
    /// has no value.
    pub(crate) fn parse<'a>(&self, field: Field<'a>) -> Option<HeaderValue<'a>> {
        let has_parameters = field.name.to_ascii_lowercase().starts_with(b"content-");
        let limit = match has_parameters {
            true => MAX_CONTENT_FIELD,
            false => MAX_FIELD,
        };
        if field.raw.len() > limit {
            return None;
        }
        let words = memmem::find_iter(field.raw, b"=?").count();
        // An upper bound: at each `=?`, the parser may read the rest of the field.
        let steps = field.raw.len() * (1 + words);
        // If the field would take too many steps, `left` stays, so that a shorter field may still be
        // parsed.
        self.left.set(self.left.get().checked_sub(steps)?);
        let parsed = self.parser.parse_headers(field.raw)?;
        let headers = parsed.parts.into_iter().next()?.headers;
        Some(headers.into_iter().next()?.value)
    }

    /// The value of the first field with this name in a header.
    pub(crate) fn first<'a>(&self, header: &'a [u8], name: &[u8]) -> Option<HeaderValue<'a>> {
        self.parse(field(header, name)?)
    }
}
