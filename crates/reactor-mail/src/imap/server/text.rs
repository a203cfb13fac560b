//! Conversions between types of the store and parts of commands and responses.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, FixedOffset};
use imap_codec::ResponseCodec;
use imap_codec::encode::Encoder;
use imap_types::IntoStatic;
use imap_types::core::{AString, Atom};
use imap_types::flag::Flag;
use imap_types::mailbox::Mailbox;
use imap_types::response::{Data, Response};

use crate::imap::mailbox_name;
use crate::store::{MailFlag, MailFlags, MailboxName, Uid};

/// Most keywords that a command may name.
const MAX_KEYWORDS: usize = 32;

/// The bytes of an untagged response.
pub(super) fn encode(data: Data<'_>) -> Vec<u8> {
    ResponseCodec::default()
        .encode(&Response::Data(data))
        .dump()
}

/// The name of a mailbox in a command; `None` if it is not valid.
pub(super) fn name_of(mailbox: &Mailbox<'_>) -> Option<MailboxName> {
    match mailbox {
        Mailbox::Inbox => Some(MailboxName::inbox()),
        Mailbox::Other(name) => {
            let name = decoded(name.as_ref())?;
            MailboxName::new(&name).ok()
        }
    }
}

/// A name in a command, decoded from modified UTF-7 (RFC 3501, section 5.1.3); `None` if it is not
/// valid, or not ASCII.
pub(super) fn decoded(name: &[u8]) -> Option<String> {
    let name = str::from_utf8(name).ok()?;
    mailbox_name::decode(name).filter(|_| name.is_ascii())
}

/// The name of a mailbox for a response.
pub(super) fn mailbox_of(name: &str) -> Mailbox<'static> {
    let encoded = AString::try_from(mailbox_name::encode(name)).expect("modified UTF-7 is ASCII");
    Mailbox::from(encoded).into_static()
}

/// The flags for a response; keywords that are not valid atoms of IMAP are left out.
pub(super) fn imap_flags(flags: &MailFlags) -> impl Iterator<Item = Flag<'_>> {
    let system = flags.iter().map(|flag| match flag {
        MailFlag::Answered => Flag::Answered,
        MailFlag::Deleted => Flag::Deleted,
        MailFlag::Draft => Flag::Draft,
        MailFlag::Flagged => Flag::Flagged,
        MailFlag::Seen => Flag::Seen,
    });
    let keywords = flags.keywords().iter();
    let keywords = keywords.filter_map(|keyword| Atom::try_from(keyword.as_str()).ok());
    system.chain(keywords.map(Flag::Keyword))
}

/// Flags with a space between them.
pub(super) fn flag_list(flags: &MailFlags) -> String {
    let names: Vec<String> = imap_flags(flags).map(|flag| flag.to_string()).collect();
    names.join(" ")
}

/// The flags in a command; `None` if there are more than `MAX_KEYWORDS` keywords.
pub(super) fn flags_of(flags: &[Flag<'_>]) -> Option<MailFlags> {
    let mut all = MailFlags::new();
    for flag in flags {
        match flag {
            Flag::Answered => all.insert(MailFlag::Answered),
            Flag::Deleted => all.insert(MailFlag::Deleted),
            Flag::Draft => all.insert(MailFlag::Draft),
            Flag::Flagged => all.insert(MailFlag::Flagged),
            Flag::Seen => all.insert(MailFlag::Seen),
            Flag::Keyword(keyword) => all.insert_keyword(keyword.as_ref()),
            // `\Recent` and unknown system flags cannot be set; they are ignored.
            Flag::Extension(_) => {}
        }
    }
    (all.keywords().len() <= MAX_KEYWORDS).then_some(all)
}

/// UIDs as a sequence set, such as `1:3,7`. They should ascend, since only successive UIDs become
/// ranges.
pub(super) fn uid_set(uids: impl IntoIterator<Item = Uid>) -> String {
    // As ranges, because a client may copy a million messages: COPYUID stays one short line.
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for uid in uids {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(uid.get()) => *last = uid.get(),
            _ => ranges.push((uid.get(), uid.get())),
        }
    }
    let mut text = String::new();
    for (first, last) in ranges {
        let comma = if text.is_empty() { "" } else { "," };
        // Writing to a string does not fail.
        let _ = match first == last {
            true => write!(text, "{comma}{first}"),
            false => write!(text, "{comma}{first}:{last}"),
        };
    }
    text
}

/// A time in UTC, to the second.
pub(super) fn date_of(time: SystemTime) -> DateTime<FixedOffset> {
    let seconds = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    };
    let date = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    date.fixed_offset()
}

/// The time for a date; the Unix epoch if `SystemTime` cannot represent it.
pub(super) fn time_of(date: &DateTime<FixedOffset>) -> SystemTime {
    let seconds = date.timestamp();
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let epoch = SystemTime::UNIX_EPOCH;
    let time = match seconds >= 0 {
        true => epoch.checked_add(distance),
        false => epoch.checked_sub(distance),
    };
    time.unwrap_or(epoch)
}
