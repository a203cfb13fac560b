//! `Reply`: the tagged answer to a command.

use std::borrow::Cow;

use deferred::Failure;

use crate::store::MailboxError;

/// The status of a command, its code and its text.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: Status,
    /// The response code, without its brackets; empty if there is none.
    code: Cow<'static, str>,
    text: Cow<'static, str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    No,
    Bad,
}

impl Reply {
    pub(super) fn ok(text: &'static str) -> Self {
        Self::new(Status::Ok, "", text)
    }

    pub(super) fn no(code: &'static str, text: &'static str) -> Self {
        Self::new(Status::No, code, text)
    }

    pub(super) fn bad(text: &'static str) -> Self {
        Self::new(Status::Bad, "", text)
    }

    fn new(status: Status, code: &'static str, text: &'static str) -> Self {
        let (code, text) = (code.into(), text.into());
        Self { status, code, text }
    }

    pub(super) fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.code = code.into();
        self
    }

    /// The answer for a failure. If it is a `MailboxError`, which is meant for the client, the client
    /// gets its text. Any other failure is logged, and the client gets no details.
    pub(super) fn refusal(failure: &Failure) -> Self {
        let Some(error) = failure.check::<MailboxError>() else {
            tracing::warn!(target: "reactor_mail", %failure, "a command of IMAP has failed");
            return Self::no("SERVERBUG", "local error");
        };
        let code = match error {
            MailboxError::WrongLogin => "AUTHENTICATIONFAILED",
            MailboxError::NoSuchMailbox => "NONEXISTENT",
            MailboxError::AlreadyExists => "ALREADYEXISTS",
            MailboxError::NotPermitted => "NOPERM",
            MailboxError::OverQuota => "OVERQUOTA",
            MailboxError::Refused(_) => "CANNOT",
        };
        // A line end in the text would begin another response.
        let text = error
            .to_string()
            .replace(|c: char| !matches!(c, ' '..='~'), "?");
        Self {
            text: text.into(),
            ..Self::no(code, "")
        }
    }

    /// As [`refusal`](Self::refusal), for a failure of the mailbox to which messages are added.
    pub(super) fn refusal_of_target(failure: &Failure) -> Self {
        let reply = Self::refusal(failure);
        match failure.check::<MailboxError>() {
            // The client may create it, and try again.
            Some(MailboxError::NoSuchMailbox) => reply.with_code("TRYCREATE"),
            _ => reply,
        }
    }

    pub(super) fn encode(&self, tag: &str) -> String {
        let status = match self.status {
            Status::Ok => "OK",
            Status::No => "NO",
            Status::Bad => "BAD",
        };
        match &*self.code {
            "" => format!("{tag} {status} {}\r\n", self.text),
            code => format!("{tag} {status} [{code}] {}\r\n", self.text),
        }
    }
}
