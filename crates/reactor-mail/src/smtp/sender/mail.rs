//! `Mail`: a message with its envelope, encoded for DATA.

use memchr::memchr2;

use super::extensions::Extensions;
use crate::smtp::address::MailAddress;
use crate::smtp::smtp_error::SmtpError;

/// A message, and from whom it goes to whom.
pub(super) struct Mail {
    /// `None` for a bounce.
    from: Option<MailAddress>,
    /// At least one.
    pub(super) to: Vec<MailAddress>,
    pub(super) encoded: Encoded,
    is_8bit: bool,
    is_utf8: bool,
}

/// A message as DATA takes it.
pub(super) struct Encoded {
    /// With dots for the transport, and the end.
    pub(super) bytes: Vec<u8>,
    /// Bytes without the dots and the end (RFC 1870, section 5).
    size: u64,
}

impl Mail {
    pub(super) fn new(from: &str, to: &[&str], message: &[u8]) -> Result<Self, SmtpError> {
        let from = if from.is_empty() {
            None
        } else {
            Some(parse(from)?)
        };
        let to = to.iter().map(|text| parse(text));
        let to = to.collect::<Result<Vec<_>, _>>()?;
        if to.is_empty() {
            return Err(SmtpError::NoRecipient);
        }
        // By the addresses alone: UTF-8 in the headers is not looked for, and goes as 8BITMIME.
        let mut addresses = from.iter().chain(&to);
        let is_utf8 = addresses.any(|address| !address.as_str().is_ascii());
        Ok(Self {
            from,
            to,
            encoded: encode(message),
            is_8bit: !message.is_ascii(),
            is_utf8,
        })
    }

    /// The MAIL command, with the parameters that the server understands.
    pub(super) fn command(&self, extensions: &Extensions) -> Result<String, SmtpError> {
        let from = self.from.as_ref().map_or("", MailAddress::as_str);
        let mut command = format!("MAIL FROM:<{from}>");
        if let Some(limit) = extensions.value("SIZE") {
            let size = self.encoded.size;
            // 0, and a limit that is missing, say nothing.
            if let Some(limit) = limit
                .parse()
                .ok()
                .filter(|&limit| limit > 0 && limit < size)
            {
                return Err(SmtpError::TooLarge { limit });
            }
            command.push_str(&format!(" SIZE={size}"));
        }
        for (is_needed, extension, parameter) in [
            (self.is_8bit, "8BITMIME", " BODY=8BITMIME"),
            (self.is_utf8, "SMTPUTF8", " SMTPUTF8"),
        ] {
            if is_needed && extensions.value(extension).is_none() {
                return Err(SmtpError::NotSupported { extension });
            }
            command.push_str(if is_needed { parameter } else { "" });
        }
        command.push_str("\r\n");
        Ok(command)
    }
}

fn parse(text: &str) -> Result<MailAddress, SmtpError> {
    text.parse().map_err(|_| SmtpError::InvalidAddress {
        address: text.to_owned(),
    })
}

/// `message` as DATA takes it: each line ends in CR LF, and one that begins with a dot gets another.
fn encode(message: &[u8]) -> Encoded {
    // Room for a CR with each line of 32 bytes; with more, it grows.
    let mut bytes = Vec::with_capacity(message.len() + message.len() / 32 + 16);
    let (mut rest, mut dots) = (message, 0);
    while !rest.is_empty() {
        let end = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        if rest[0] == b'.' {
            bytes.push(b'.');
            dots += 1;
        }
        bytes.extend_from_slice(&rest[..end]);
        // Also behind a last line without an end: the dot that ends the message needs a line of its
        // own.
        bytes.extend_from_slice(b"\r\n");
        let is_crlf = rest[end..].starts_with(b"\r\n");
        rest = rest
            .get(end + 1 + usize::from(is_crlf)..)
            .unwrap_or_default();
    }
    // Lossless: no address space has more than 64 bits.
    let size = (bytes.len() - dots) as u64;
    bytes.extend_from_slice(b".\r\n");
    Encoded { bytes, size }
}
