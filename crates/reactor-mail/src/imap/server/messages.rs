//! STORE, COPY, MOVE and EXPUNGE.

use std::rc::Rc;

use deferred::{Result, maybe_deferred};
use imap_types::command::CommandBody;
use imap_types::core::Tag;
use imap_types::flag::{StoreResponse, StoreType};
use imap_types::sequence::SequenceSet;
use reactor::{Connection, Context};

use super::imap_reply::Reply;
use super::sequence::{NumberSet, last_number};
use super::session::ImapSession;
use super::text::{flags_of, name_of, uid_set};
use super::view::{News, Selected, flags_response};
use crate::store::{
    Account, CopiedMessages, FlagChange, MailFlag, MailFlags, MailboxName, MessageInfo, Uid,
    take_back,
};

pub(super) fn command(
    session: &mut ImapSession,
    cx: &mut Context<'_, ImapSession>,
    tag: Tag<'static>,
    selected: Rc<Selected>,
    body: CommandBody<'static>,
) {
    let connection = cx.connection();
    let is_copy = matches!(body, CommandBody::Copy { .. });
    if selected.is_read_only && !is_copy {
        return session.reply(cx, &tag, &Reply::no("READ-ONLY", "opened with EXAMINE"));
    }
    // `is_owned` is `true` for all of these: they change a mailbox, so they are finished even if the
    // client hangs up.
    match body {
        CommandBody::Store {
            sequence_set,
            kind,
            response,
            flags,
            uid,
            ..
        } => {
            let Some(flags) = flags_of(&flags) else {
                return session.reply(cx, &tag, &Reply::no("LIMIT", "too many keywords"));
            };
            let change = match kind {
                StoreType::Add => FlagChange::Add,
                StoreType::Remove => FlagChange::Remove,
                StoreType::Replace => FlagChange::Replace,
            };
            let is_silent = response == StoreResponse::Silent;
            session.run(cx, tag, News::WithoutExpunge, true, async move {
                let places = selected.places(&sequence_set, uid);
                store(&connection, &selected, &places, change, &flags, is_silent).await
            });
        }
        CommandBody::Copy {
            sequence_set,
            mailbox,
            uid,
        }
        | CommandBody::Move {
            sequence_set,
            mailbox,
            uid,
        } => {
            let Some(target) = name_of(&mailbox) else {
                return session.reply(cx, &tag, &Reply::no("CANNOT", "not a name"));
            };
            let account = session.account.clone();
            session.run(cx, tag, News::All, true, async move {
                let uids = selected.uids(&selected.places(&sequence_set, uid));
                let nothing = match is_copy {
                    true => Reply::ok("nothing to copy"),
                    false => Reply::ok("nothing to move"),
                };
                if uids.is_empty() {
                    return Ok(nothing);
                }
                let copied = match maybe_deferred(|| selected.mailbox.copy(&uids, &target)).await {
                    Ok(copied) => copied,
                    Err(failure) => return Ok(Reply::refusal_of_target(&failure)),
                };
                if copied.uids.is_empty() {
                    return Ok(nothing);
                }
                match account.filter(|_| !is_copy) {
                    None => Ok(Reply::ok("done").with_code(copy_uid(&copied))),
                    Some(account) => {
                        finish_move(&connection, &selected, &*account, &target, copied).await
                    }
                }
            });
        }
        CommandBody::Expunge => session.run(cx, tag, News::All, true, async move {
            expunge_deleted(&selected, None).await?;
            Ok(Reply::ok("done"))
        }),
        CommandBody::ExpungeUid { sequence_set } => {
            session.run(cx, tag, News::All, true, async move {
                expunge_deleted(&selected, Some(&sequence_set)).await?;
                Ok(Reply::ok("done"))
            });
        }
        _ => session.reply(cx, &tag, &Reply::bad("unknown command")),
    }
}

