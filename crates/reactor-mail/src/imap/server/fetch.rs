//! FETCH: writes messages and their parts, one message after the other, as fast as the client
//! reads.
//!
//! The codec does not get the bodies, which would copy them: it encodes an empty literal for each,
//! and `Fetch::write` sends the bytes of the body in its place.

use std::cell::OnceCell;
use std::num::NonZeroU32;
use std::rc::Rc;

use bytes::Bytes;
use deferred::{Deferred, Result, maybe_deferred};
use imap_codec::ResponseCodec;
use imap_codec::encode::{Encoder, Fragment};
use imap_types::IntoStatic;
use imap_types::command::CommandBody;
use imap_types::core::{AString, IString, Literal, NString, Tag, Vec1};
use imap_types::datetime::DateTime;
use imap_types::fetch::{MacroOrMessageDataItemNames, MessageDataItem, MessageDataItemName};
use imap_types::flag::{Flag, FlagFetch};
use imap_types::response::{Data, Response};
use reactor::Context;

use super::imap_reply::Reply;
use super::output::Output;
use super::session::ImapSession;
use super::text::{date_of, imap_flags};
use super::view::{News, Selected};
use crate::imap::mime::{self, FieldParser, Section, section};
use crate::store::{FlagChange, MailFlag, MailFlags, MessageInfo};

/// Most items of a FETCH. The cost is the number of items times the number of messages.
const MAX_ITEMS: usize = 256;

pub(super) fn fetch(
    session: &mut ImapSession,
    cx: &mut Context<'_, ImapSession>,
    tag: Tag<'static>,
    selected: Rc<Selected>,
    body: CommandBody<'static>,
) {
    let CommandBody::Fetch {
        sequence_set,
        macro_or_item_names,
        uid,
        ..
    } = body
    else {
        return;
    };
    let mut items = match macro_or_item_names {
        MacroOrMessageDataItemNames::Macro(of) => {
            let items = of.expand().into_iter();
            items.map(IntoStatic::into_static).collect()
        }
        MacroOrMessageDataItemNames::MessageDataItemNames(items) => items,
    };
    if items.len() > MAX_ITEMS {
        return session.reply(cx, &tag, &Reply::no("LIMIT", "too many items"));
    }
    let is_known = |item: &Item| !matches!(item, Item::Binary { .. } | Item::BinarySize { .. });
    if !items.iter().all(is_known) {
        return session.reply(cx, &tag, &Reply::bad("BINARY is not offered"));
    }
    // The responses to UID FETCH have the UID, even if the client does not name it (RFC 3501,
    // section 6.4.8).
    if uid && !items.contains(&Item::Uid) {
        items.insert(0, Item::Uid);
    }
    items.iter_mut().for_each(own_names);
    let output = Output::new(cx.connection(), cx.reactor().clone());
    // `false`: if the client hangs up, the rest is cancelled.
    session.run(cx, tag, News::WithoutExpunge, false, async move {
        // The places stay valid during the waits below: messages leave the list only in
        // `Selected::news`, which runs after the body of a command.
        let places = selected.places(&sequence_set, uid);
        Fetch {
            selected,
            items,
            output,
        }
        .run(places)
        .await
    });
}

type Item = MessageDataItemName<'static>;

struct Fetch {
    selected: Rc<Selected>,
    items: Vec<Item>,
    output: Output,
}

impl Fetch {
    /// Writes the responses for the messages at `places`: indices into `selected.messages`.
    async fn run(mut self, places: Vec<usize>) -> Result<Reply> {
        let fetched = self.messages(places).await;
        // Also after a failure, so that the reply follows a complete response.
        self.output.flush().await?;
        fetched
    }

    async fn messages(&mut self, places: Vec<usize>) -> Result<Reply> {
        if !self.selected.is_read_only && self.items.iter().any(marks_as_seen) {
            self.mark_as_seen(&places).await?;
        }
        // Flags and sizes are in the list, so a client that asks only for these opens no files.
        let needs_body = self.items.iter().any(needs_body);
        let mut is_missing = false;
        for place in places {
            // Cloned: no borrow may last over a wait.
            let message = self.selected.messages.borrow()[place].clone();
            let body = if needs_body {
                let mailbox = &self.selected.mailbox;
                match maybe_deferred(|| mailbox.body(message.uid)).await? {
                    Some(body) => body,
                    // Another session has expunged the message. This client learns that later, and
                    // gets the other messages now (RFC 2180, section 4.1.2).
                    None => {
                        is_missing = true;
                        continue;
                    }
                }
            } else {
                Bytes::new()
            };
            self.output.worked(0).await?;
            self.write(place, &message, &body).await?;
        }
        Ok(match is_missing {
            true => Reply::no("EXPUNGEISSUED", "some messages are gone"),
            false => Reply::ok("done"),
        })
    }

