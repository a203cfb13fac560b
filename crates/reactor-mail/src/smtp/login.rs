//! AUTH: the exchange of PLAIN (RFC 4616) and LOGIN.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::smtp_reply::SmtpReply;
use crate::sasl;

/// A login that waits for the client's answer to a challenge.
#[derive(Debug)]
pub(super) enum Exchange {
    Plain,
    /// LOGIN; the name is expected next.
    Name,
    /// LOGIN; the password is expected next.
    Password {
        name: String,
    },
}

/// What the server does after an answer.
#[derive(Debug)]
pub(super) enum Step {
    /// Send this challenge, and wait for the next answer.
    Challenge(&'static str, Exchange),
    /// Check this name and password.
    Check { name: String, password: String },
}

/// Begins an exchange.
pub(super) fn begin(mechanism: &str, initial: Option<&str>) -> Result<Step, SmtpReply> {
    let (challenge, exchange) = match mechanism {
        "PLAIN" => ("334 \r\n", Exchange::Plain),
        // "Username:" in Base64, and "Password:" below. LOGIN has no RFC, but clients expect these
        // words.
        "LOGIN" => ("334 VXNlcm5hbWU6\r\n", Exchange::Name),
        _ => return Err(SmtpReply::new(504, "5.5.4 unknown mechanism")),
    };
    match initial {
        // "=" stands for an empty answer (RFC 4954, section 4).
        Some("=") => exchange.answer(""),
        Some(initial) => exchange.answer(initial),
        None => Ok(Step::Challenge(challenge, exchange)),
    }
}

impl Exchange {
    /// Takes an answer, which is Base64.
    pub(super) fn answer(self, answer: &str) -> Result<Step, SmtpReply> {
        if answer == "*" {
            return Err(SmtpReply::new(501, "5.7.0 login cancelled"));
        }
        let bad = || SmtpReply::new(501, "5.5.2 bad answer");
        let text = STANDARD.decode(answer).map_err(|_| bad())?;
        let text = String::from_utf8(text).map_err(|_| bad())?;
        match self {
            Self::Plain => {
                let [acts_as, name, password] = sasl::plain(&text).ok_or_else(bad)?;
                if !acts_as.is_empty() && acts_as != name {
                    return Err(SmtpReply::new(535, "5.7.8 none may act for another"));
                }
                let (name, password) = (name.to_owned(), password.to_owned());
                Ok(Step::Check { name, password })
            }
            Self::Name => {
                let exchange = Self::Password { name: text };
                Ok(Step::Challenge("334 UGFzc3dvcmQ6\r\n", exchange))
            }
            Self::Password { name } => Ok(Step::Check {
                name,
                password: text,
            }),
        }
    }
}
