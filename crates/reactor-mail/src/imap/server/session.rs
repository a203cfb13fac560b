//! `ImapSession`: one connection of an IMAP server.
//!
//! Commands are processed one after the other: while one waits for the store, the connection is
//! not read, so pipelined commands are answered in order.

use std::fmt;
use std::future::Future;
use std::rc::Rc;

use deferred::{Deferred, DelayedCall, Result};
use imap_types::core::Tag;
use reactor::{Connection, Context};
use reactor_tls::TlsInfo;

use super::imap_reply::{Reply, Status};
use super::imap_settings::Settings;
use super::view::{News, Selected};
use crate::store::{Account, MailboxError};

/// The protocol of one connection of an [`ImapServer`](crate::ImapServer), which makes it.
///
/// # Examples
///
/// ```
/// use reactor::testing;
/// use reactor_mail::{ImapServer, MemoryMail};
///
/// testing::run(|reactor| {
///     let mail = MemoryMail::new().with_account("bob", "sesame");
///     let server = ImapServer::new("mail.example.org", mail);
///     let server = server.dangerously_with_login_in_the_clear();
///     let (_connection, client) = reactor.connect_to_peer(server.session());
///     client.send("a LOGIN bob sesame\r\nb SELECT inbox\r\nc LOGOUT\r\n");
///     let text = String::from_utf8(client.received()).unwrap();
///     assert!(text.contains("\r\n* 0 EXISTS\r\n"));
///     assert!(text.ends_with("* BYE see you\r\nc OK done\r\n"));
/// });
/// ```
pub struct ImapSession {
    pub(super) settings: Rc<Settings>,
    /// Set by the login.
    pub(super) account: Option<Rc<dyn Account>>,
    /// Set by SELECT and EXAMINE; cleared by CLOSE, UNSELECT, and a SELECT that fails.
    pub(super) selected: Option<Rc<Selected>>,
    /// The tag of an AUTHENTICATE that waits for its data.
    // Set by AUTHENTICATE, taken by the next line.
    pub(super) authenticating: Option<Tag<'static>>,
    pub(super) failed_logins: u32,
    /// The tag of a running IDLE.
    // Set by IDLE, taken by the next line, which should be DONE.
    pub(super) idling: Option<Tag<'static>>,
    /// Number of errors, for `max_errors`.
    // Never reset, not even by a login.
    errors: u32,
    /// The timer that closes the connection. Before the login, nothing resets it.
    timeout: Option<DelayedCall>,
    /// A command waits for the store, and reading is paused.
    // Set and cleared in `wait_for`.
    is_busy: bool,
}

impl ImapSession {
    pub(super) fn new(settings: Rc<Settings>) -> Self {
        Self {
            settings,
            account: None,
            selected: None,
            authenticating: None,
            failed_logins: 0,
            idling: None,
            errors: 0,
            timeout: None,
            is_busy: false,
        }
    }

    /// Writes the answer to a command. Counts errors: after `max_errors` of them, closes the
    /// connection.
    pub(super) fn reply(&mut self, cx: &mut Context<'_, Self>, tag: &Tag<'_>, reply: &Reply) {
        cx.write(reply.encode(tag.as_ref()));
        let is_error = match reply.status {
            Status::Ok => false,
            // After the login, a NO is usual, such as that of a mailbox that does not exist.
            Status::No => self.account.is_none(),
            Status::Bad => true,
        };
        if is_error {
            self.count_error(cx);
        }
    }

    pub(super) fn count_error(&mut self, cx: &mut Context<'_, Self>) {
        self.errors += 1;
        if self.errors >= self.settings.max_errors {
            self.say_bye(cx, "too many errors");
        }
    }

    pub(super) fn say_bye(&mut self, cx: &mut Context<'_, Self>, text: &str) {
        cx.write(format!("* BYE {text}\r\n"));
        cx.lose_connection();
    }

