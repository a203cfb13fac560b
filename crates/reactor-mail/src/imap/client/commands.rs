//! The commands of an `ImapClient`.

use std::num::NonZeroU32;

use deferred::{Deferred, Outcome};
use imap_types::command::CommandBody;
use imap_types::core::{Charset, Literal, Vec1};
use imap_types::datetime::DateTime;
use imap_types::extensions::binary::LiteralOrLiteral8;
use imap_types::fetch::{MacroOrMessageDataItemNames, MessageDataItemName};
use imap_types::flag::{Flag, StoreResponse, StoreType};
use imap_types::mailbox::ListMailbox;
use imap_types::response::Code;
use imap_types::search::SearchKey;
use imap_types::status::{StatusDataItem, StatusDataItemName};

use super::super::mailbox_name;
use super::collected::Collected;
use super::error::ImapError;
use super::fetch::{Each, FetchHandler};
use super::handle::{ImapClient, code, mailbox};
use super::mailbox::{ImapListed, ImapMailbox};
use super::message::ImapMessage;
use super::messages::ImapMessages;
use super::request::Answered;

/// Login and state of the session.
impl ImapClient {
    /// Logs in by LOGIN. If the server forbids that (`LOGINDISABLED`), nothing is sent.
    pub fn login(&self, name: &str, password: &str) -> Deferred<()> {
        let what = "the name or password";
        let body = CommandBody::login(name, password);
        let body = body.map_err(|_| ImapError::InvalidArgument { what });
        self.simple(body)
    }

    /// Logs in by AUTHENTICATE PLAIN (RFC 4616), which takes names and passwords in UTF-8.
    pub fn authenticate_plain(&self, name: &str, password: &str) -> Deferred<()> {
        // A NUL separates the fields of PLAIN: a name with one could log in as another user.
        if name.contains('\0') || password.contains('\0') {
            let what = "the name or password";
            return deferred::fail(ImapError::InvalidArgument { what });
        }
        self.authenticate_with(format!("\0{name}\0{password}").as_bytes())
    }

    /// Asks for the capabilities of the server. Their names are in capitals, such as `IDLE` or
    /// `AUTH=PLAIN`.
    pub fn capability(&self) -> Deferred<Vec<String>> {
        let collected = Collected::Capabilities(Vec::new());
        self.send(
            Ok(CommandBody::Capability),
            collected,
            |answer| match answer.0 {
                Collected::Capabilities(capabilities) => capabilities,
                _ => Vec::new(),
            },
        )
    }

    /// Sends a NOOP, so that the server can report events, such as new messages, before its answer.
    pub fn noop(&self) -> Deferred<()> {
        self.simple(Ok(CommandBody::Noop))
    }
}

/// Mailboxes.
impl ImapClient {
    /// Selects a mailbox. From then on, the commands on messages refer to its messages.
    pub fn select(&self, name: &str) -> Deferred<ImapMailbox> {
        self.open(mailbox(name).map(|mailbox| CommandBody::Select { mailbox }))
    }

    /// Selects a mailbox for reading only.
    pub fn examine(&self, name: &str) -> Deferred<ImapMailbox> {
        self.open(mailbox(name).map(|mailbox| CommandBody::Examine { mailbox }))
    }

    fn open(&self, body: Result<CommandBody<'_>, ImapError>) -> Deferred<ImapMailbox> {
        let collected = Collected::Mailbox(Box::default());
        self.send(body, collected, |(collected, code)| {
            let Collected::Mailbox(mut mailbox) = collected else {
                return ImapMailbox::default();
            };
            // READ-ONLY or READ-WRITE come in the answer itself (RFC 3501, section 6.3.1), the
            // other codes before it.
            if let Some(code) = code {
                mailbox.take_code(&code);
            }
            *mailbox
        })
    }

    /// Leaves the selected mailbox, and expunges the messages in it that are marked as deleted.
    pub fn close(&self) -> Deferred<()> {
        self.simple(Ok(CommandBody::Close))
    }

    /// Lists the mailboxes whose names match `pattern`. In it, `*` matches any text, and `%` any
    /// text without the delimiter between levels. `reference` is put before the pattern; pass `""`,
    /// except for the rare servers that give it another meaning.
    pub fn list(&self, reference: &str, pattern: &str) -> Deferred<Vec<ImapListed>> {
        let body = list_arguments(reference, pattern).map(|(reference, mailbox_wildcard)| {
            CommandBody::List {
                reference,
                mailbox_wildcard,
            }
        });
        self.listed(body)
    }

    /// As [`list`](Self::list), but lists only the mailboxes that the user has subscribed to.
    pub fn lsub(&self, reference: &str, pattern: &str) -> Deferred<Vec<ImapListed>> {
        let body = list_arguments(reference, pattern).map(|(reference, mailbox_wildcard)| {
            CommandBody::Lsub {
                reference,
                mailbox_wildcard,
            }
        });
        self.listed(body)
    }

    fn listed(&self, body: Result<CommandBody<'_>, ImapError>) -> Deferred<Vec<ImapListed>> {
        self.send(body, Collected::List(Vec::new()), |answer| match answer.0 {
            Collected::List(list) => list,
            _ => Vec::new(),
        })
    }

