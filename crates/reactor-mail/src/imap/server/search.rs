//! SEARCH: compiles the keys into a `Test`, and tries it on each message.

use std::cell::OnceCell;
use std::fmt::Write;
use std::pin::Pin;
use std::rc::Rc;

use bytes::Bytes;
use chrono::NaiveDate;
use deferred::{Result, maybe_deferred};
use imap_types::command::CommandBody;
use imap_types::core::{AString, Charset, Tag};
use imap_types::search::SearchKey;
use reactor::Context;

use super::imap_reply::Reply;
use super::output::Output;
use super::sequence::{NumberSet, last_number};
use super::session::ImapSession;
use super::text::date_of;
use super::view::{News, Selected};
use crate::imap::mime::{self, FieldParser};
use crate::store::{MailFlag, MessageInfo};

/// Most keys of a SEARCH. The cost is the number of keys times the number of messages.
const MAX_KEYS: usize = 256;

pub(super) fn search(
    session: &mut ImapSession,
    cx: &mut Context<'_, ImapSession>,
    tag: Tag<'static>,
    selected: Rc<Selected>,
    body: CommandBody<'static>,
) {
    let CommandBody::Search {
        charset,
        criteria,
        uid,
    } = body
    else {
        return;
    };
    let is_known = |charset: &Charset<'_>| {
        let name: &str = charset.as_ref();
        ["US-ASCII", "UTF-8"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
    };
    if charset.as_ref().is_some_and(|charset| !is_known(charset)) {
        let reply = Reply::no("BADCHARSET (US-ASCII UTF-8)", "unknown charset");
        return session.reply(cx, &tag, &reply);
    }
    // Compiled once, so `*` stands for the last message at the beginning of the command.
    let (tests, count) = {
        let messages = selected.messages.borrow();
        let mut compiler = Compiler {
            last_number: last_number(&messages, false),
            last_uid: last_number(&messages, true),
            keys: 0,
        };
        let tests = compiler.all(criteria.as_ref());
        (tests, compiler.keys)
    };
    if count > MAX_KEYS {
        return session.reply(cx, &tag, &Reply::no("LIMIT", "too many keys"));
    }
    let output = Output::new(cx.connection(), cx.reactor().clone());
    // `false`: if the client hangs up, the rest is cancelled.
    session.run(cx, tag, News::WithoutExpunge, false, async move {
        run(&selected, &tests, uid, output).await?;
        Ok(Reply::ok("done"))
    });
}

async fn run(selected: &Selected, tests: &Test, by_uid: bool, mut output: Output) -> Result<()> {
    let mut found = "* SEARCH".to_owned();
    // The number of messages does not change during the waits below: see `fetch`.
    let count = selected.messages.borrow().len();
    for place in 0..count {
        let message = selected.messages.borrow()[place].clone();
        let mut subject = Subject::new(place, &message);
        // The body, which may be a file, is read only if the keys on flags, numbers and dates do not
        // decide.
        let is_match = match tests.run(&subject) {
            Some(is_match) => is_match,
            None => match maybe_deferred(|| selected.mailbox.body(message.uid)).await? {
                Some(body) => {
                    output.worked(body.len()).await?;
                    subject.body = Some(body);
                    tests.decide(&subject, &mut output).await?
                }
                // Another session has expunged it.
                None => false,
            },
        };
        // Counts the message as work even if its body was not read.
        output.worked(0).await?;
        if is_match {
            let number = match by_uid {
                true => message.uid.get(),
                false => subject.number,
            };
            // Writing to a string does not fail.
            let _ = write!(found, " {number}");
        }
    }
    // Without a match, the response is an empty SEARCH (RFC 3501, section 7.2.5).
    found.push_str("\r\n");
    output.write(found.as_bytes()).await?;
    output.flush().await
}

