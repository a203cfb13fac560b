//! CAPABILITY, STARTTLS, LOGIN and AUTHENTICATE.

use std::borrow::Cow;
use std::rc::Rc;

use deferred::{maybe_deferred, sleep};
use imap_types::auth::{AuthMechanism, AuthenticateData};
use imap_types::core::Tag;
use reactor::Context;
use reactor_tls::StartTls;

use super::imap_reply::Reply;
use super::session::ImapSession;
use crate::sasl;
use crate::store::{Account, MailboxError};

/// Bytes that an APPEND may have in addition to its message. Before the login, the framing allows
/// only short commands.
const COMMAND: u32 = 64 * 1024;

impl ImapSession {
    pub(super) fn capabilities(&self, cx: &Context<'_, Self>) -> String {
        let mut all = "IMAP4rev1 LITERAL+ SASL-IR IDLE MOVE NAMESPACE UIDPLUS UNSELECT".to_owned();
        // After the login, STARTTLS and the mechanisms of AUTHENTICATE have no use.
        if self.account.is_some() {
            return all;
        }
        if self.settings.tls.is_some() && !Self::is_encrypted(cx) {
            all.push_str(" STARTTLS");
        }
        all.push_str(match self.may_log_in(cx) {
            true => " AUTH=PLAIN",
            false => " LOGINDISABLED",
        });
        all
    }

    fn may_log_in(&self, cx: &Context<'_, Self>) -> bool {
        self.settings.allows_clear_login || Self::is_encrypted(cx)
    }

    pub(super) fn start_tls(&mut self, cx: &mut Context<'_, Self>, tag: &Tag<'_>) {
        let Some(tls) = self.settings.tls.clone() else {
            return self.reply(cx, tag, &Reply::bad("no TLS here"));
        };
        if Self::is_encrypted(cx) {
            return self.reply(cx, tag, &Reply::bad("encrypted already"));
        }
        if self.account.is_some() {
            return self.reply(cx, tag, &Reply::bad("too late"));
        }
        self.reply(cx, tag, &Reply::ok("go ahead"));
        // Bytes that have arrived after the command are read as TLS. So commands that an attacker
        // has appended in the clear break the handshake, and are not carried out (command
        // injection). `connection_lost` gets the reason.
        cx.start_tls(tls.filter()).ignore();
    }

    /// Whether a login may be tried; sends a refusal if not.
    fn begins_login(&mut self, cx: &mut Context<'_, Self>, tag: &Tag<'_>) -> bool {
        if self.account.is_some() {
            self.reply(cx, tag, &Reply::bad("logged in already"));
            return false;
        }
        if !self.may_log_in(cx) {
            // Refused without a check of the password. The client has sent it in the clear already;
            // one that obeys LOGINDISABLED does not (RFC 3501, section 6.2.3).
            let reply = Reply::no("PRIVACYREQUIRED", "only with encryption");
            self.reply(cx, tag, &reply);
            return false;
        }
        true
    }

    pub(super) fn login(
        &mut self,
        cx: &mut Context<'_, Self>,
        tag: Tag<'static>,
        name: &[u8],
        password: &[u8],
    ) {
        if !self.begins_login(cx, &tag) {
            return;
        }
        self.check(
            cx,
            tag,
            str::from_utf8(name).ok().zip(str::from_utf8(password).ok()),
        );
    }

    pub(super) fn authenticate(
        &mut self,
        cx: &mut Context<'_, Self>,
        tag: Tag<'static>,
        mechanism: &AuthMechanism<'_>,
        initial: Option<&[u8]>,
    ) {
        if !self.begins_login(cx, &tag) {
            return;
        }
        if *mechanism != AuthMechanism::Plain {
            return self.reply(cx, &tag, &Reply::no("CANNOT", "only PLAIN"));
        }
        match initial {
            Some(data) => self.check(cx, tag, plain(data)),
            None => {
                self.authenticating = Some(tag);
                cx.framing().expect_authenticate_data();
                cx.write("+ \r\n");
            }
        }
    }

    pub(super) fn authenticate_data(
        &mut self,
        cx: &mut Context<'_, Self>,
        data: AuthenticateData<'_>,
    ) {
        // Taken first, because AUTHENTICATE ends with this line whatever its data is.
        let Some(tag) = self.authenticating.take() else {
            return;
        };
        match data {
            AuthenticateData::Cancel => self.reply(cx, &tag, &Reply::bad("cancelled")),
            AuthenticateData::Continue(data) => {
                let data: &Cow<'_, [u8]> = data.declassify();
                self.check(cx, tag, plain(data));
            }
        }
    }

    fn check(
        &mut self,
        cx: &mut Context<'_, Self>,
        tag: Tag<'static>,
        credentials: Option<(&str, &str)>,
    ) {
        let login = Rc::clone(&self.settings.login);
        let checked = match credentials {
            Some((name, password)) => maybe_deferred(|| login.login(name, password)),
            // Credentials that are malformed or not UTF-8 count as a wrong password.
            None => deferred::fail(MailboxError::WrongLogin),
        };
        self.wait_for(cx, checked, false, move |this, cx, checked| match checked {
            Ok(account) => this.logged_in_as(cx, &tag, account),
            Err(failure) => this.login_failed(cx, tag, Reply::refusal(&failure)),
        });
    }

    /// Replies after `failed_login_delay`, and closes the connection after `max_failed_logins`.
    fn login_failed(&mut self, cx: &mut Context<'_, Self>, tag: Tag<'static>, reply: Reply) {
        self.failed_logins += 1;
        // `wait_for` pauses reading, so that guesses that were sent ahead wait, too.
        let pause = sleep(cx.reactor(), self.settings.failed_login_delay);
        self.wait_for(cx, pause, false, move |this, cx, _| {
            this.reply(cx, &tag, &reply);
            if this.failed_logins >= this.settings.max_failed_logins {
                this.say_bye(cx, "too many wrong passwords");
            }
        });
    }

    fn logged_in_as(
        &mut self,
        cx: &mut Context<'_, Self>,
        tag: &Tag<'_>,
        account: Rc<dyn Account>,
    ) {
        self.account = Some(account);
        // After the account is set: the timeout changes from that of the login to that of a
        // session.
        self.watch_timeout(cx);
        let max_command = self.settings.max_size.saturating_add(COMMAND);
        cx.framing().set_max_command(max_command);
        // A login changes the capabilities. The reply has them, so that the client need not ask again
        // (RFC 3501, section 6.2.3).
        let capabilities = self.capabilities(cx);
        let reply = Reply::ok("welcome").with_code(format!("CAPABILITY {capabilities}"));
        self.reply(cx, tag, &reply);
    }
}

/// Name and password of a message of PLAIN (RFC 4616). `None` if it asks to act as another user, or
/// is malformed.
fn plain(message: &[u8]) -> Option<(&str, &str)> {
    let [acts_as, name, password] = sasl::plain(str::from_utf8(message).ok()?)?;
    (acts_as.is_empty() || acts_as == name).then_some((name, password))
}
