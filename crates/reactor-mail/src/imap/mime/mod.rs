//! MIME: the parts, header fields and texts of messages, for FETCH and SEARCH.
//!
//! `mail-parser` is used only for the values of header fields. The parts are found here, because
//! `mail-parser` takes quadratic time for multiparts whose boundary is missing, accepts a boundary in
//! the middle of a line, and overflows the stack when it drops a tree of deeply nested messages.
//!
//! The cost of a hostile message is bounded by limits on the depth and the number of parts, and on the
//! bytes of fields that are parsed.

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
