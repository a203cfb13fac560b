//! `Extensions`: the extensions that a server offers in its reply to EHLO.

use crate::smtp::smtp_reply::SmtpReply;

/// The extensions of a server; none if it knows only HELO.
#[derive(Default)]
pub(super) struct Extensions {
    /// Keyword, in upper case, and parameters of each extension.
    offered: Vec<(String, String)>,
}

impl Extensions {
    /// The extensions that the reply to EHLO lists.
    pub(super) fn of(reply: &SmtpReply) -> Self {
        // The first line is the name of the server.
        let offered = reply.text().lines().skip(1).map(|line| {
            let (keyword, parameters) = line.split_once(' ').unwrap_or((line, ""));
            // Case does not matter in keywords (RFC 5321, section 4.1.1.1).
            (keyword.to_ascii_uppercase(), parameters.to_owned())
        });
        Self {
            offered: offered.collect(),
        }
    }

    /// The parameters of an extension, if it is offered.
    pub(super) fn value(&self, keyword: &str) -> Option<&str> {
        let mut offered = self.offered.iter();
        let found = offered.find(|(offered, _)| offered == keyword);
        found.map(|(_, parameters)| &**parameters)
    }

    /// Whether clients may log in by this mechanism.
    pub(super) fn has_mechanism(&self, name: &str) -> bool {
        let mut mechanisms = self.value("AUTH").unwrap_or_default().split(' ');
        mechanisms.any(|mechanism| mechanism.eq_ignore_ascii_case(name))
    }
}
