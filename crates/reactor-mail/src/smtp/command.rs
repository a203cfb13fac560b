//! SMTP commands: parsing of a line.

use super::address::MailAddress;
use super::envelope::{DsnNotify, DsnReturn, Recipient};
use super::smtp_reply::SmtpReply;

#[derive(Debug)]
pub(super) enum Command {
    Hello {
        name: String,
        is_extended: bool,
    },
    Mail(Mail),
    Rcpt(Recipient),
    Data,
    Chunk {
        length: u64,
        is_last: bool,
    },
    Reset,
    Noop,
    Verify,
    Quit,
    StartTls,
    Auth {
        mechanism: String,
        initial: Option<String>,
    },
}

#[derive(Debug, Default)]
pub(super) struct Mail {
    pub(super) from: Option<MailAddress>,
    pub(super) size: Option<u64>,
    pub(super) is_8bit: bool,
    pub(super) is_utf8: bool,
    pub(super) returns: Option<DsnReturn>,
    pub(super) envelope_id: Option<String>,
}

/// Parses a line; the error is the reply for the client.
pub(super) fn parse(line: &[u8]) -> Result<Command, SmtpReply> {
    let syntax = || SmtpReply::new(501, "5.5.4 syntax error in parameters");
    let line = std::str::from_utf8(line).map_err(|_| SmtpReply::new(500, "5.5.2 not UTF-8"))?;
    // RFC 5321 (section 4.1.1) asks servers to tolerate white space at the end.
    let line = line.trim_end_matches(' ');
    // Parts of the line may be written to a header, a log or a command for another server, where a
    // control character could begin a new line.
    if line.chars().any(char::is_control) {
        return Err(SmtpReply::new(500, "5.5.2 control character in a command"));
    }
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim_start_matches(' ');
    let without_rest = |command| {
        if rest.is_empty() {
            Ok(command)
        } else {
            Err(syntax())
        }
    };
    match verb.to_ascii_uppercase().as_str() {
        "EHLO" | "HELO" if rest.is_empty() => Err(syntax()),
        // The name is not checked: RFC 5321 (section 4.1.4) allows no refusal because of it, and
        // `Received` makes it harmless.
        verb @ ("EHLO" | "HELO") => Ok(Command::Hello {
            name: rest.to_owned(),
            is_extended: verb == "EHLO",
        }),
        "MAIL" => mail(strip_keyword(rest, "FROM:").ok_or_else(syntax)?).map(Command::Mail),
        "RCPT" => rcpt(strip_keyword(rest, "TO:").ok_or_else(syntax)?).map(Command::Rcpt),
        "DATA" => without_rest(Command::Data),
        "BDAT" => {
            let (length, last) = rest.split_once(' ').unwrap_or((rest, ""));
            let is_last = last.eq_ignore_ascii_case("LAST");
            if !is_last && !last.is_empty() {
                return Err(syntax());
            }
            let length = number(length).ok_or_else(syntax)?;
            Ok(Command::Chunk { length, is_last })
        }
        "RSET" => without_rest(Command::Reset),
        // NOOP may have a text, which is ignored (RFC 5321, section 4.1.1.9). The name after VRFY is
        // ignored, too, because each name gets the same reply.
        "NOOP" => Ok(Command::Noop),
        "VRFY" => Ok(Command::Verify),
        "QUIT" => without_rest(Command::Quit),
        "STARTTLS" => without_rest(Command::StartTls),
        "AUTH" => {
            let (mechanism, initial) = rest.split_once(' ').unwrap_or((rest, ""));
            Ok(Command::Auth {
                mechanism: mechanism.to_ascii_uppercase(),
                initial: (!initial.is_empty()).then(|| initial.to_owned()),
            })
        }
        _ => Err(SmtpReply::new(500, "5.5.1 unknown command")),
    }
}