async fn store(
    connection: &Connection<ImapSession>,
    selected: &Selected,
    places: &[usize],
    change: FlagChange,
    flags: &MailFlags,
    is_silent: bool,
) -> Result<Reply> {
    let uids = selected.uids(places);
    if uids.is_empty() {
        return Ok(Reply::ok("done"));
    }
    maybe_deferred(|| selected.mailbox.change_flags(&uids, change, flags)).await?;
    let snapshot = maybe_deferred(|| selected.mailbox.messages()).await?;
    let mut text = String::new();
    let mut is_missing = false;
    // The places are still valid: messages leave the list only in `Selected::news`, which runs after
    // the body of a command. The borrow ends before the next `await`.
    let mut messages = selected.messages.borrow_mut();
    for &place in places {
        let message = &mut messages[place];
        let Some(now) = find(&snapshot.messages, message.uid) else {
            is_missing = true;
            continue;
        };
        let mut expected = message.flags.clone();
        expected.change(change, flags);
        if !is_silent {
            message.flags.clone_from(&now.flags);
            text.push_str(&flags_response(place, message));
        } else if now.flags == expected {
            // With `.SILENT`, the client computes the new flags itself. If another session has
            // changed them as well, `message.flags` stays, and the next news has a FETCH with all
            // of them.
            message.flags = expected;
        }
    }
    drop(messages);
    selected.is_stale.set(true);
    connection.write(text)?;
    Ok(match is_missing {
        true => Reply::no("EXPUNGEISSUED", "some messages are gone"),
        false => Reply::ok("done"),
    })
}

fn find(messages: &[MessageInfo], uid: Uid) -> Option<&MessageInfo> {
    let place = messages.binary_search_by_key(&uid, |message| message.uid);
    place.ok().map(|place| &messages[place])
}

/// The response code with the UIDs of messages and their copies (UIDPLUS).
fn copy_uid(copied: &CopiedMessages) -> String {
    let from = uid_set(copied.uids.iter().map(|(from, _)| *from));
    let to = uid_set(copied.uids.iter().map(|(_, to)| *to));
    format!("COPYUID {} {from} {to}", copied.uid_validity)
}

/// MOVE: removes the messages that were copied. If the store fails in the middle, each message is in
/// only one of the two mailboxes afterwards (RFC 6851, section 3.3), unless taking back copies fails.
async fn finish_move(
    connection: &Connection<ImapSession>,
    selected: &Selected,
    account: &dyn Account,
    target: &MailboxName,
    mut copied: CopiedMessages,
) -> Result<Reply> {
    // Only the messages that were copied: the others stay.
    let from: Vec<Uid> = copied.uids.iter().map(|(from, _)| *from).collect();
    let removed = maybe_deferred(|| selected.mailbox.expunge(&from)).await;
    selected.is_stale.set(true);
    if removed.is_err() {
        take_back(&*selected.mailbox, account, target, &mut copied).await;
    }
    if !copied.uids.is_empty() {
        // Before the EXPUNGEs, so that the client knows that these messages were moved (RFC 6851,
        // section 4.3). Errs if the client has hung up: the messages are moved all the same.
        let _ = connection.write(format!("* OK [{}] moved\r\n", copy_uid(&copied)));
    }
    removed.map(|()| Reply::ok("done"))
}

/// Removes the messages with `\Deleted`; if there is a `set` of UIDs, only those in it.
pub(super) async fn expunge_deleted(selected: &Selected, set: Option<&SequenceSet>) -> Result<()> {
    let snapshot = maybe_deferred(|| selected.mailbox.messages()).await?;
    let last = last_number(&snapshot.messages, true);
    let set = set.map(|set| NumberSet::new(set, last));
    // The flags in the store count, not those that the client knows: another session may have changed
    // them.
    let is_meant = |message: &&MessageInfo| {
        let is_in_set = set
            .as_ref()
            .is_none_or(|set| set.contains(message.uid.get()));
        is_in_set && message.flags.contains(MailFlag::Deleted)
    };
    let meant = snapshot.messages.iter().filter(is_meant);
    let uids: Vec<Uid> = meant.map(|message| message.uid).collect();
    if !uids.is_empty() {
        maybe_deferred(|| selected.mailbox.expunge(&uids)).await?;
        selected.is_stale.set(true);
    }
    Ok(())
}