    /// Sets `\Seen` on the messages, as items without `PEEK` demand. If that changes the flags of any
    /// message, FLAGS is added to the responses, so that the client learns of it.
    async fn mark_as_seen(&mut self, places: &[usize]) -> Result<()> {
        let unseen: Vec<usize> = {
            let messages = self.selected.messages.borrow();
            let is_unseen = |place: &usize| !messages[*place].flags.contains(MailFlag::Seen);
            places.iter().copied().filter(is_unseen).collect()
        };
        if unseen.is_empty() {
            return Ok(());
        }
        let uids = self.selected.uids(&unseen);
        let seen = MailFlags::from_iter([MailFlag::Seen]);
        let mailbox = &self.selected.mailbox;
        let changed = maybe_deferred(|| mailbox.change_flags(&uids, FlagChange::Add, &seen));
        // Waits for another Deferred, chained to `changed`: if the client hangs up, that one is
        // cancelled, and the change of the mailbox goes on.
        let (trigger, done) = Deferred::pair();
        changed.chain_deferred(trigger).ignore();
        done.await?;
        let mut messages = self.selected.messages.borrow_mut();
        // The client learns of the change by the item FLAGS, so it must not count as news after the
        // command.
        for place in unseen {
            messages[place].flags.insert(MailFlag::Seen);
        }
        if !self.items.contains(&Item::Flags) {
            self.items.push(Item::Flags);
        }
        Ok(())
    }

    /// Writes the FETCH response of one message.
    async fn write(&mut self, place: usize, message: &MessageInfo, body: &Bytes) -> Result<()> {
        let mut response = Builder {
            message,
            body,
            bodies: Vec::new(),
            fields: FieldParser::new(),
            parsed: OnceCell::new(),
        };
        let mut items = Vec::with_capacity(self.items.len());
        for item in &self.items {
            if needs_body(item) {
                self.output.worked(body.len()).await?;
            }
            items.push(response.item(item));
        }
        let mut bodies = response.bodies.into_iter();
        let number = u32::try_from(place + 1).unwrap_or(u32::MAX);
        let (Some(seq), Ok(items)) = (NonZeroU32::new(number), Vec1::try_from(items)) else {
            // There are no items: the codec accepts `FETCH 1 ()`, which gets no response. The number
            // is never 0.
            return Ok(());
        };
        let response = Response::Data(Data::Fetch { seq, items });
        let mut fragments = ResponseCodec::default().encode(&response).peekable();
        while let Some(fragment) = fragments.next() {
            let (Fragment::Line { data } | Fragment::Literal { data, .. }) = fragment;
            // An empty literal stands for the next body: `own_names` leaves no other one.
            let is_body =
                |next: &Fragment| matches!(next, Fragment::Literal { data, .. } if data.is_empty());
            if fragments.next_if(is_body).is_none() {
                self.output.write(&data).await?;
                continue;
            }
            let body = bodies.next().unwrap_or_default();
            let announced = data.strip_suffix(b"{0}\r\n").unwrap_or(&data);
            let length = format!("{{{}}}\r\n", body.len());
            self.output.write(announced).await?;
            self.output.write(length.as_bytes()).await?;
            self.output.write_body(&body).await?;
        }
        Ok(())
    }
}

/// Encodes anew the names of fields that the client has sent as literals. Such a literal could not be
/// sent back: only clients may send `{4+}`, and an empty literal stands for a body here.
fn own_names(item: &mut Item) {
    let Item::BodyExt {
        section: Some(Section::HeaderFields(_, names) | Section::HeaderFieldsNot(_, names)),
        ..
    } = item
    else {
        return;
    };
    let own = |name: &AString<'static>| match name {
        AString::String(IString::Literal(text)) => {
            // Fails only for a NUL, which a literal cannot have.
            AString::try_from(text.as_ref().to_vec()).unwrap_or_else(|_| name.clone())
        }
        _ => name.clone(),
    };
    *names = Vec1::unvalidated(names.as_ref().iter().map(own).collect());
}

