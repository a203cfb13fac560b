//! `Request`: a command that waits to be sent or for its answer, with the responses that it has
//! collected.

use std::collections::VecDeque;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use deferred::{Failure, Result, Trigger};
use imap_codec::CommandCodec;
use imap_codec::encode::{Encoder, Fragment};
use imap_types::command::{Command, CommandBody};
use imap_types::core::LiteralMode;
use imap_types::response::Code;

use super::collected::{Collected, Kind};
use super::error::ImapError;
use super::framing::announced;

/// The responses that a command has collected, and the code of its answer.
pub(super) type Answered = (Collected, Option<Code<'static>>);

type Finish = Box<dyn FnOnce(Result<Answered>)>;

/// A command that waits to be sent, or for its answer.
pub(super) struct Request {
    pub(super) tag: String,
    /// The parts that are not sent yet: lines, and literals between them.
    pub(super) fragments: VecDeque<Fragment>,
    pub(super) rules: Rules,
    /// A capability without which the command is not sent.
    pub(super) needs: Option<&'static str>,
    pub(super) then: Then,
    pub(super) collected: Collected,
    /// Number of bytes of the collected responses.
    pub(super) collected_bytes: usize,
    /// Fires the Deferred. Taken when it fires or is cancelled; from then on, nothing is collected.
    finish: Option<Finish>,
}

/// What the session does after a command, before its Deferred fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Nothing,
    /// The first CAPABILITY, or the one after STARTTLS.
    Open,
    StartTls,
    /// Asks for the capabilities, which a login changes.
    Login,
    Idle,
    Logout,
}

/// Whether a command may be sent while others wait for their answers (RFC 3501, section 5.5).
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// No other command waits for its answer at the same time, because this one changes what others
    /// mean (SELECT), or how they are answered.
    is_alone: bool,
    /// The command names messages by their numbers. They would be wrong if the server sent an EXPUNGE
    /// before it reads the command.
    has_numbers: bool,
    /// The server may send EXPUNGE responses before the answer: not for FETCH, STORE and SEARCH
    /// without `UID` (RFC 3501, section 7.4.1).
    may_expunge: bool,
    collects: Kind,
}

impl Rules {
    pub(super) const ALONE: Self = Self {
        is_alone: true,
        has_numbers: false,
        may_expunge: true,
        collects: Kind::Nothing,
    };

    fn new(body: &CommandBody<'_>, collects: Kind) -> Self {
        let (is_alone, has_numbers, may_expunge) = match body {
            CommandBody::Capability
            | CommandBody::Noop
            | CommandBody::List { .. }
            | CommandBody::Lsub { .. }
            | CommandBody::Status { .. } => (false, false, true),
            // `UID SEARCH` gives unique identifiers, but its keys may be message numbers.
            CommandBody::Search { uid, .. } => (false, true, *uid),
            CommandBody::Fetch { uid, .. } | CommandBody::Store { uid, .. } => (false, !uid, *uid),
            CommandBody::Copy { uid, .. } => (false, !uid, true),
            // Among these are MOVE and EXPUNGE, which renumber messages, and SELECT and CLOSE, which
            // change the mailbox to which numbers refer.
            _ => return Self::ALONE,
        };
        Self {
            is_alone,
            has_numbers,
            may_expunge,
            collects,
        }
    }

    pub(super) fn collects(&self, kind: Kind) -> bool {
        self.collects == kind
    }

    /// Whether a command with these rules may be sent while one with the rules `running` waits for its
    /// answer.
    pub(super) fn may_follow(&self, running: &Self) -> bool {
        let is_ambiguous = self.collects != Kind::Nothing && self.collects == running.collects;
        let renumbers = self.has_numbers && running.may_expunge;
        !(self.is_alone || running.is_alone || is_ambiguous || renumbers)
    }
}

impl Request {
    /// A request whose Deferred fires with the value that `get` makes of the answer.
    pub(super) fn new<T: 'static>(
        tag: String,
        body: CommandBody<'_>,
        collected: Collected,
        trigger: Trigger<T>,
        get: impl FnOnce(Answered) -> T + 'static,
    ) -> std::result::Result<Self, ImapError> {
        let rules = Rules::new(&body, collected.kind());
        let (needs, then) = match &body {
            CommandBody::Login { .. } => (None, Then::Login),
            CommandBody::Logout => (None, Then::Logout),
            CommandBody::Move { .. } => (Some("MOVE"), Then::Nothing),
            CommandBody::ExpungeUid { .. } => (Some("UIDPLUS"), Then::Nothing),
            _ => (None, Then::Nothing),
        };
        let fragments = encode(&tag, body)?;
        let finish = Box::new(move |answered: Result<Answered>| {
            // Errs if the Deferred was cancelled: then it has failed already.
            let _ = trigger.fire(answered.map(get));
        });
        Ok(Self {
            tag,
            fragments,
            rules,
            needs,
            then,
            collected,
            collected_bytes: 0,
            finish: Some(finish),
        })
    }

    /// `AUTHENTICATE PLAIN` with the answer that the server asks for.
    pub(super) fn authenticate_plain(tag: String, answer: &[u8], trigger: Trigger<()>) -> Self {
        let mut request = Self::own(tag, "AUTHENTICATE PLAIN", Then::Login);
        request.needs = Some("AUTH=PLAIN");
        let data = format!("{}\r\n", STANDARD.encode(answer)).into_bytes();
        let mode = LiteralMode::Sync;
        request
            .fragments
            .push_back(Fragment::Literal { data, mode });
        // Errs if the Deferred was cancelled: then it has failed already.
        let finish = move |answered: Result<Answered>| drop(trigger.fire(answered.map(drop)));
        request.finish = Some(Box::new(finish));
        request
    }

    /// A command of the session itself, which is sent alone.
    pub(super) fn own(tag: String, command: &str, then: Then) -> Self {
        let data = format!("{tag} {command}\r\n").into_bytes();
        Self {
            tag,
            fragments: VecDeque::from([Fragment::Line { data }]),
            rules: Rules::ALONE,
            needs: None,
            then,
            collected: Collected::Nothing,
            collected_bytes: 0,
            finish: None,
        }
    }

    /// Takes over the Deferred of another request.
    pub(super) fn finishing_for(mut self, other: &mut Self) -> Self {
        self.finish = other.finish.take();
        self
    }

    /// Whether its Deferred was neither fired nor cancelled, so that responses are still collected.
    pub(super) fn is_awaited(&self) -> bool {
        self.finish.is_some()
    }

    pub(super) fn finish(&mut self, answered: Result<Option<Code<'static>>>) {
        if let Some(finish) = self.finish.take() {
            let collected = std::mem::replace(&mut self.collected, Collected::Nothing);
            finish(answered.map(|code| (collected, code)));
        }
    }

    /// Fires the Deferred with a failure now, without the answer.
    pub(super) fn fail(&mut self, failure: impl Into<Failure>) {
        self.finish(Err(failure.into()));
    }

    /// Lets further responses be dropped, because the Deferred was cancelled.
    pub(super) fn forget(&mut self) {
        self.finish = None;
        self.collected = Collected::Nothing;
    }
}

