//! ENVELOPE: the header fields that a mail program shows in its list of messages.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use imap_types::core::{IString, NString};
use imap_types::envelope::{Address, Envelope};
use mail_parser::{Addr, Address as Parsed};

use super::field::{FieldParser, field};

/// The envelope of a message with this header.
pub(crate) fn envelope(header: &[u8], parser: &FieldParser) -> Envelope<'static> {
    let text = |name: &[u8]| nstring(field(header, name).map(|field| field.value()));
    let addresses = |name: &[u8]| {
        let value = parser.first(header, name);
        let parsed = value.as_ref().and_then(|value| value.as_address());
        parsed.map(address_list).unwrap_or_default()
    };
    let from = addresses(b"from");
    // If Sender or Reply-To is missing, the server has to insert From (RFC 3501, section 7.4.2).
    let or_from = |addresses: Vec<_>| match addresses.is_empty() {
        true => from.clone(),
        false => addresses,
    };
    Envelope {
        date: text(b"date"),
        subject: text(b"subject"),
        sender: or_from(addresses(b"sender")),
        reply_to: or_from(addresses(b"reply-to")),
        to: addresses(b"to"),
        cc: addresses(b"cc"),
        bcc: addresses(b"bcc"),
        in_reply_to: text(b"in-reply-to"),
        message_id: text(b"message-id"),
        from,
    }
}

fn address_list(parsed: &Parsed<'_>) -> Vec<Address<'static>> {
    match parsed {
        Parsed::List(list) => list.iter().map(address).collect(),
        Parsed::Group(groups) => {
            let mut all = Vec::new();
            for group in groups {
                // A group stands between two markers: addresses without a host (RFC 3501, section
                // 7.4.2).
                let marker = |name: Option<&str>| Address {
                    name: NString(None),
                    adl: NString(None),
                    mailbox: word(name),
                    host: NString(None),
                };
                let name = group.name.as_deref();
                all.extend(name.map(|name| marker(Some(name))));
                all.extend(group.addresses.iter().map(address));
                all.extend(name.map(|_| marker(None)));
            }
            all
        }
    }
}

fn address(parsed: &Addr<'_>) -> Address<'static> {
    let address = parsed.address.as_deref();
    let (mailbox, host) = match address.and_then(|text| text.rsplit_once('@')) {
        Some((mailbox, host)) => (Some(mailbox), Some(host)),
        // An empty host instead of none, because a mailbox without a host would begin a group.
        None => (address.or(Some("")), Some("")),
    };
    Address {
        name: word(parsed.name.as_deref()),
        adl: NString(None),
        mailbox: word(mailbox),
        host: word(host),
    }
}

fn word(text: Option<&str>) -> NString<'static> {
    nstring(text.map(|text| encoded_words(text).into_bytes()))
}

/// A string of IMAP, from which NULs are removed, since IMAP does not allow them.
pub(super) fn istring(mut text: Vec<u8>) -> IString<'static> {
    text.retain(|&byte| byte != 0);
    IString::try_from(text).expect("a literal may have any byte but NUL")
}

pub(super) fn nstring(text: Option<Vec<u8>>) -> NString<'static> {
    NString(text.map(istring))
}

/// Encodes text that is not ASCII as encoded words of at most 75 bytes (RFC 2047).
pub(super) fn encoded_words(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        // 45 bytes are 60 in Base64, and 72 with `=?UTF-8?B?` and `?=`. A character is not divided,
        // because each word is decoded by itself.
        let end = rest.floor_char_boundary(45);
        words.push(format!("=?UTF-8?B?{}?=", STANDARD.encode(&rest[..end])));
        rest = &rest[end..];
    }
    words.join(" ")
}