/// A compiled key, which can be tried on messages.
enum Test {
    All(Vec<Self>),
    Any(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Constant(bool),
    Number(NumberSet),
    Uid(NumberSet),
    Flag(MailFlag, bool),
    Recent(bool),
    Keyword(String, bool),
    Larger(u32),
    Smaller(u32),
    Date(When, NaiveDate),
    SentDate(When, NaiveDate),
    /// The name of a field, and text in lower case.
    Field(Vec<u8>, String),
    Body(String),
    Text(String),
}

#[derive(Clone, Copy)]
enum When {
    Before,
    On,
    Since,
}

impl When {
    fn holds(self, date: NaiveDate, limit: NaiveDate) -> bool {
        match self {
            Self::Before => date < limit,
            Self::On => date == limit,
            Self::Since => date >= limit,
        }
    }
}

struct Compiler {
    last_number: u32,
    last_uid: u32,
    keys: usize,
}

impl Compiler {
    fn all(&mut self, keys: &[SearchKey<'_>]) -> Test {
        Test::All(keys.iter().map(|key| self.key(key)).collect())
    }

    /// Compiles a key. The recursion is bounded, because the codec limits the depth of nested keys.
    fn key(&mut self, key: &SearchKey<'_>) -> Test {
        self.keys += 1;
        let field = |name: &str, text: &AString<'_>| Test::Field(name.into(), lower(text));
        let flag = Test::Flag;
        match key {
            SearchKey::And(keys) => self.all(keys.as_ref()),
            SearchKey::Or(a, b) => Test::Any(Box::new(self.key(a)), Box::new(self.key(b))),
            SearchKey::Not(key) => Test::Not(Box::new(self.key(key))),
            SearchKey::SequenceSet(set) => Test::Number(NumberSet::new(set, self.last_number)),
            SearchKey::Uid(set) => Test::Uid(NumberSet::new(set, self.last_uid)),
            SearchKey::All => Test::Constant(true),
            SearchKey::Old => Test::Recent(false),
            SearchKey::Recent => Test::Recent(true),
            SearchKey::New => Test::All(vec![Test::Recent(true), flag(MailFlag::Seen, false)]),
            SearchKey::Answered => flag(MailFlag::Answered, true),
            SearchKey::Deleted => flag(MailFlag::Deleted, true),
            SearchKey::Draft => flag(MailFlag::Draft, true),
            SearchKey::Flagged => flag(MailFlag::Flagged, true),
            SearchKey::Seen => flag(MailFlag::Seen, true),
            SearchKey::Unanswered => flag(MailFlag::Answered, false),
            SearchKey::Undeleted => flag(MailFlag::Deleted, false),
            SearchKey::Undraft => flag(MailFlag::Draft, false),
            SearchKey::Unflagged => flag(MailFlag::Flagged, false),
            SearchKey::Unseen => flag(MailFlag::Seen, false),
            SearchKey::Keyword(word) => Test::Keyword(word.as_ref().to_owned(), true),
            SearchKey::Unkeyword(word) => Test::Keyword(word.as_ref().to_owned(), false),
            SearchKey::Larger(size) => Test::Larger(*size),
            SearchKey::Smaller(size) => Test::Smaller(*size),
            SearchKey::Before(date) => Test::Date(When::Before, *date.as_ref()),
            SearchKey::On(date) => Test::Date(When::On, *date.as_ref()),
            SearchKey::Since(date) => Test::Date(When::Since, *date.as_ref()),
            SearchKey::SentBefore(date) => Test::SentDate(When::Before, *date.as_ref()),
            SearchKey::SentOn(date) => Test::SentDate(When::On, *date.as_ref()),
            SearchKey::SentSince(date) => Test::SentDate(When::Since, *date.as_ref()),
            SearchKey::Bcc(text) => field("bcc", text),
            SearchKey::Cc(text) => field("cc", text),
            SearchKey::From(text) => field("from", text),
            SearchKey::Subject(text) => field("subject", text),
            SearchKey::To(text) => field("to", text),
            SearchKey::Header(name, text) => Test::Field(name.as_ref().to_vec(), lower(text)),
            SearchKey::Body(text) => Test::Body(lower(text)),
            SearchKey::Text(text) => Test::Text(lower(text)),
        }
    }
}

fn lower(text: &AString<'_>) -> String {
    String::from_utf8_lossy(text.as_ref()).to_lowercase()
}

/// The message on which the keys are tried. Decoded texts are kept for further keys.
struct Subject<'a> {
    number: u32,
    message: &'a MessageInfo,
    body: Option<Bytes>,
    /// The text of the header, and that of the body.
    texts: OnceCell<(String, String)>,
    /// The parser for texts: one for all keys and parts, so that its limit applies to them together.
    parser: OnceCell<FieldParser>,
    header_end: OnceCell<usize>,
    sent_date: OnceCell<Option<NaiveDate>>,
}

impl<'a> Subject<'a> {
    fn new(place: usize, message: &'a MessageInfo) -> Self {
        Self {
            number: u32::try_from(place + 1).unwrap_or(u32::MAX),
            message,
            body: None,
            texts: OnceCell::new(),
            parser: OnceCell::new(),
            header_end: OnceCell::new(),
            sent_date: OnceCell::new(),
        }
    }