    /// Asks for `items` of a mailbox, such as the number of its messages, without selecting it.
    pub fn status(
        &self,
        name: &str,
        items: impl Into<Vec<StatusDataItemName>>,
    ) -> Deferred<Vec<StatusDataItem>> {
        let items = items.into();
        let body = mailbox(name).map(|mailbox| CommandBody::Status {
            mailbox,
            item_names: items.into(),
        });
        self.send(body, Collected::Status(Vec::new()), |answer| {
            match answer.0 {
                Collected::Status(status) => status,
                _ => Vec::new(),
            }
        })
    }

    /// Creates a mailbox.
    pub fn create(&self, name: &str) -> Deferred<()> {
        self.simple(mailbox(name).map(|mailbox| CommandBody::Create { mailbox }))
    }

    /// Deletes a mailbox with its messages.
    pub fn delete(&self, name: &str) -> Deferred<()> {
        self.simple(mailbox(name).map(|mailbox| CommandBody::Delete { mailbox }))
    }

    /// Renames a mailbox.
    pub fn rename(&self, from: &str, to: &str) -> Deferred<()> {
        let names = mailbox(from).and_then(|from| Ok((from, mailbox(to)?)));
        self.simple(names.map(|(from, to)| CommandBody::Rename { from, to }))
    }

    /// Adds a mailbox to those that [`lsub`](Self::lsub) lists.
    pub fn subscribe(&self, name: &str) -> Deferred<()> {
        self.simple(mailbox(name).map(|mailbox| CommandBody::Subscribe { mailbox }))
    }

    /// Removes a mailbox from those that [`lsub`](Self::lsub) lists.
    pub fn unsubscribe(&self, name: &str) -> Deferred<()> {
        self.simple(mailbox(name).map(|mailbox| CommandBody::Unsubscribe { mailbox }))
    }

    /// Adds a message to a mailbox. The Deferred gives `Code::AppendUid` if the server reports the
    /// unique identifier of the message there (UIDPLUS).
    ///
    /// Once a part of the command was sent, a cancel does not stop the rest: it only drops the answer.
    pub fn append(
        &self,
        name: &str,
        flags: impl Into<Vec<Flag<'static>>>,
        date: impl Into<Option<DateTime>>,
        message: impl Into<Vec<u8>>,
    ) -> Deferred<Option<Code<'static>>> {
        let what = "the message";
        let message = Literal::try_from(message.into());
        let message = message.map_err(|_| ImapError::InvalidArgument { what });
        let body = mailbox(name).and_then(|mailbox| {
            Ok(CommandBody::Append {
                mailbox,
                flags: flags.into(),
                date: date.into(),
                message: LiteralOrLiteral8::Literal(message?),
            })
        });
        self.send(body, Collected::Nothing, code)
    }
}

/// Messages of the selected mailbox.
impl ImapClient {
    /// Finds the messages that match all of `keys`. The Deferred gives their unique identifiers.
    pub fn search(&self, keys: impl Into<Vec<SearchKey<'static>>>) -> Deferred<Vec<NonZeroU32>> {
        let what = "an empty search";
        let keys = Vec1::try_from(keys.into());
        let body = keys.map_err(|_| ImapError::InvalidArgument { what });
        let body = body.map(|keys| {
            let is_ascii = keys.as_ref().iter().all(has_ascii_text);
            let charset = (!is_ascii).then(|| Charset::try_from("UTF-8").ok());
            CommandBody::search(charset.flatten(), keys, true)
        });
        self.send(body, Collected::Search(Vec::new()), |answer| {
            match answer.0 {
                Collected::Search(found) => found,
                _ => Vec::new(),
            }
        })
    }

    /// Fetches items of messages, and collects them. If they have more than 64 MiB in all, this fails
    /// with [`ImapError::TooLong`]; use [`fetch_each`](Self::fetch_each) or
    /// [`fetch_streamed`](Self::fetch_streamed) for so many.
    pub fn fetch(
        &self,
        messages: ImapMessages,
        items: impl Into<MacroOrMessageDataItemNames<'static>>,
    ) -> Deferred<Vec<ImapMessage>> {
        let items = items.into();
        let names = names(&items);
        let collected = Collected::Messages {
            names,
            messages: Vec::new(),
        };
        self.send(fetch(messages, items), collected, messages_of)
    }

    /// Fetches items of messages, and calls `handler` with each message when it has arrived. If
    /// `handler` returns a Deferred, nothing more is read until it fires.
    pub fn fetch_each<F, O>(
        &self,
        messages: ImapMessages,
        items: impl Into<MacroOrMessageDataItemNames<'static>>,
        handler: F,
    ) -> Deferred<()>
    where
        F: FnMut(ImapMessage) -> O + 'static,
        O: Outcome<Value = ()>,
    {
        let items = items.into();
        let collected = Collected::Handed {
            names: names(&items),
            handler: Box::new(Each(handler)),
            streams: false,
        };
        self.send(fetch(messages, items), collected, drop)
    }

