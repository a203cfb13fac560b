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
use crate::store::{FlagChange, MailFlag, MailFlags, MailboxName, MessageInfo, Uid};

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
            session.run(cx, tag, News::All, true, async move {
                let uids = selected.uids(&selected.places(&sequence_set, uid));
                copy(&connection, &selected, &uids, &target, !is_copy).await
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
    // The places are still valid: messages leave the list only in `Selected::news`, which runs
    // behind a command. The borrow lasts over no wait.
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

/// COPY, or MOVE, which removes what was copied.
async fn copy(
    connection: &Connection<ImapSession>,
    selected: &Selected,
    uids: &[Uid],
    target: &MailboxName,
    is_move: bool,
) -> Result<Reply> {
    let nothing = match is_move {
        true => Reply::ok("nothing to move"),
        false => Reply::ok("nothing to copy"),
    };
    if uids.is_empty() {
        return Ok(nothing);
    }
    let copied = match maybe_deferred(|| selected.mailbox.copy(uids, target)).await {
        Ok(copied) => copied,
        Err(failure) => return Ok(Reply::refusal_of_target(&failure)),
    };
    let (from, to): (Vec<Uid>, Vec<Uid>) = copied.uids.into_iter().unzip();
    if from.is_empty() {
        return Ok(nothing);
    }
    let (old, new) = (uid_set(from.iter().copied()), uid_set(to));
    let code = format!("COPYUID {} {old} {new}", copied.uid_validity);
    if !is_move {
        return Ok(Reply::ok("done").with_code(code));
    }
    // Not all of `uids`: a message that was not copied stays.
    maybe_deferred(|| selected.mailbox.expunge(&from)).await?;
    selected.is_stale.set(true);
    // Before the EXPUNGEs, so that a client can tell what they mean (RFC 6851, section 4.3). Errs
    // if the client has hung up: the messages are moved all the same.
    let _ = connection.write(format!("* OK [{code}] moved\r\n"));
    Ok(Reply::ok("done"))
}

/// Removes the messages with `\Deleted`; if there is a `set` of UIDs, only those in it.
pub(super) async fn expunge_deleted(selected: &Selected, set: Option<&SequenceSet>) -> Result<()> {
    let snapshot = maybe_deferred(|| selected.mailbox.messages()).await?;
    let last = last_number(&snapshot.messages, true);
    let set = set.map(|set| NumberSet::new(set, last));
    // By the store's flags, not by those that the client knows: another session may have changed
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