    fn header(&self) -> Option<&[u8]> {
        let body = self.body.as_ref()?;
        let end = self.header_end.get_or_init(|| mime::header_end(body));
        Some(&body[..*end])
    }

    /// The day of the field `Date`. `None` if the body was not read, `Some(None)` if there is no valid
    /// date.
    fn sent_date(&self) -> Option<Option<NaiveDate>> {
        let header = self.header()?;
        let sent = || {
            let (year, month, day) = mime::sent_date(header)?;
            NaiveDate::from_ymd_opt(year.into(), month.into(), day.into())
        };
        Some(*self.sent_date.get_or_init(sent))
    }

    fn parser(&self) -> &FieldParser {
        self.parser.get_or_init(FieldParser::of_text)
    }

    fn texts(&self) -> Option<&(String, String)> {
        let body = self.body.as_ref()?;
        let texts = || mime::texts(body, self.parser());
        Some(self.texts.get_or_init(texts))
    }
}

impl Test {
    /// Whether the message, whose body was read, matches. Lets the loop do other work between keys,
    /// because each key may search a long message.
    fn decide<'a>(
        &'a self,
        subject: &'a Subject<'_>,
        output: &'a mut Output,
    ) -> Pin<Box<dyn Future<Output = Result<bool>> + 'a>> {
        // In a box, because it calls itself. The codec limits the depth of nested keys.
        Box::pin(async move {
            Ok(match self {
                Self::All(tests) => {
                    for test in tests {
                        if !test.decide(subject, output).await? {
                            return Ok(false);
                        }
                    }
                    true
                }
                Self::Any(a, b) => {
                    a.decide(subject, output).await? || b.decide(subject, output).await?
                }
                Self::Not(test) => !test.decide(subject, output).await?,
                test => {
                    let is_match = test.run(subject).unwrap_or(false);
                    output.searched(test.cost(subject)).await?;
                    is_match
                }
            })
        })
    }

    /// Number of bytes of the message that were searched to decide.
    fn cost(&self, subject: &Subject<'_>) -> usize {
        match self {
            Self::Field(..) => subject.header().map_or(0, <[u8]>::len),
            Self::Body(_) => subject.texts().map_or(0, |(_, body)| body.len()),
            Self::Text(_) => subject
                .texts()
                .map_or(0, |(header, body)| header.len() + body.len()),
            _ => 0,
        }
    }

    /// Whether the message matches; `None` if that depends on its body, which was not read.
    fn run(&self, subject: &Subject<'_>) -> Option<bool> {
        let message = subject.message;
        Some(match self {
            // If one test fails, that decides, even if others need the body.
            Self::All(tests) => {
                let mut is_known = true;
                for test in tests {
                    match test.run(subject) {
                        Some(true) => {}
                        Some(false) => return Some(false),
                        // Does not return yet: a later test may fail without the body.
                        None => is_known = false,
                    }
                }
                return is_known.then_some(true);
            }
            Self::Any(a, b) => match (a.run(subject), b.run(subject)) {
                (Some(true), _) | (_, Some(true)) => true,
                // Neither is true; if one is not known, the body decides.
                (a, b) => a? || b?,
            },
            Self::Not(test) => !test.run(subject)?,
            Self::Constant(is_match) => *is_match,
            Self::Number(set) => set.contains(subject.number),
            Self::Uid(set) => set.contains(message.uid.get()),
            Self::Flag(flag, is_set) => message.flags.contains(*flag) == *is_set,
            Self::Recent(is_set) => message.is_recent == *is_set,
            Self::Keyword(word, is_set) => message.flags.contains_keyword(word) == *is_set,
            Self::Larger(size) => message.size > *size,
            Self::Smaller(size) => message.size < *size,
            Self::Date(when, limit) => when.holds(date_of(message.date).date_naive(), *limit),
            Self::SentDate(when, limit) => {
                let date = subject.sent_date()?;
                date.is_some_and(|date| when.holds(date, *limit))
            }
            Self::Field(name, text) => {
                let header = subject.header()?;
                let has_field = || mime::field(header, name).is_some();
                match text.is_empty() {
                    true => has_field(),
                    false => {
                        let found = mime::header_text(header, Some(name), subject.parser());
                        found.contains(text.as_str())
                    }
                }
            }
            Self::Body(text) => subject.texts()?.1.contains(text.as_str()),
            Self::Text(text) => {
                let (header, body) = subject.texts()?;
                header.contains(text.as_str()) || body.contains(text.as_str())
            }
        })
    }
}
