//! The beginning of a session: greeting, STARTTLS, capabilities.

use imap_types::response::{Code, Greeting, GreetingKind};
use reactor::Context;
use reactor_tls::{StartTls, TlsInfo};

use super::error::ImapError;
use super::handle::ImapClient;
use super::request::Then;
use super::session::Session;

impl Session {
    /// Begins to wait for the greeting. Aborts the connection if it has no TLS, will not get it by
    /// STARTTLS, and the builder does not allow that.
    pub(super) fn open(&mut self, cx: &mut Context<'_, Self>) {
        if !self.is_encrypted(cx) && self.settings.starttls.is_none() {
            return self.abort(cx, ImapError::NotEncrypted);
        }
        self.is_watched = true;
        cx.set_idle_timeout(self.settings.timeout);
    }

    /// Whether the connection has TLS, or the builder allows it without.
    fn is_encrypted(&self, cx: &Context<'_, Self>) -> bool {
        cx.filter_info::<TlsInfo>().is_some() || self.settings.allows_cleartext
    }

    pub(super) fn greeted(&mut self, cx: &mut Context<'_, Self>, greeting: Greeting<'static>) {
        self.is_greeted = true;
        let Greeting { kind, code, text } = greeting;
        let wants_tls = cx.filter_info::<TlsInfo>().is_none() && self.settings.starttls.is_some();
        match kind {
            GreetingKind::Bye => {
                let text = text.inner().to_owned();
                self.abort(cx, ImapError::Bye { code, text });
            }
            // After PREAUTH, the session counts as logged in, and STARTTLS is not allowed any more. An
            // attacker could send this greeting to keep the session in the clear.
            GreetingKind::PreAuth if wants_tls => self.abort(cx, ImapError::NotEncrypted),
            _ if wants_tls => self.send_own(cx, "STARTTLS", Then::StartTls),
            _ => self.ask_capabilities(cx, code.as_ref()),
        }
    }

    /// `STARTTLS` was answered with `OK`.
    pub(super) fn start_tls(&mut self, cx: &mut Context<'_, Self>) {
        let Some((client, name)) = self.settings.starttls.clone() else {
            return;
        };
        // Capabilities that were received in the clear must be forgotten (RFC 3501, section 6.2.1).
        // Bytes that an attacker has appended to the answer are read as TLS, and break the handshake.
        self.capabilities.clear();
        match client.filter(&name) {
            Ok(filter) => {
                let opened = cx.start_tls(filter);
                // A failed handshake ends the connection, and `connection_lost` gets the reason, so it
                // is ignored here.
                cx.when_or_cancel(opened, |this, cx, opened| {
                    if opened.is_ok() {
                        this.ask_capabilities(cx, None);
                    }
                });
            }
            Err(_) => {
                let what = "the name of the server";
                self.abort(cx, ImapError::InvalidArgument { what });
            }
        }
    }

    /// Takes the capabilities from `code`, or asks for them; then the session is open.
    fn ask_capabilities(&mut self, cx: &mut Context<'_, Self>, code: Option<&Code<'static>>) {
        if self.take_capabilities(code) {
            return self.opened(cx);
        }
        self.send_own(cx, "CAPABILITY", Then::Open);
        self.watch(cx);
    }

    /// Fires the Deferred of `connect`, because the session is ready for commands.
    pub(super) fn opened(&mut self, cx: &mut Context<'_, Self>) {
        if let Some(opened) = self.opened.take() {
            let client = ImapClient::new(cx.connection(), self.tags.clone());
            // Errs if the Deferred was cancelled, which ends the connection.
            let _ = opened.callback(client);
        }
        self.go_on(cx);
    }
}
