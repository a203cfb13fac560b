//! `Received`: the header that each server puts before a message (RFC 5321, section 4.4).

use std::time::SystemTime;

use super::address;
use super::envelope::Envelope;

/// The header field, with its line ends. `is_extended`: the client has sent EHLO, not HELO.
pub(super) fn header(envelope: &Envelope, server: &str, is_extended: bool) -> String {
    let client = word(&envelope.hello);
    let address = envelope.peer.ip();
    let address = address.map(|ip| format!(" ({})", address::literal(ip)));
    let address = address.unwrap_or_default();
    let (server, protocol) = (word(server), protocol(envelope, is_extended));
    // Several recipients are not named, because one of them may be from a Bcc, which the others must
    // not see.
    let recipient = match &envelope.to[..] {
        [only] => format!("\r\n\tfor <{}>", only.address),
        _ => String::new(),
    };
    // The format of dates in HTTP is that of mail, except for the time zone.
    let date = httpdate::fmt_http_date(SystemTime::now()).replace("GMT", "+0000");
    format!(
        "Received: from {client}{address}\r\n\tby {server} with {protocol}{recipient};\r\n\t{date}\r\n"
    )
}

/// The name of the protocol, such as `ESMTPSA` (RFC 3848, and RFC 6531, section 4.3).
fn protocol(envelope: &Envelope, is_extended: bool) -> String {
    if !is_extended {
        return "SMTP".to_owned();
    }
    let name = if envelope.is_utf8 {
        "UTF8SMTP"
    } else {
        "ESMTP"
    };
    let encrypted = if envelope.is_encrypted { "S" } else { "" };
    let login = if envelope.login.is_some() { "A" } else { "" };
    format!("{name}{encrypted}{login}")
}

/// The name of a client or server as one word, which cannot begin a comment or another field.
fn word(text: &str) -> String {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    let safe = |c| if is_safe(c) { c } else { '?' };
    // A host name has at most 255 characters; a line of a message at most 998.
    text.chars().take(255).map(safe).collect()
}
