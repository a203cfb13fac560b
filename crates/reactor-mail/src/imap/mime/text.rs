//! The text of messages, for SEARCH: decoded, in lower case.

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;

use super::field::{FieldParser, fields};
use super::part::{Kind, MimePart, encoding, parse};

/// The text of the fields named `name`, or of all fields with their names if `name` is `None`: a
/// line for each field. `parser` must be made by `FieldParser::of_text`.
pub(crate) fn header_text(header: &[u8], name: Option<&[u8]>, parser: &FieldParser) -> String {
    let mut text = String::new();
    for field in fields(header) {
        if name.is_some_and(|name| !field.is_named(name)) {
            continue;
        }
        if name.is_none() {
            text.push_str(&String::from_utf8_lossy(field.name));
            text.push_str(": ");
        }
        match parser
            .parse(field)
            .as_ref()
            .and_then(|value| value.as_text())
        {
            Some(decoded) => text.push_str(decoded),
            // If the field is too long, or the steps of the parser are used up, it is searched
            // without decoding.
            None => text.push_str(&String::from_utf8_lossy(&field.value())),
        }
        text.push('\n');
    }
    text.to_lowercase()
}

/// Year, month and day of the field `Date`, in the time zone of the field.
pub(crate) fn sent_date(header: &[u8]) -> Option<(u16, u8, u8)> {
    let value = FieldParser::new().first(header, b"date")?;
    let date = value.as_datetime()?;
    Some((date.year, date.month, date.day))
}

/// The text of the header, and that of the parts whose type is text. `parser` must be made by
/// `FieldParser::of_text`.
pub(crate) fn texts(message: &[u8], parser: &FieldParser) -> (String, String) {
    let root = parse(message, &FieldParser::new());
    // The header comes first, so that nested messages do not use up the steps of the parser before it.
    let header = header_text(&message[root.header.clone()], None, parser);
    let mut body = String::new();
    add(message, &root, parser, &mut body);
    (header, body)
}

fn add(message: &[u8], part: &MimePart, parser: &FieldParser, text: &mut String) {
    match &part.kind {
        Kind::Multipart(parts) => {
            parts
                .iter()
                .for_each(|part| add(message, part, parser, text));
        }
        Kind::Message(inner) => {
            let header = &message[inner.header.clone()];
            text.push_str(&header_text(header, None, parser));
            add(message, inner, parser, text);
        }
        Kind::Leaf if part.content_type.main == "text" => {
            let body = &message[part.body.clone()];
            let decoded = match encoding(&message[part.header.clone()]).as_slice() {
                b"base64" => base64_decode(body),
                b"quoted-printable" => quoted_printable_decode(body),
                _ => None,
            };
            // A body that cannot be decoded is searched without decoding.
            let body = decoded.as_deref().unwrap_or(body);
            let charset = part.content_type.parameter("charset");
            let decoder = charset.and_then(|charset| charset_decoder(charset.as_bytes()));
            let body = match decoder {
                Some(decode) => decode(body),
                // UTF-8 includes ASCII, the default (RFC 2045, section 5.2).
                None => String::from_utf8_lossy(body).into_owned(),
            };
            text.push_str(&body.to_lowercase());
            text.push('\n');
        }
        Kind::Leaf => {}
    }
}
