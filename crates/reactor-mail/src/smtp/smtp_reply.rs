//! `SmtpReply`: the reply of an SMTP server to a command.

use std::error::Error;
use std::fmt;

/// The reply of an SMTP server to a command: a code and a text, which usually begins with an enhanced
/// status code (RFC 3463).
///
/// If a Deferred of [`Delivery`](crate::Delivery) fails with an `SmtpReply`, the client gets that
/// reply. For any other failure, it gets "451 4.3.0"; the text of the failure is only logged.
///
/// # Examples
///
/// ```
/// use reactor_mail::SmtpReply;
///
/// let reply = SmtpReply::new(550, "5.1.1 no such user");
/// assert!(reply.is_permanent());
/// assert_eq!(reply.to_string(), "550 5.1.1 no such user");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpReply {
    code: u16,
    text: String,
}

impl SmtpReply {
    /// A reply; `text` may have several lines.
    pub fn new(code: u16, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }

    /// The code, such as 250.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The text without the code; if it has several lines, `\n` is between them.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the command has succeeded: 2xx.
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// Whether the same command would fail again: 5xx.
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// The reply as it is sent, with line ends. Control characters in the text become spaces, so that
    /// they cannot end a line.
    pub(crate) fn encode(&self) -> String {
        let mut encoded = String::with_capacity(self.text.len() + 6);
        let mut lines = self.text.split('\n').peekable();
        while let Some(line) = lines.next() {
            let separator = if lines.peek().is_some() { '-' } else { ' ' };
            encoded.push_str(&format!("{:03}{separator}", self.code));
            // The text may contain input from the client.
            encoded.extend(line.chars().map(|c| if c.is_control() { ' ' } else { c }));
            encoded.push_str("\r\n");
        }
        encoded
    }
}

impl fmt::Display for SmtpReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

impl Error for SmtpReply {}