/// Fails the Deferred if it has not fired, which is so only if the connection has ended.
impl Drop for Request {
    // Does nothing if the request has been answered, because `finish` is taken then.
    fn drop(&mut self) {
        self.fail(ImapError::Closed);
    }
}

/// Encodes a command as lines and literals. Refuses an argument that would end its line early, because
/// the rest would be another command. The types do not prevent that: callers can make values of
/// `imap_types` without a check (`unvalidated`).
fn encode(tag: &str, body: CommandBody<'_>) -> std::result::Result<VecDeque<Fragment>, ImapError> {
    let what = "the command";
    let invalid = |_| ImapError::InvalidArgument { what };
    let command = Command::new(tag, body).map_err(invalid)?;
    let fragments: VecDeque<_> = CommandCodec::default().encode(&command).collect();
    if are_lines(&fragments) {
        Ok(fragments)
    } else {
        Err(ImapError::InvalidArgument { what })
    }
}

/// Whether each fragment that is a line has its only line end at the end, and announces a literal if
/// and only if one follows.
fn are_lines(fragments: &VecDeque<Fragment>) -> bool {
    fragments.iter().enumerate().all(|(index, fragment)| {
        let Fragment::Line { data } = fragment else {
            return true;
        };
        let Some(line) = data.strip_suffix(b"\r\n") else {
            return false;
        };
        let has_literal = matches!(fragments.get(index + 1), Some(Fragment::Literal { .. }));
        let is_clean = !line.iter().any(|byte| b"\r\n\0".contains(byte));
        is_clean && has_literal == !matches!(announced(data), Ok(None))
    })
}

/// Makes literals of at most `most` bytes non-synchronizing: `{5+}` instead of `{5}`, after which
/// the client sends the bytes without a continuation request (RFC 7888).
pub(super) fn do_not_wait(fragments: &mut VecDeque<Fragment>, most: usize) {
    for index in 1..fragments.len() {
        let (before, from_here) = fragments.make_contiguous().split_at_mut(index);
        let (
            Some(Fragment::Line { data: line }),
            Some(Fragment::Literal {
                data,
                mode: mode @ LiteralMode::Sync,
            }),
        ) = (before.last_mut(), from_here.first_mut())
        else {
            continue;
        };
        // The data of AUTHENTICATE is not announced by `{5}`, so it still waits for the server.
        if data.len() <= most && line.ends_with(b"}\r\n") {
            *mode = LiteralMode::NonSync;
            let end = line.len() - b"}\r\n".len();
            line.insert(end, b'+');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fragment, LiteralMode, VecDeque, are_lines};

    #[test]
    fn a_line_that_is_more_than_one_is_found() {
        for (line, is_good) in [
            ("a1 NOOP\r\n", true),
            ("a1 SELECT a}\r\n", true),
            ("a1 SELECT {x}\r\n", true),
            ("a1 NOOP", false),
            ("a1 NOOP\n", false),
            ("a1 NOOP\r\na2 LOGOUT\r\n", false),
            ("a1 STORE 1 FLAGS x\n\r\n", false),
            ("a1 STORE 1 FLAGS x\r\r\n", false),
            ("a1 STORE 1 FLAGS x\0\r\n", false),
            // The next command would be its literal.
            ("a1 STORE 1 FLAGS {5}\r\n", false),
            ("a1 STORE 1 FLAGS {5+}\r\n", false),
            ("a1 STORE 1 FLAGS {99999999999}\r\n", false),
        ] {
            let data = line.as_bytes().to_vec();
            let fragments = VecDeque::from([Fragment::Line { data }]);
            assert_eq!(are_lines(&fragments), is_good, "{line:?}");
        }
        let data = b"a1 SELECT {1}\r\n".to_vec();
        let (literal, mode) = (b"\n".to_vec(), LiteralMode::Sync);
        let end = b"\r\n".to_vec();
        let fragments = [
            Fragment::Line { data },
            Fragment::Literal {
                data: literal,
                mode,
            },
            Fragment::Line { data: end },
        ];
        assert!(are_lines(&VecDeque::from(fragments)));
    }
}
