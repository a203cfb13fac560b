//! `BODY[..]`: the bytes of a section.

use std::num::NonZeroU32;

use bytes::Bytes;
use imap_types::core::AString;
use imap_types::fetch::Part as Path;
pub(crate) use imap_types::fetch::Section;

use super::field::{FieldParser, fields, header_end};
use super::part::{Kind, MimePart, parse};

/// A section of a message; `None` if there is no such part.
pub(crate) fn section(message: &Bytes, section: Option<&Section<'_>>) -> Option<Bytes> {
    let whole = || {
        let end = header_end(message);
        (message.slice(..end), message.slice(end..))
    };
    // Parts are looked for only if one is asked for.
    let inside = |path: &Path| {
        let root = parse(message, &FieldParser::new());
        let inner = message_at(&root, path.0.as_ref())?;
        Some((
            message.slice(inner.header.clone()),
            message.slice(inner.body.clone()),
        ))
    };
    let header_of = |path: Option<&Path>| Some(path.map_or_else(|| Some(whole()), inside)?.0);
    Some(match section {
        None => message.clone(),
        Some(Section::Header(path)) => header_of(path.as_ref())?,
        Some(Section::Text(path)) => path.as_ref().map_or_else(|| Some(whole()), inside)?.1,
        Some(Section::HeaderFields(path, names)) => {
            filtered(&header_of(path.as_ref())?, names.as_ref(), true)
        }
        Some(Section::HeaderFieldsNot(path, names)) => {
            filtered(&header_of(path.as_ref())?, names.as_ref(), false)
        }
        Some(Section::Part(path)) => {
            let root = parse(message, &FieldParser::new());
            message.slice(part_at(&root, path.0.as_ref())?.body.clone())
        }
        Some(Section::Mime(path)) => {
            let root = parse(message, &FieldParser::new());
            message.slice(part_at(&root, path.0.as_ref())?.header.clone())
        }
    })
}

/// The part with a number, as BODYSTRUCTURE counts.
fn part_at<'a>(root: &'a MimePart, path: &[NonZeroU32]) -> Option<&'a MimePart> {
    let mut part = root;
    let mut is_message = true;
    for number in path {
        let index = usize::try_from(number.get()).ok()?.checked_sub(1)?;
        // The parts of a message inside of a message are counted in its place.
        if let (false, Kind::Message(inner)) = (is_message, &part.kind) {
            part = inner;
            is_message = true;
        }
        part = match &part.kind {
            Kind::Multipart(parts) => parts.get(index)?,
            // A message that is no multipart has a part 1: its body.
            _ if index == 0 && is_message => part,
            _ => return None,
        };
        is_message = false;
    }
    Some(part)
}

/// The message inside of the part with a number.
fn message_at<'a>(root: &'a MimePart, path: &[NonZeroU32]) -> Option<&'a MimePart> {
    match &part_at(root, path)?.kind {
        Kind::Message(inner) => Some(inner),
        _ => None,
    }
}

/// The fields that have, or do not have, one of `names`, and an empty line.
fn filtered(header: &[u8], names: &[AString<'_>], is_wanted: bool) -> Bytes {
    let mut kept = Vec::new();
    for field in fields(header) {
        let is_named = names.iter().any(|name| field.is_named(name.as_ref()));
        if is_named == is_wanted {
            kept.extend_from_slice(field.raw);
        }
    }
    kept.extend_from_slice(b"\r\n");
    Bytes::from(kept)
}
