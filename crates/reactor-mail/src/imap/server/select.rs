//! SELECT, EXAMINE and CLOSE.

use std::cell::{Cell, RefCell};
use std::fmt::Write;
use std::rc::Rc;

use deferred::{Result, maybe_deferred};
use imap_types::core::Tag;
use imap_types::mailbox::Mailbox as Name;
use reactor::{Connection, Context};

use super::imap_reply::Reply;
use super::messages::expunge_deleted;
use super::session::ImapSession;
use super::text::{flag_list, name_of};
use super::view::{News, Selected};
use crate::store::{Account, MailFlag, MailFlags, MailboxName, Uid};

pub(super) fn select(
    session: &mut ImapSession,
    cx: &mut Context<'_, ImapSession>,
    tag: Tag<'static>,
    account: Rc<dyn Account>,
    name: &Name<'_>,
    is_read_only: bool,
) {
    // A SELECT closes the mailbox that was open, even if the SELECT fails (RFC 3501, section 6.3.1).
    session.selected = None;
    let Some(name) = name_of(name) else {
        return session.reply(cx, &tag, &Reply::no("CANNOT", "not a name"));
    };
    let opening = open(cx.connection(), account, name, is_read_only);
    let opening = cx.reactor().spawn(opening);
    session.wait_for(cx, opening, false, move |this, cx, opened| match opened {
        Ok((selected, responses)) => {
            this.selected = Some(selected);
            cx.write(responses);
            let code = if is_read_only {
                "READ-ONLY"
            } else {
                "READ-WRITE"
            };
            this.reply(cx, &tag, &Reply::ok("done").with_code(code));
        }
        Err(failure) => this.reply(cx, &tag, &Reply::refusal(&failure)),
    });
}

async fn open(
    connection: Connection<ImapSession>,
    account: Rc<dyn Account>,
    name: MailboxName,
    is_read_only: bool,
) -> Result<(Rc<Selected>, String)> {
    // In `maybe_deferred`, here and below, so that a panic of the store fails only this command.
    let mailbox = maybe_deferred(|| account.open(&name)).await?;
    let is_stale = Rc::new(Cell::new(false));
    let stale = Rc::clone(&is_stale);
    // Set while a job is posted, so that many changes in one turn post one job.
    let is_posted = Rc::new(Cell::new(false));
    // Before the messages are read, so that no change is missed.
    let watch = mailbox.watch(Rc::new(move || {
        stale.set(true);
        if !is_posted.replace(true) {
            let is_posted = Rc::clone(&is_posted);
            // Errs if the connection has ended: then no client waits for the news.
            let _ = connection.post(move |this, cx| {
                is_posted.set(false);
                this.tell_news(cx);
            });
        }
    }));
    let snapshot = maybe_deferred(|| mailbox.messages()).await?;
    let uid_next = snapshot.uid_next;
    let selected = Selected {
        name,
        mailbox,
        is_read_only,
        messages: RefCell::new(snapshot.messages),
        is_stale,
        _watch: watch,
    };
    selected.claim_recent(0).await;
    let responses = responses(&selected, uid_next);
    Ok((Rc::new(selected), responses))
}

/// The untagged responses to SELECT and EXAMINE.
fn responses(selected: &Selected, uid_next: Uid) -> String {
    let messages = selected.messages.borrow();
    let mut flags = MailFlags::from_iter(MailFlag::ALL);
    // FLAGS has to name the keywords that messages have, too.
    for message in &*messages {
        for keyword in message.flags.keywords() {
            flags.insert_keyword(keyword);
        }
    }
    let flags = flag_list(&flags);
    let recent = selected.recent();
    let mut text = format!("* {} EXISTS\r\n{recent}", messages.len());
    let is_unseen = |flags: &MailFlags| !flags.contains(MailFlag::Seen);
    let unseen = messages
        .iter()
        .position(|message| is_unseen(&message.flags));
    // Writing to a string does not fail, here and below.
    if let Some(place) = unseen {
        let _ = write!(text, "* OK [UNSEEN {}] the first one\r\n", place + 1);
    }
    let permanent = match selected.is_read_only {
        true => String::new(),
        false => format!("{flags} \\*"),
    };
    let _ = write!(
        text,
        "* FLAGS ({flags})\r\n\
         * OK [PERMANENTFLAGS ({permanent})] what can be set\r\n\
         * OK [UIDNEXT {uid_next}] the next one\r\n\
         * OK [UIDVALIDITY {}] they are valid\r\n",
        selected.mailbox.uid_validity()
    );
    text
}

pub(super) fn close(
    session: &mut ImapSession,
    cx: &mut Context<'_, ImapSession>,
    tag: Tag<'static>,
    selected: Rc<Selected>,
) {
    session.selected = None;
    // `News::All` has no effect, because no mailbox is selected any more. `true`: the command is
    // finished even if the client hangs up.
    session.run(cx, tag, News::All, true, async move {
        if !selected.is_read_only {
            expunge_deleted(&selected, None).await?;
        }
        Ok(Reply::ok("done"))
    });
}
