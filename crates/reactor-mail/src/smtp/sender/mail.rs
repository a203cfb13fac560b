//! `Mail`: a message with its envelope, encoded for DATA.

use memchr::{memchr2, memmem};

use super::extensions::Extensions;
use crate::smtp::address::MailAddress;
use crate::smtp::smtp_error::SmtpError;

/// A message with its sender and recipients.
pub(super) struct Mail {
    /// `None` for a bounce.
    from: Option<MailAddress>,
    /// At least one.
    pub(super) to: Vec<MailAddress>,
    pub(super) encoded: Encoded,
    is_8bit: bool,
    is_utf8: bool,
}

/// A message in the form that is sent after DATA.
pub(super) struct Encoded {
    /// The bytes to send, including the added dots and the line with a dot at the end.
    pub(super) bytes: Vec<u8>,
    /// Number of bytes without the added dots and that last line (RFC 1870, section 5).
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
        let encoded = encode(message);
        let mut addresses = from.iter().chain(&to);
        let is_utf8 = addresses.any(|address| !address.as_str().is_ascii());
        let is_8bit = !message.is_ascii();
        Ok(Self {
            is_utf8: is_utf8 || is_8bit && has_utf8_header(&encoded.bytes),
            is_8bit,
            from,
            to,
            encoded,
        })
    }

    /// The MAIL command, with the parameters that the server understands.
    ///
    /// # Errors
    ///
    /// If the message is too large for the server, or needs an extension that the server lacks.
    pub(super) fn command(&self, extensions: &Extensions) -> Result<String, SmtpError> {
        let from = self.from.as_ref().map_or("", MailAddress::as_str);
        let mut command = format!("MAIL FROM:<{from}>");
        if let Some(limit) = extensions.value("SIZE") {
            let size = self.encoded.size;
            // If the limit is 0 or missing, the server has announced none.
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

/// Whether the header of a message has UTF-8, which only a server with SMTPUTF8 may get (RFC 6531,
/// section 3.2).
// The headers of MIME parts, which are in the body, are not searched: only a parser of MIME could find
// them.
fn has_utf8_header(encoded: &[u8]) -> bool {
    let end = memmem::find(encoded, b"\r\n\r\n").unwrap_or(encoded.len());
    // A message that begins with an empty line has no header.
    let header = match encoded.starts_with(b"\r\n") {
        true => &[],
        false => &encoded[..end],
    };
    // Bytes above 127 that are not UTF-8 are not allowed in a header, not even with SMTPUTF8, so the
    // extension is not needed for them.
    !header.is_ascii() && str::from_utf8(header).is_ok()
}

/// Encodes `message` for DATA: each line ends in CR LF, and a line that begins with a dot gets another
/// dot.
fn encode(message: &[u8]) -> Encoded {
    // Room for one added byte per 32 bytes; if more are added, the vector grows.
    let mut bytes = Vec::with_capacity(message.len() + message.len() / 32 + 16);
    let (mut rest, mut dots) = (message, 0);
    while !rest.is_empty() {
        let end = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        if rest[0] == b'.' {
            bytes.push(b'.');
            dots += 1;
        }
        bytes.extend_from_slice(&rest[..end]);
        // Also behind a last line without an end, because the dot that ends the message needs a line
        // of its own.
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
