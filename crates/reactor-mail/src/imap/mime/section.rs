//! `BODY[..]`: the bytes of a section.

use std::collections::HashSet;
use std::num::NonZeroU32;

use bytes::Bytes;
use imap_types::core::AString;
pub(crate) use imap_types::fetch::Section;

use super::field::{fields, header_end};
use super::part::{Kind, MimePart};

/// The bytes of a section of a message, or of the whole message if `section` is `None`. Returns
/// `None` if there is no such part.
///
/// `root` finds the parts; it is called only if the section names a part.
pub(crate) fn section<'a>(
    message: &Bytes,
    section: Option<&Section<'_>>,
    root: impl FnOnce() -> &'a MimePart,
) -> Option<Bytes> {
    let Some(section) = section else {
        return Some(message.clone());
    };
    let (header, body) = match section {
        Section::Part(path) | Section::Mime(path) => {
            let part = part_at(root(), path.0.as_ref())?;
            (part.header.clone(), part.body.clone())
        }
        Section::Header(Some(path))
        | Section::Text(Some(path))
        | Section::HeaderFields(Some(path), _)
        | Section::HeaderFieldsNot(Some(path), _) => {
            let inner = message_at(root(), path.0.as_ref())?;
            (inner.header.clone(), inner.body.clone())
        }
        Section::Header(None)
        | Section::Text(None)
        | Section::HeaderFields(None, _)
        | Section::HeaderFieldsNot(None, _) => {
            let end = header_end(message);
            (0..end, end..message.len())
        }
    };
    Some(match section {
        Section::Part(_) | Section::Text(_) => message.slice(body),
        Section::Mime(_) | Section::Header(_) => message.slice(header),
        Section::HeaderFields(_, names) => filtered(&message[header], names.as_ref(), true),
        Section::HeaderFieldsNot(_, names) => filtered(&message[header], names.as_ref(), false),
    })
}

/// The part with a number such as `1.2`, as BODYSTRUCTURE counts parts.
fn part_at<'a>(root: &'a MimePart, path: &[NonZeroU32]) -> Option<&'a MimePart> {
    let mut part = root;
    let mut is_message = true;
    for number in path {
        let index = usize::try_from(number.get()).ok()?.checked_sub(1)?;
        // The number continues with the parts of a nested message, which has no number of its own.
        if let (false, Kind::Message(inner)) = (is_message, &part.kind) {
            part = inner;
            is_message = true;
        }
        part = match &part.kind {
            Kind::Multipart(parts) => parts.get(index)?,
            // The body of a message that is not a multipart is its part 1.
            _ if index == 0 && is_message => part,
            _ => return None,
        };
        is_message = false;
    }
    Some(part)
}

/// The message nested in the part with a number; `None` if the part is not a message.
fn message_at<'a>(root: &'a MimePart, path: &[NonZeroU32]) -> Option<&'a MimePart> {
    match &part_at(root, path)?.kind {
        Kind::Message(inner) => Some(inner),
        _ => None,
    }
}

/// The fields whose name is in `names`, or is not if `is_wanted` is `false`, and an empty line.
fn filtered(header: &[u8], names: &[AString<'_>], is_wanted: bool) -> Bytes {
    // A set, because both names and fields may be many.
    let lower = |name: &AString<'_>| name.as_ref().to_ascii_lowercase();
    let names: HashSet<Vec<u8>> = names.iter().map(lower).collect();
    let mut kept = Vec::new();
    for field in fields(header) {
        let is_named = names.contains(&field.name.to_ascii_lowercase());
        if is_named == is_wanted {
            kept.extend_from_slice(field.raw);
        }
    }
    kept.extend_from_slice(b"\r\n");
    Bytes::from(kept)
}