    /// Fetches items of messages. `handler` gets the bodies piece by piece, so that they need not fit
    /// in memory.
    pub fn fetch_streamed(
        &self,
        messages: ImapMessages,
        items: impl Into<MacroOrMessageDataItemNames<'static>>,
        handler: impl FetchHandler,
    ) -> Deferred<()> {
        let items = items.into();
        let collected = Collected::Handed {
            names: names(&items),
            handler: Box::new(handler),
            streams: true,
        };
        self.send(fetch(messages, items), collected, drop)
    }

    /// Changes the flags of messages. The Deferred gives the messages with their new flags.
    pub fn store(
        &self,
        messages: ImapMessages,
        kind: StoreType,
        flags: impl Into<Vec<Flag<'static>>>,
    ) -> Deferred<Vec<ImapMessage>> {
        let uid = messages.is_uid;
        let flags = flags.into();
        let body = messages.set().map(|sequence_set| CommandBody::Store {
            sequence_set,
            kind,
            response: StoreResponse::Answer,
            flags,
            uid,
        });
        let collected = Collected::Messages {
            names: vec![MessageDataItemName::Flags],
            messages: Vec::new(),
        };
        self.send(body, collected, messages_of)
    }

    /// Copies messages to another mailbox. The Deferred gives `Code::CopyUid` if the server reports the
    /// unique identifiers of the copies (UIDPLUS).
    pub fn copy(&self, messages: ImapMessages, to: &str) -> Deferred<Option<Code<'static>>> {
        let uid = messages.is_uid;
        let body = messages.set().and_then(|sequence_set| {
            Ok(CommandBody::Copy {
                sequence_set,
                mailbox: mailbox(to)?,
                uid,
            })
        });
        self.send(body, Collected::Code(None), code)
    }

    /// Moves messages to another mailbox (RFC 6851). The Deferred gives the same code as that of
    /// [`copy`](Self::copy).
    pub fn move_to(&self, messages: ImapMessages, to: &str) -> Deferred<Option<Code<'static>>> {
        let uid = messages.is_uid;
        let body = messages.set().and_then(|sequence_set| {
            Ok(CommandBody::Move {
                sequence_set,
                mailbox: mailbox(to)?,
                uid,
            })
        });
        self.send(body, Collected::Code(None), code)
    }

    /// Removes all messages that are marked as deleted.
    pub fn expunge(&self) -> Deferred<()> {
        self.simple(Ok(CommandBody::Expunge))
    }

    /// Removes those of `messages` that are marked as deleted (UIDPLUS). `messages` must name them by
    /// unique identifiers.
    pub fn expunge_only(&self, messages: ImapMessages) -> Deferred<()> {
        let what = "numbers of messages to expunge";
        let body = match messages.is_uid {
            true => messages.set(),
            false => Err(ImapError::InvalidArgument { what }),
        };
        let body = body.map(|sequence_set| CommandBody::ExpungeUid { sequence_set });
        self.simple(body)
    }
}

fn messages_of((collected, _): Answered) -> Vec<ImapMessage> {
    match collected {
        Collected::Messages { messages, .. } => messages,
        _ => Vec::new(),
    }
}

fn fetch(
    messages: ImapMessages,
    items: MacroOrMessageDataItemNames<'static>,
) -> Result<CommandBody<'static>, ImapError> {
    let uid = messages.is_uid;
    messages.set().map(|sequence_set| CommandBody::Fetch {
        sequence_set,
        macro_or_item_names: items,
        uid,
    })
}

fn names(items: &MacroOrMessageDataItemNames<'static>) -> Vec<MessageDataItemName<'static>> {
    use imap_types::IntoStatic;
    match items {
        MacroOrMessageDataItemNames::Macro(names) => names.expand().into_static(),
        MacroOrMessageDataItemNames::MessageDataItemNames(names) => names.clone(),
    }
}

fn list_arguments<'a>(
    reference: &str,
    pattern: &str,
) -> Result<(imap_types::mailbox::Mailbox<'a>, ListMailbox<'a>), ImapError> {
    let what = "the pattern";
    let pattern = ListMailbox::try_from(mailbox_name::encode(pattern));
    let pattern = pattern.map_err(|_| ImapError::InvalidArgument { what })?;
    Ok((mailbox(reference)?, pattern))
}

/// Whether all text in `key` is ASCII, so that the search needs no `CHARSET`.
fn has_ascii_text(key: &SearchKey<'_>) -> bool {
    match key {
        SearchKey::And(keys) => keys.as_ref().iter().all(has_ascii_text),
        SearchKey::Not(key) => has_ascii_text(key),
        SearchKey::Or(one, other) => has_ascii_text(one) && has_ascii_text(other),
        SearchKey::Bcc(text)
        | SearchKey::Body(text)
        | SearchKey::Cc(text)
        | SearchKey::From(text)
        | SearchKey::Header(_, text)
        | SearchKey::Subject(text)
        | SearchKey::Text(text)
        | SearchKey::To(text) => text.as_ref().is_ascii(),
        _ => true,
    }
}
