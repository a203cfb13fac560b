//! Dispatch: passes each frame from the client on to the code of its command.

use std::rc::Rc;

use deferred::{Failure, Result};
use imap_types::command::{Command, CommandBody};
use imap_types::core::Tag;
use reactor::{ConnectionClosed, Context, Frame, Protocol};

use super::imap_reply::Reply;
use super::session::ImapSession;
use super::view::{News, Selected};
use super::{append, fetch, mailboxes, messages, search, select};
use crate::imap::error::ImapFramingError;
use crate::imap::frame::ImapFrame;
use crate::imap::framing::ImapFraming;
use crate::store::Account;

impl ImapSession {
    fn command(&mut self, cx: &mut Context<'_, Self>, command: Command<'static>) {
        let Command { tag, body } = command;
        match body {
            CommandBody::Capability => {
                let capabilities = self.capabilities(cx);
                cx.write(format!("* CAPABILITY {capabilities}\r\n"));
                self.reply(cx, &tag, &Reply::ok("done"));
            }
            CommandBody::Noop => {
                // `false`: if the client hangs up, the read of the mailbox is cancelled.
                self.run(cx, tag, News::Asked, false, async { Ok(Reply::ok("done")) });
            }
            CommandBody::Logout => {
                // RFC 3501, section 6.1.3: the BYE comes before the reply.
                cx.write("* BYE see you\r\n");
                self.reply(cx, &tag, &Reply::ok("done"));
                cx.lose_connection();
            }
            CommandBody::StartTLS => self.start_tls(cx, &tag),
            CommandBody::Login { username, password } => {
                let password = password.declassify().as_ref();
                self.login(cx, tag, username.as_ref(), password);
            }
            CommandBody::Authenticate {
                mechanism,
                initial_response,
            } => {
                let initial = initial_response.as_ref().map(|data| &**data.declassify());
                self.authenticate(cx, tag, &mechanism, initial);
            }
            body => match self.account.clone() {
                Some(account) => self.logged_in(cx, tag, account, body),
                None => self.reply(cx, &tag, &Reply::bad("log in first")),
            },
        }
    }

    fn logged_in(
        &mut self,
        cx: &mut Context<'_, Self>,
        tag: Tag<'static>,
        account: Rc<dyn Account>,
        body: CommandBody<'static>,
    ) {
        match body {
            CommandBody::Select { mailbox, .. } => {
                select::select(self, cx, tag, account, &mailbox, false);
            }
            CommandBody::Examine { mailbox, .. } => {
                select::select(self, cx, tag, account, &mailbox, true);
            }
            CommandBody::Append { .. } => append::append(self, cx, tag, account, body),
            CommandBody::Idle => {
                self.idling = Some(tag);
                // Before the next frame is decoded, because DONE may have arrived with the command.
                cx.framing().expect_idle_done();
                cx.write("+ idling\r\n");
                self.tell_news(cx);
            }
            CommandBody::Create { .. }
            | CommandBody::Delete { .. }
            | CommandBody::Rename { .. }
            | CommandBody::Subscribe { .. }
            | CommandBody::Unsubscribe { .. }
            | CommandBody::List { .. }
            | CommandBody::Lsub { .. }
            | CommandBody::Status { .. }
            | CommandBody::Namespace => mailboxes::command(self, cx, tag, account, body),
            body => match self.selected.clone() {
                Some(selected) => self.in_mailbox(cx, tag, selected, body),
                None => self.reply(cx, &tag, &Reply::bad("select a mailbox first")),
            },
        }
    }

    fn in_mailbox(
        &mut self,
        cx: &mut Context<'_, Self>,
        tag: Tag<'static>,
        selected: Rc<Selected>,
        body: CommandBody<'static>,
    ) {
        match body {
            CommandBody::Check => {
                // `false`, as for NOOP.
                self.run(cx, tag, News::Asked, false, async { Ok(Reply::ok("done")) });
            }
            CommandBody::Close => select::close(self, cx, tag, selected),
            CommandBody::Unselect => {
                self.selected = None;
                self.reply(cx, &tag, &Reply::ok("done"));
            }
            CommandBody::Fetch { .. } => fetch::fetch(self, cx, tag, selected, body),
            CommandBody::Search { .. } => search::search(self, cx, tag, selected, body),
            body => messages::command(self, cx, tag, selected, body),
        }
    }
}

impl Protocol for ImapSession {
    type Framing = ImapFraming;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        self.watch_timeout(cx);
        let capabilities = self.capabilities(cx);
        let name = &self.settings.name;
        cx.write(format!(
            "* OK [CAPABILITY {capabilities}] {name} is ready\r\n"
        ));
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, frame: Frame<'_, Self>) -> Result<()> {
        self.reset_timeout();
        match frame {
            ImapFrame::Command(command) => self.command(cx, *command),
            ImapFrame::LiteralAnnounced { .. } => cx.write("+ go on\r\n"),
            ImapFrame::AuthenticateData(data) => self.authenticate_data(cx, data),
            ImapFrame::IdleDone => {
                if let Some(tag) = self.idling.take() {
                    self.reply(cx, &tag, &Reply::ok("done"));
                }
            }
            ImapFrame::Refused { tag, reason } => {
                // If the line was expected to be DONE or the data of AUTHENTICATE, that command ends
                // with this refusal.
                let waiting = self.idling.take().or_else(|| self.authenticating.take());
                let tag = waiting.or(tag);
                let tag = tag.as_ref().map_or("*", |tag| tag.as_ref());
                cx.write(format!("{tag} BAD {reason}\r\n"));
                self.count_error(cx);
            }
        }
        Ok(())
    }

    fn framing_failed(
        &mut self,
        cx: &mut Context<'_, Self>,
        failure: Failure,
        _input: &[u8],
    ) -> Result<()> {
        if let Some(error) = failure.check::<ImapFramingError>() {
            cx.write(format!("* BYE {error}\r\n"));
        }
        Err(failure)
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, _reason: ConnectionClosed) {
        // Drops the watch on the mailbox. A command that still runs has its own reference.
        self.selected = None;
    }
}