fn marks_as_seen(item: &Item) -> bool {
    matches!(
        item,
        Item::BodyExt { peek: false, .. } | Item::Rfc822 | Item::Rfc822Text
    )
}

/// Whether the item is read from the message itself. The others are in its `MessageInfo`, so that a
/// FETCH of flags reads no files.
fn needs_body(item: &Item) -> bool {
    !matches!(
        item,
        Item::Flags | Item::InternalDate | Item::Rfc822Size | Item::Uid
    )
}

/// The items of one message.
struct Builder<'a> {
    message: &'a MessageInfo,
    body: &'a Bytes,
    /// The bodies that empty literals stand for, in order.
    bodies: Vec<Bytes>,
    /// The parser for envelopes: one for all, so that its limit applies to them together.
    fields: FieldParser,
    /// The parts, and the parser that was used to find them; made when first needed.
    parsed: OnceCell<(mime::MimePart, FieldParser)>,
}

impl Builder<'_> {
    fn item(&mut self, item: &Item) -> MessageDataItem<'static> {
        match item {
            Item::Flags => {
                let flags = imap_flags(&self.message.flags).map(Flag::into_static);
                let recent = self.message.is_recent.then_some(FlagFetch::Recent);
                MessageDataItem::Flags(flags.map(FlagFetch::Flag).chain(recent).collect())
            }
            Item::InternalDate => {
                let date = DateTime::try_from(date_of(self.message.date));
                // Fails outside of the years 0 to 9999, which IMAP cannot represent.
                let epoch = || DateTime::unvalidated(date_of(std::time::SystemTime::UNIX_EPOCH));
                MessageDataItem::InternalDate(date.unwrap_or_else(|_| epoch()))
            }
            Item::Rfc822Size => MessageDataItem::Rfc822Size(self.message.size),
            Item::Uid => MessageDataItem::Uid(self.message.uid),
            Item::Envelope => {
                let header = &self.body[..mime::header_end(self.body)];
                MessageDataItem::Envelope(mime::envelope(header, &self.fields))
            }
            Item::Body => MessageDataItem::Body(self.structure(false)),
            Item::BodyStructure => MessageDataItem::BodyStructure(self.structure(true)),
            Item::Rfc822 => MessageDataItem::Rfc822(self.literal(None, None)),
            Item::Rfc822Header => {
                let header = Section::Header(None);
                MessageDataItem::Rfc822Header(self.literal(Some(&header), None))
            }
            Item::Rfc822Text => {
                let text = Section::Text(None);
                MessageDataItem::Rfc822Text(self.literal(Some(&text), None))
            }
            Item::BodyExt {
                section, partial, ..
            } => MessageDataItem::BodyExt {
                data: self.literal(section.as_ref(), *partial),
                section: section.clone(),
                origin: partial.map(|(origin, _)| origin),
            },
            // Not reached: `fetch` refuses these.
            Item::Binary { .. } | Item::BinarySize { .. } => MessageDataItem::Uid(self.message.uid),
        }
    }

    fn parsed(&self) -> &(mime::MimePart, FieldParser) {
        self.parsed.get_or_init(|| {
            let parser = FieldParser::new();
            (mime::parse(self.body, &parser), parser)
        })
    }

    fn structure(&self, is_extended: bool) -> imap_types::body::BodyStructure<'static> {
        let (part, parser) = self.parsed();
        mime::structure(self.body, part, parser, is_extended)
    }

    /// Pushes the bytes of the section to `bodies`, and returns an empty literal in their place; NIL
    /// if there is no such section. `partial` is the offset of the first byte and the most bytes that
    /// the client asks for.
    fn literal(
        &mut self,
        wanted: Option<&Section<'_>>,
        partial: Option<(u32, NonZeroU32)>,
    ) -> NString<'static> {
        let Some(mut bytes) = section(self.body, wanted, || &self.parsed().0) else {
            return NString(None);
        };
        if let Some((origin, length)) = partial {
            let at = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
            let start = at(origin).min(bytes.len());
            let end = start.saturating_add(at(length.get())).min(bytes.len());
            bytes = bytes.slice(start..end);
        }
        self.bodies.push(bytes);
        NString(Some(IString::Literal(Literal::unvalidated(b""))))
    }
}
