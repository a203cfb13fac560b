//! `SmtpReply`: what an SMTP server answers to a command.

use std::error::Error;
use std::fmt;

/// What an SMTP server answers to a command: a code and a text, which begins with an enhanced
/// status code (RFC 3463) as a rule.
///
/// As the failure of a Deferred of [`Delivery`](crate::Delivery), it is the reply that the client
/// gets; any other failure is "451 4.3.0", and its text stays here.
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

    /// Its code, such as 250.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Its text without the code; if it has several lines, `\n` is between them.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it says that the command is done: 2xx.
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// Whether it says that the same command will fail again: 5xx.
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// As it is sent, line ends included. A control character in the text becomes a space: none
    /// can end a line.
    pub(crate) fn encode(&self) -> String {
        let mut encoded = String::with_capacity(self.text.len() + 6);
        let mut lines = self.text.split('\n').peekable();
        while let Some(line) = lines.next() {
            let separator = if lines.peek().is_some() { '-' } else { ' ' };
            encoded.push_str(&format!("{:03}{separator}", self.code));
            // The text may have parts of what a client has sent.
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