    /// Calls `f` with the result of `deferred`, before the next frame. If the connection ends
    /// first, the Deferred is cancelled, unless `is_owned`: a command that changes the mailbox is
    /// finished.
    pub(super) fn wait_for<T: 'static>(
        &mut self,
        cx: &mut Context<'_, Self>,
        deferred: Deferred<T>,
        is_owned: bool,
        f: impl FnOnce(&mut Self, &mut Context<'_, Self>, Result<T>) + 'static,
    ) {
        let deferred = match deferred.into_result() {
            Ok(result) => return f(self, cx, result),
            Err(deferred) => deferred,
        };
        self.is_busy = true;
        cx.pause_reading();
        let go_on = |this: &mut Self, cx: &mut Context<'_, Self>, result| {
            // All three before `f`, which may wait again, and whose pause must not be undone here.
            this.is_busy = false;
            this.reset_timeout();
            cx.resume_reading();
            f(this, cx, result);
        };
        if is_owned {
            cx.when(deferred, go_on);
        } else {
            cx.when_or_cancel(deferred, go_on);
        }
    }

    /// Runs the body of a command, then writes the news of the selected mailbox, then the reply.
    /// `is_owned` as for [`wait_for`](Self::wait_for).
    pub(super) fn run(
        &mut self,
        cx: &mut Context<'_, Self>,
        tag: Tag<'static>,
        news: News,
        is_owned: bool,
        body: impl Future<Output = Result<Reply>> + 'static,
    ) {
        // It cannot change while the body runs, because the connection is not read.
        let selected = self.selected.clone();
        let connection = cx.connection();
        let command = cx.reactor().spawn(async move {
            // Before the news: the command's own changes are among them. Both before the reply,
            // because EXPUNGE may only be sent while a command runs (RFC 3501, section 7.4.1).
            let result = body.await;
            if connection.peer().is_err() {
                // The client has hung up, so this reply is not sent. A failure of the body is dropped,
                // because the hang-up may be its reason.
                return Ok((Reply::ok("done"), false));
            }
            let reply = result.unwrap_or_else(|failure| Reply::refusal(&failure));
            let Some(selected) = selected else {
                return Ok((reply, false));
            };
            let Err(failure) = write_news(&selected, &connection, news).await else {
                return Ok((reply, false));
            };
            let is_gone = failure.check() == Some(&MailboxError::NoSuchMailbox);
            if !is_gone && connection.peer().is_ok() {
                tracing::warn!(target: "reactor_mail", %failure, "a mailbox cannot be read");
            }
            Ok((reply, is_gone))
        });
        self.wait_for(
            cx,
            command,
            is_owned,
            move |this, cx, result| match result {
                Ok((reply, is_gone)) => {
                    this.reply(cx, &tag, &reply);
                    if is_gone {
                        this.say_bye(cx, "the mailbox has been deleted");
                    }
                }
                Err(failure) => this.reply(cx, &tag, &Reply::refusal(&failure)),
            },
        );
    }

    pub(super) fn reset_timeout(&self) {
        // Not before the login: a client must not keep a connection by commands that need none.
        if let (Some(timeout), Some(_)) = (&self.timeout, &self.account) {
            // Errs only if the timer has fired: then the connection is being closed.
            let _ = timeout.reset(self.settings.idle_timeout);
        }
    }

    /// Starts the timeout for the login, or, after it, the idle timeout.
    pub(super) fn watch_timeout(&mut self, cx: &mut Context<'_, Self>) {
        if let Some(old) = self.timeout.take() {
            // Does nothing if the timer has fired.
            old.cancel();
        }
        let timeout = match self.account {
            Some(_) => self.settings.idle_timeout,
            None => self.settings.login_timeout,
        };
        self.timeout = Some(cx.call_later(timeout, |this, cx| {
            if this.is_busy && this.account.is_some() {
                // The client waits for this side.
                return this.watch_timeout(cx);
            }
            this.say_bye(cx, "nothing was received for too long");
        }));
    }

    pub(super) fn is_encrypted(cx: &Context<'_, Self>) -> bool {
        cx.filter_info::<TlsInfo>().is_some()
    }

    /// Writes the changes of the selected mailbox while the client idles (IDLE). Called at the
    /// begin of an IDLE and after each change of the mailbox; while a command runs, that command
    /// writes them.
    pub(super) fn tell_news(&mut self, cx: &mut Context<'_, Self>) {
        let Some(selected) = self.selected.clone() else {
            return;
        };
        if self.idling.is_none() || self.is_busy || !selected.is_stale.get() {
            return;
        }
        let connection = cx.connection();
        let update = cx
            .reactor()
            .spawn(async move { write_news(&selected, &connection, News::All).await });
        // `wait_for` pauses reading, so DONE is read after the update.
        self.wait_for(cx, update, false, |this, cx, result| match result {
            // Again, because a call of this for a change during the read has found `is_busy` set.
            Ok(()) => this.tell_news(cx),
            Err(failure) if failure.check() == Some(&MailboxError::NoSuchMailbox) => {
                this.say_bye(cx, "the mailbox has been deleted");
            }
            // The next change of the mailbox, or the next command, reads it again.
            Err(failure) => {
                tracing::warn!(target: "reactor_mail", %failure, "a mailbox cannot be read");
            }
        });
    }
}

/// Writes the responses that report the changes of the mailbox to the client.
async fn write_news(
    selected: &Selected,
    connection: &Connection<ImapSession>,
    news: News,
) -> Result<()> {
    let text = selected.news(news).await?;
    if !text.is_empty() {
        connection.write(text)?;
    }
    Ok(())
}

impl fmt::Debug for ImapSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let selected = self.selected.as_ref().map(|selected| &selected.name);
        f.debug_struct("ImapSession")
            .field("is_logged_in", &self.account.is_some())
            .field("selected", &selected)
            .finish_non_exhaustive()
    }
}
