//! `MimePart`: the tree of a message's parts, as ranges of its bytes.

use std::ops::Range;

use mail_parser::ContentType;
use memchr::memchr;
use memchr::memmem::Finder;

use super::field::{FieldParser, field, header_end};

/// Greatest depth of nested parts; deeper ones are not searched.
const MAX_DEPTH: usize = 32;

/// Most parts of a message; further ones are not searched.
const MAX_PARTS: usize = 1000;

/// A part of a message, or the whole message.
#[derive(Debug)]
pub(crate) struct MimePart {
    /// Range of its header, with the empty line.
    pub(crate) header: Range<usize>,
    pub(crate) body: Range<usize>,
    pub(crate) content_type: MimeType,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Leaf,
    /// The parts; at least one.
    Multipart(Vec<MimePart>),
    /// `message/rfc822`: the message that is the body of this part.
    Message(Box<MimePart>),
}

/// The type of a part, in lower case, with its parameters.
#[derive(Clone, Debug)]
pub(crate) struct MimeType {
    pub(crate) main: String,
    pub(crate) sub: String,
    pub(crate) parameters: Vec<(String, String)>,
}

impl MimeType {
    fn new(main: &str, sub: &str) -> Self {
        let (main, sub) = (main.to_owned(), sub.to_owned());
        let parameters = Vec::new();
        Self {
            main,
            sub,
            parameters,
        }
    }

    pub(crate) fn is(&self, main: &str, sub: &str) -> bool {
        self.main == main && self.sub == sub
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl From<&ContentType<'_>> for MimeType {
    fn from(parsed: &ContentType<'_>) -> Self {
        let sub = parsed.subtype().unwrap_or("plain").to_ascii_lowercase();
        let attributes = parsed.attributes().unwrap_or_default();
        let parameter = |name: &str, value: &str| (name.to_ascii_lowercase(), value.to_owned());
        Self {
            main: parsed.ctype().to_ascii_lowercase(),
            sub,
            parameters: attributes
                .iter()
                .map(|attribute| parameter(&attribute.name, &attribute.value))
                .collect(),
        }
    }
}

/// State of the search for parts.
struct Search<'a> {
    message: &'a [u8],
    fields: &'a FieldParser,
    /// Number of parts that may still be found.
    parts: usize,
}

/// Finds the parts of a message.
pub(crate) fn parse(message: &[u8], fields: &FieldParser) -> MimePart {
    let mut search = Search {
        message,
        fields,
        parts: MAX_PARTS,
    };
    search.part(0..message.len(), ("text", "plain"), MAX_DEPTH)
}

impl Search<'_> {
    fn part(&mut self, range: Range<usize>, default: (&str, &str), depth: usize) -> MimePart {
        let bytes = &self.message[range.clone()];
        let body = range.start + header_end(bytes);
        let header = range.start..body;
        let raw = &self.message[header.clone()];
        let content_type = self.fields.first(raw, b"content-type");
        let content_type = content_type
            .as_ref()
            .and_then(|value| value.as_content_type());
        let mut part = MimePart {
            header,
            body: body..range.end,
            content_type: match content_type {
                Some(parsed) => MimeType::from(parsed),
                None => MimeType::new(default.0, default.1),
            },
            kind: Kind::Leaf,
        };
        self.parts = self.parts.saturating_sub(1);
        part.kind = self.kind(&part, depth);
        let MimeType { main, sub, .. } = &part.content_type;
        let is_container =
            main == "multipart" || main == "message" && matches!(sub.as_str(), "rfc822" | "global");
        if is_container && matches!(part.kind, Kind::Leaf) {
            // Without parts, the body is shown as plain bytes, because clients expect parts for these
            // types.
            part.content_type = MimeType::new("application", "octet-stream");
        }
        part
    }

    fn kind(&mut self, part: &MimePart, depth: usize) -> Kind {
        if depth == 0 || self.parts == 0 {
            return Kind::Leaf;
        }
        let content_type = &part.content_type;
        if content_type.main == "multipart" {
            // The parts of a digest are messages by default (RFC 2046, section 5.1.5).
            let default = match content_type.sub.as_str() {
                "digest" => ("message", "rfc822"),
                _ => ("text", "plain"),
            };
            let boundary = content_type.parameter("boundary").unwrap_or_default();
            // No more ranges than parts may still be found, so that a body with a million delimiters
            // does not make a list of a million.
            let ranges = split(
                self.message,
                part.body.clone(),
                boundary.as_bytes(),
                self.parts,
            );
            let mut parts = Vec::new();
            for range in ranges {
                if self.parts == 0 {
                    break;
                }
                parts.push(self.part(range, default, depth - 1));
            }
            if !parts.is_empty() {
                return Kind::Multipart(parts);
            }
        }
        // A nested message must not be encoded (RFC 2046, section 5.2.1); if it is, it is shown as
        // plain bytes.
        let is_message = content_type.is("message", "rfc822") && !self.is_encoded(part);
        if is_message && !part.body.is_empty() {
            let message = self.part(part.body.clone(), ("text", "plain"), depth - 1);
            return Kind::Message(Box::new(message));
        }
        Kind::Leaf
    }

    fn is_encoded(&self, part: &MimePart) -> bool {
        let encoding = encoding(&self.message[part.header.clone()]);
        encoding == b"base64" || encoding == b"quoted-printable"
    }
}

/// The Content-Transfer-Encoding in lower case; empty if there is none.
pub(crate) fn encoding(header: &[u8]) -> Vec<u8> {
    let field = field(header, b"content-transfer-encoding");
    let value = field.map(|field| field.value()).unwrap_or_default();
    value.to_ascii_lowercase()
}

/// The parts between lines that begin with `--` and the boundary, at most `most`.
fn split(message: &[u8], body: Range<usize>, boundary: &[u8], most: usize) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    if boundary.is_empty() {
        return parts;
    }
    let delimiter = [b"--", boundary].concat();
    let finder = Finder::new(&delimiter);
    let (mut part_start, mut from) = (None, body.start);
    while let Some(at) = finder.find(&message[from..body.end]) {
        let at = from + at;
        from = at + delimiter.len();
        // A delimiter in the middle of a line is text.
        if at > body.start && message[at - 1] != b'\n' {
            continue;
        }
        let line_end =
            memchr(b'\n', &message[from..body.end]).map_or(body.end, |end| from + end + 1);
        let tail = message[from..line_end].trim_ascii_end();
        if !tail.is_empty() && tail != b"--" {
            // The line has a longer boundary, of another multipart, that begins like this one.
            continue;
        }
        if let Some(start) = part_start {
            // The line end before the delimiter belongs to the delimiter, not to the part.
            let text = &message[start..at];
            let text = text.strip_suffix(b"\n").unwrap_or(text);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            parts.push(start..start + text.len());
        }
        from = line_end;
        part_start = (tail != b"--").then_some(line_end);
        if part_start.is_none() || parts.len() >= most {
            return parts;
        }
    }
    if let Some(start) = part_start {
        parts.push(start..body.end);
    }
    parts
}
