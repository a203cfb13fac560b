//! MIME, as far as FETCH and SEARCH look into messages.
//!
//! `mail-parser` reads the fields of headers. It does not find the parts: its walk over a message
//! takes quadratic time for multiparts whose boundary never comes, matches a boundary in the middle
//! of a line, and its tree of nested messages overflows the stack when it is dropped.
//!
//! What a hostile message costs is bounded: depth, parts, and the bytes of fields that are parsed.

mod envelope;
mod field;
mod part;
mod section;
mod structure;
mod text;

pub(super) use self::envelope::envelope;
pub(super) use self::field::{FieldParser, field, header_end};
pub(super) use self::part::{MimePart, parse};
pub(super) use self::section::{Section, section};
pub(super) use self::structure::structure;
pub(super) use self::text::{header_text, sent_date, texts};
