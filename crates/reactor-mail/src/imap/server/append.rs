//! APPEND.

use std::rc::Rc;

use bytes::Bytes;
use deferred::maybe_deferred;
use imap_types::command::CommandBody;
use imap_types::core::Tag;
use imap_types::extensions::binary::LiteralOrLiteral8;
use reactor::Context;

use super::imap_reply::Reply;
use super::session::ImapSession;
use super::text::{flags_of, name_of, time_of};
use super::view::News;
use crate::store::{Account, NewMessage};

pub(super) fn append(
    session: &mut ImapSession,
    cx: &mut Context<'_, ImapSession>,
    tag: Tag<'static>,
    account: Rc<dyn Account>,
    body: CommandBody<'static>,
) {
    let CommandBody::Append {
        mailbox,
        flags,
        date,
        message: LiteralOrLiteral8::Literal(message),
    } = body
    else {
        return session.reply(cx, &tag, &Reply::no("UNKNOWN-CTE", "no binary messages"));
    };
    let Some(name) = name_of(&mailbox) else {
        return session.reply(cx, &tag, &Reply::no("CANNOT", "not a name"));
    };
    let Some(flags) = flags_of(&flags) else {
        return session.reply(cx, &tag, &Reply::no("LIMIT", "too many keywords"));
    };
    let body = message.into_inner().into_owned();
    if body.is_empty() {
        return session.reply(cx, &tag, &Reply::no("CANNOT", "an empty message"));
    }
    let size = u32::try_from(body.len()).ok();
    if size.is_none_or(|size| size > session.settings.max_size) {
        return session.reply(cx, &tag, &Reply::no("TOOBIG", "the message is too large"));
    }
    let mut message = NewMessage::new(Bytes::from(body));
    message.flags = flags;
    message.date = date.map(|date| time_of(date.as_ref()));
    // `true`: the command is finished even if the client hangs up.
    session.run(cx, tag, News::All, true, async move {
        // A failure to open is handled apart from the others, because only here TRYCREATE helps the
        // client.
        let opened = maybe_deferred(|| account.open(&name)).await;
        let mailbox = match opened {
            Ok(mailbox) => mailbox,
            Err(failure) => return Ok(Reply::refusal_of_target(&failure)),
        };
        let uid = maybe_deferred(|| mailbox.append(message)).await?;
        let code = format!("APPENDUID {} {uid}", mailbox.uid_validity());
        Ok(Reply::ok("done").with_code(code))
    });
}
