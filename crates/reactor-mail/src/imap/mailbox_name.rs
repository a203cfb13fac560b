//! Modified UTF-7: the encoding of mailbox names that are not ASCII (RFC 3501, section 5.1.3).

use base64::Engine;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::NO_PAD;

const BASE64: GeneralPurpose = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);

fn is_direct(c: char) -> bool {
    matches!(c, ' '..='~')
}

/// Encodes a name.
pub(crate) fn encode(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let run = rest.find(|c| is_direct(c) != is_direct(first));
        let (run, after) = rest.split_at(run.unwrap_or(rest.len()));
        rest = after;
        if is_direct(first) {
            encoded.push_str(&run.replace('&', "&-"));
        } else {
            // In big-endian order, and with a comma in the place of the slash in Base64 (RFC 3501,
            // section 5.1.3).
            let bytes: Vec<u8> = run.encode_utf16().flat_map(u16::to_be_bytes).collect();
            encoded.push('&');
            BASE64.encode_string(bytes, &mut encoded);
            encoded.push('-');
        }
    }
    encoded
}

/// Decodes a name; `None` if `encoded` is not the encoding of any name.
pub(crate) fn decode(encoded: &str) -> Option<String> {
    let mut name = String::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((direct, after)) = rest.split_once('&') {
        // An encoded part begins with `&` and ends with `-`; without the `-`, the name is invalid.
        let (shifted, after) = after.split_once('-')?;
        name.push_str(direct);
        rest = after;
        if shifted.is_empty() {
            name.push('&');
            continue;
        }
        let bytes = BASE64.decode(shifted).ok()?;
        if bytes.len() % 2 != 0 {
            return None;
        }
        let units = bytes
            .chunks_exact(2)
            .map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        for c in char::decode_utf16(units) {
            // A character that stands for itself must not be encoded, so that each name has only one
            // encoding.
            name.push(c.ok().filter(|&c| !is_direct(c))?);
        }
    }
    name.push_str(rest);
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn names_go_there_and_back() {
        for (name, encoded) in [
            ("INBOX", "INBOX"),
            ("a & b", "a &- b"),
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("😀", "&2D3eAA-"),
            ("", ""),
        ] {
            assert_eq!(encode(name), encoded);
            assert_eq!(decode(encoded).as_deref(), Some(name));
        }
    }

    #[test]
    fn what_is_no_encoded_name_is_not_decoded() {
        for encoded in ["&", "a&b", "&AG-", "&AGEAYg-", "&2D0-", "&====-", "&A-"] {
            assert_eq!(decode(encoded), None, "{encoded}");
        }
    }
}
