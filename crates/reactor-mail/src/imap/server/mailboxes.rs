//! The commands that name a mailbox, without opening it: CREATE, DELETE, RENAME, SUBSCRIBE,
//! UNSUBSCRIBE, LIST, LSUB, STATUS; and NAMESPACE.

use std::borrow::Cow;
use std::rc::Rc;

use deferred::{Result, maybe_deferred};
use imap_types::command::CommandBody;
use imap_types::core::{QuotedChar, Tag};
use imap_types::flag::FlagNameAttribute;
use imap_types::mailbox::{ListMailbox, Mailbox as Name};
use imap_types::response::Data;
use imap_types::status::{StatusDataItem, StatusDataItemName};
use reactor::{Connection, Context};

use super::imap_reply::Reply;
use super::pattern::{Shown, matches};
use super::session::ImapSession;
use super::text::{decoded, encode, mailbox_of, name_of};
use super::view::News;
use crate::store::{Account, MailFlag, MailboxError, MailboxName};

pub(super) fn command(
    session: &mut ImapSession,
    cx: &mut Context<'_, ImapSession>,
    tag: Tag<'static>,
    account: Rc<dyn Account>,
    body: CommandBody<'static>,
) {
    let connection = cx.connection();
    // If the client hangs up, a command that changes something is finished; a query is cancelled.
    let is_owned = !matches!(
        body,
        CommandBody::List { .. } | CommandBody::Lsub { .. } | CommandBody::Status { .. }
    );
    session.run(cx, tag, News::All, is_owned, async move {
        match body {
            CommandBody::Create { mailbox } => {
                let name = created(&mailbox)?;
                maybe_deferred(|| account.create(&name)).await?;
            }
            CommandBody::Delete { mailbox } => {
                let name = named(&mailbox)?;
                maybe_deferred(|| account.delete(&name)).await?;
            }
            CommandBody::Rename { from, to } => {
                let (from, to) = (named(&from)?, created(&to)?);
                maybe_deferred(|| account.rename(&from, &to)).await?;
            }
            CommandBody::Subscribe { mailbox } => {
                let name = named(&mailbox)?;
                maybe_deferred(|| account.subscribe(&name, true)).await?;
            }
            CommandBody::Unsubscribe { mailbox } => {
                let name = named(&mailbox)?;
                maybe_deferred(|| account.subscribe(&name, false)).await?;
            }
            CommandBody::List {
                reference,
                mailbox_wildcard,
            } => list(&connection, &account, &reference, &mailbox_wildcard, false).await?,
            CommandBody::Lsub {
                reference,
                mailbox_wildcard,
            } => list(&connection, &account, &reference, &mailbox_wildcard, true).await?,
            CommandBody::Status {
                mailbox,
                item_names,
            } => status(&connection, &account, &named(&mailbox)?, &item_names).await?,
            // NAMESPACE: one namespace of the user's own mailboxes, with a slash between levels.
            _ => connection.write("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n")?,
        }
        Ok(Reply::ok("done"))
    });
}

fn named(name: &Name<'_>) -> Result<MailboxName> {
    name_of(name).ok_or_else(|| MailboxError::Refused("not a name".to_owned()).into())
}

/// The name of a mailbox to be created. A slash at the end is dropped: it only means that the client
/// intends to create mailboxes below this one (RFC 3501, section 6.3.3).
fn created(name: &Name<'_>) -> Result<MailboxName> {
    if let Name::Other(other) = name
        && let Some(above) = other.as_ref().strip_suffix(b"/")
        && let Ok(above) = Name::try_from(above)
    {
        return named(&above);
    }
    named(name)
}

async fn list(
    connection: &Connection<ImapSession>,
    account: &Rc<dyn Account>,
    reference: &Name<'_>,
    wildcard: &ListMailbox<'_>,
    subscribed_only: bool,
) -> Result<()> {
    let pattern: &[u8] = match wildcard {
        ListMailbox::Token(token) => token.as_ref(),
        ListMailbox::String(string) => string.as_ref(),
    };
    let delimiter = QuotedChar::try_from('/').ok();
    if pattern.is_empty() && !subscribed_only {
        // An empty pattern asks only for the delimiter (RFC 3501, section 6.3.8).
        connection.write("* LIST (\\Noselect) \"/\" \"\"\r\n")?;
        return Ok(());
    }
    let reference: &[u8] = match reference {
        Name::Inbox => b"INBOX",
        Name::Other(name) => name.as_ref(),
    };
    // A pattern that is not valid modified UTF-7 matches no name.
    let Some(pattern) = decoded(&[reference, pattern].concat()) else {
        return Ok(());
    };
    let entries = maybe_deferred(|| account.list()).await?;
    let mut text = Vec::new();
    for (name, Shown { is_selectable }) in matches(entries, &pattern, subscribed_only) {
        let items = match is_selectable {
            true => Vec::new(),
            false => vec![FlagNameAttribute::Noselect],
        };
        let mailbox = mailbox_of(name.as_str());
        let data = match subscribed_only {
            true => Data::Lsub {
                items,
                delimiter,
                mailbox,
            },
            false => Data::List {
                items,
                delimiter,
                mailbox,
            },
        };
        text.extend(encode(data));
    }
    connection.write(text)?;
    Ok(())
}

async fn status(
    connection: &Connection<ImapSession>,
    account: &Rc<dyn Account>,
    name: &MailboxName,
    wanted: &[StatusDataItemName],
) -> Result<()> {
    let mailbox = maybe_deferred(|| account.open(name)).await?;
    // One snapshot for all items, so that the numbers belong together.
    let snapshot = maybe_deferred(|| mailbox.messages()).await?;
    let count = |flag: MailFlag, is_set: bool| {
        let messages = snapshot.messages.iter();
        let count = messages.filter(|message| message.flags.contains(flag) == is_set);
        u32::try_from(count.count()).unwrap_or(u32::MAX)
    };
    let item = |wanted: &StatusDataItemName| {
        Some(match wanted {
            StatusDataItemName::Messages => {
                let messages = u32::try_from(snapshot.messages.len());
                StatusDataItem::Messages(messages.unwrap_or(u32::MAX))
            }
            StatusDataItemName::Recent => {
                let messages = snapshot.messages.iter();
                let recent = messages.filter(|message| message.is_recent).count();
                StatusDataItem::Recent(u32::try_from(recent).unwrap_or(u32::MAX))
            }
            StatusDataItemName::UidNext => StatusDataItem::UidNext(snapshot.uid_next),
            StatusDataItemName::UidValidity => StatusDataItem::UidValidity(mailbox.uid_validity()),
            StatusDataItemName::Unseen => StatusDataItem::Unseen(count(MailFlag::Seen, false)),
            StatusDataItemName::Deleted => StatusDataItem::Deleted(count(MailFlag::Deleted, true)),
            _ => return None,
        })
    };
    let items: Vec<_> = wanted.iter().filter_map(item).collect();
    let mailbox = mailbox_of(name.as_str());
    connection.write(encode(Data::Status {
        mailbox,
        items: Cow::Owned(items),
    }))?;
    Ok(())
}