fn mail(text: &str) -> Result<Mail, SmtpReply> {
    let (path, parameters) = split_path(text)?;
    let from = if path.is_empty() {
        None
    } else {
        Some(address(path)?)
    };
    let mut mail = Mail {
        from,
        ..Mail::default()
    };
    for (keyword, value) in parameters_of(parameters) {
        match (keyword.as_str(), value) {
            ("SIZE", Some(size)) => mail.size = Some(number(size).ok_or_else(|| bad(&keyword))?),
            ("BODY", Some(body)) => match body.to_ascii_uppercase().as_str() {
                "7BIT" => {}
                "8BITMIME" => mail.is_8bit = true,
                _ => return Err(bad(&keyword)),
            },
            ("SMTPUTF8", None) => mail.is_utf8 = true,
            ("RET", Some(returns)) => {
                mail.returns = Some(match returns.to_ascii_uppercase().as_str() {
                    "FULL" => DsnReturn::Full,
                    "HDRS" => DsnReturn::Headers,
                    _ => return Err(bad(&keyword)),
                });
            }
            ("ENVID", Some(id)) => mail.envelope_id = Some(xtext(id).ok_or_else(|| bad(&keyword))?),
            // The user who has submitted the message to another server. Only its syntax is checked:
            // a server may ignore it (RFC 4954, section 5).
            ("AUTH", Some(name)) => drop(xtext(name).ok_or_else(|| bad(&keyword))?),
            // 555 refuses parameters that were not offered (RFC 5321, section 4.1.1.11). They are not
            // ignored, because accepting the command would promise what the parameter asks for.
            _ => return Err(unknown(&keyword)),
        }
    }
    let needs_utf8 = mail
        .from
        .as_ref()
        .is_some_and(|from| !from.as_str().is_ascii());
    if needs_utf8 && !mail.is_utf8 {
        return Err(SmtpReply::new(553, "5.6.7 an address needs SMTPUTF8"));
    }
    Ok(mail)
}

fn rcpt(text: &str) -> Result<Recipient, SmtpReply> {
    let (path, parameters) = split_path(text)?;
    let mut recipient = Recipient::new(address(path)?);
    for (keyword, value) in parameters_of(parameters) {
        match (keyword.as_str(), value) {
            ("NOTIFY", Some(value)) => {
                recipient.notify = Some(notify(value).ok_or_else(|| bad(&keyword))?);
            }
            ("ORCPT", Some(value)) => {
                // The type and the address, with a semicolon between them (RFC 3461, section 4.2).
                let original = xtext(value).filter(|text| text.contains(';'));
                recipient.original = Some(original.ok_or_else(|| bad(&keyword))?);
            }
            _ => return Err(unknown(&keyword)),
        }
    }
    Ok(recipient)
}

fn notify(value: &str) -> Option<DsnNotify> {
    let mut notify = DsnNotify::default();
    if value.eq_ignore_ascii_case("NEVER") {
        return Some(notify);
    }
    for occasion in value.split(',') {
        match occasion.to_ascii_uppercase().as_str() {
            "SUCCESS" => notify.success = true,
            "FAILURE" => notify.failure = true,
            "DELAY" => notify.delay = true,
            _ => return None,
        }
    }
    Some(notify)
}

/// The path between `<` and `>`, and the parameters behind it.
fn split_path(text: &str) -> Result<(&str, &str), SmtpReply> {
    let syntax = || SmtpReply::new(501, "5.1.7 an address stands between < and >");
    let text = text
        .trim_start_matches(' ')
        .strip_prefix('<')
        .ok_or_else(syntax)?;
    // An address has no `>`, so the first one ends it.
    let (path, parameters) = text.split_once('>').ok_or_else(syntax)?;
    if !parameters.is_empty() && !parameters.starts_with(' ') {
        return Err(syntax());
    }
    // A route before the address is ignored (RFC 5321, appendix C).
    let path = match path.split_once(':') {
        Some((route, path)) if route.starts_with('@') => path,
        _ => path,
    };
    Ok((path, parameters))
}

fn address(path: &str) -> Result<MailAddress, SmtpReply> {
    path.parse()
        .map_err(|_| SmtpReply::new(501, "5.1.3 no valid mail address"))
}

fn parameters_of(text: &str) -> impl Iterator<Item = (String, Option<&str>)> {
    text.split(' ').filter(|word| !word.is_empty()).map(|word| {
        let (keyword, value) = match word.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (word, None),
        };
        (keyword.to_ascii_uppercase(), value)
    })
}

fn bad(keyword: &str) -> SmtpReply {
    SmtpReply::new(501, format!("5.5.4 bad value of {keyword}"))
}

fn unknown(keyword: &str) -> SmtpReply {
    SmtpReply::new(555, format!("5.5.4 unknown parameter {keyword}"))
}

fn strip_keyword<'a>(text: &'a str, keyword: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(keyword.len())?;
    head.eq_ignore_ascii_case(keyword).then_some(rest)
}

/// Parses a number of digits only, because `parse` alone would accept a sign.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// Decodes `+2B` (RFC 3461, section 4). A control character makes it invalid.
fn xtext(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'+' {
            let (high, low) = (bytes.next()?, bytes.next()?);
            let digit = |byte: u8| char::from(byte).to_digit(16);
            u8::try_from(digit(high)? * 16 + digit(low)?).ok()?
        } else {
            byte
        });
    }
    let decoded = String::from_utf8(decoded).ok()?;
    (!decoded.chars().any(char::is_control)).then_some(decoded)
}
