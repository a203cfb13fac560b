//! `SmtpReceiver`: one connection of an SMTP server.
//!
//! Commands are processed one after the other: while the receiver waits for a Deferred of the
//! delivery, the connection is not read, so replies to pipelined commands go out in order.

use std::fmt;
use std::rc::Rc;

use deferred::{Deferred, DelayedCall, Failure, Result};
use reactor::{ConnectionClosed, Context, Frame, Protocol};
use reactor_tls::{StartTls, TlsInfo};

use super::command::{self, Command, Mail};
use super::envelope::{Envelope, Recipient};
use super::framing::{SmtpFrame, SmtpFraming, SmtpFramingError};
use super::login::{self, Exchange, Step};
use super::smtp_reply::SmtpReply;
use super::smtp_settings::{LoginPolicy, Settings};
use super::transfer::Transfer;

/// The protocol of one connection of an [`SmtpServer`](crate::SmtpServer), which makes it.
///
/// # Examples
///
/// ```
/// # use deferred::{Deferred, fail};
/// # use reactor::testing;
/// # use reactor_mail::{Delivery, Envelope, Message, Recipient, SmtpReply, SmtpServer};
/// # struct Nothing;
/// # impl Delivery for Nothing {
/// #     fn validate_to(&self, _: &Envelope, _: &Recipient) -> Deferred<()> { fail(SmtpReply::new(550, "no")) }
/// #     fn begin(&self, _: &Envelope) -> Deferred<Box<dyn Message>> { fail(SmtpReply::new(554, "no")) }
/// # }
/// testing::run(|reactor| {
///     let server = SmtpServer::new("mail.example.org", Nothing);
///     let (_connection, client) = reactor.connect_to_peer(server.receiver());
///     assert_eq!(client.received(), b"220 mail.example.org ESMTP\r\n");
///     client.send("QUIT\r\n");
///     assert_eq!(client.received(), b"221 2.0.0 goodbye\r\n");
/// });
/// ```
pub struct SmtpReceiver {
    pub(super) settings: Rc<Settings>,
    /// The name by which the client has introduced itself; `None` before EHLO, and again after
    /// STARTTLS.
    // Set by EHLO and HELO; MAIL and AUTH need it.
    hello: Option<String>,
    /// The client has sent EHLO, not HELO.
    // Set or cleared by each EHLO and HELO.
    pub(super) is_extended: bool,
    /// The name with which the client has logged in.
    // Set by a successful login; cleared by STARTTLS only. RSET and EHLO leave it.
    login: Option<String>,
    /// Set by AUTH while the next line is the client's answer to a challenge; taken by that line.
    exchange: Option<Exchange>,
    /// Set by MAIL; cleared by the end of the message and by `reset`.
    pub(super) envelope: Option<Envelope>,
    /// Set by DATA and the first BDAT; cleared by the end of the message and by `reset`.
    pub(super) transfer: Option<Transfer>,
    errors: u32,
    failed_logins: u32,
    /// The last reply, if a time limit was reached during a wait: it is sent after the reply to the
    /// current command, and then the connection is closed.
    // Set by `expire` while `is_busy`; never cleared, since the connection ends.
    overdue: Option<&'static str>,
    /// The idle timer, which closes the connection. Each frame resets it; if it fires while the
    /// receiver waits for a Deferred, it is started again.
    idle: Option<DelayedCall>,
    /// The receiver waits for a Deferred or a timer, and reading is paused.
    // Set by `pause`, cleared by `resume`. `resume` then calls the rest of the command, which may
    // pause again, so it tests the flag after that call.
    is_busy: bool,
}

impl SmtpReceiver {
    pub(super) fn new(settings: Rc<Settings>) -> Self {
        Self {
            settings,
            hello: None,
            is_extended: false,
            login: None,
            exchange: None,
            envelope: None,
            transfer: None,
            errors: 0,
            failed_logins: 0,
            overdue: None,
            idle: None,
            is_busy: false,
        }
    }

    /// Sends a reply. Counts replies of 400 and above: at `max_errors` of them, closes the connection.
    pub(super) fn reply(&mut self, cx: &mut Context<'_, Self>, reply: &SmtpReply) {
        cx.write(reply.encode());
        if reply.code() < 400 {
            return;
        }
        self.errors += 1;
        if self.errors >= self.settings.max_errors {
            // After the refusal itself, which is the reply that the client waits for.
            cx.write("421 4.7.0 too many errors\r\n");
            cx.lose_connection();
        }
    }

    pub(super) fn answer(&mut self, cx: &mut Context<'_, Self>, code: u16, text: &str) {
        self.reply(cx, &SmtpReply::new(code, text));
    }

    /// Calls `f` with the result of `deferred`, before the next frame is processed. If the connection
    /// ends first, the Deferred goes on if `is_owned`, else it is cancelled.
    pub(super) fn wait_for<T: 'static>(
        &mut self,
        cx: &mut Context<'_, Self>,
        deferred: Deferred<T>,
        is_owned: bool,
        f: impl FnOnce(&mut Self, &mut Context<'_, Self>, Result<T>) + 'static,
    ) {
        // If the result is there already, `f` is called at once: a pause would cost a turn of the
        // loop for each piece of a message.
        let deferred = match deferred.into_result() {
            Ok(result) => return f(self, cx, result),
            Err(deferred) => deferred,
        };
        self.pause(cx);
        let go_on = |this: &mut Self, cx: &mut Context<'_, Self>, result| {
            this.resume(cx, |this, cx| f(this, cx, result));
        };
        if is_owned {
            cx.when(deferred, go_on);
        } else {
            cx.when_or_cancel(deferred, go_on);
        }
    }

    fn pause(&mut self, cx: &mut Context<'_, Self>) {
        self.is_busy = true;
        cx.pause_reading();
    }

    fn resume(
        &mut self,
        cx: &mut Context<'_, Self>,
        f: impl FnOnce(&mut Self, &mut Context<'_, Self>),
    ) {
        self.is_busy = false;
        self.reset_idle_timeout();
        // Before `f`, which is the rest of the command: if `f` pauses again, this call must not undo
        // that.
        cx.resume_reading();
        f(self, cx);
        if let (Some(reply), false) = (self.overdue, self.is_busy) {
            self.expire(cx, reply);
        }
    }

    /// Closes the connection with `reply`, because a time limit is reached. If the client waits for the
    /// reply to a command, this is done after that reply.
    pub(super) fn expire(&mut self, cx: &mut Context<'_, Self>, reply: &'static str) {
        if self.is_busy {
            self.overdue = Some(reply);
            return;
        }
        // Drops the message, which is not complete, as the documentation of `Message` promises.
        self.reset();
        cx.write(reply);
        cx.lose_connection();
    }

    fn reset_idle_timeout(&self) {
        if let Some(idle) = &self.idle {
            // Errs only if the timer has fired: then the connection is being closed.
            let _ = idle.reset(self.settings.idle_timeout);
        }
    }

    fn watch_idle(&mut self, cx: &mut Context<'_, Self>) {
        let timeout = self.settings.idle_timeout;
        self.idle = Some(cx.call_later(timeout, |this, cx| {
            if this.is_busy {
                // The client waits for this side.
                return this.watch_idle(cx);
            }
            cx.write("421 4.4.2 nothing was received for too long\r\n");
            cx.lose_connection();
        }));
    }

    // Asks the filter instead of keeping a flag, so that TLS of the endpoint counts like STARTTLS.
    fn is_encrypted(cx: &Context<'_, Self>) -> bool {
        cx.filter_info::<TlsInfo>().is_some()
    }

    pub(super) fn reset(&mut self) {
        self.envelope = None;
        self.transfer = None;
    }

    fn command(&mut self, cx: &mut Context<'_, Self>, command: Command) {
        match command {
            Command::Hello { name, is_extended } => self.hello(cx, name, is_extended),
            Command::Mail(mail) => self.mail(cx, mail),
            Command::Rcpt(recipient) => self.rcpt(cx, recipient),
            Command::Data => self.begin_data(cx),
            Command::Chunk { length, is_last } => self.begin_chunk(cx, length, is_last),
            Command::Reset => {
                self.reset();
                self.answer(cx, 250, "2.0.0 reset");
            }
            Command::Noop => self.answer(cx, 250, "2.0.0 nothing done"),
            // Addresses are not verified, because that would help spammers (RFC 5321, section 7.3).
            Command::Verify => self.answer(cx, 252, "2.1.5 send a message to try"),
            Command::Quit => {
                self.answer(cx, 221, "2.0.0 goodbye");
                cx.lose_connection();
            }
            Command::StartTls => self.start_tls(cx),
            Command::Auth { mechanism, initial } => {
                self.auth(cx, &mechanism, initial.as_deref());
            }
        }
    }

    fn hello(&mut self, cx: &mut Context<'_, Self>, name: String, is_extended: bool) {
        // EHLO ends a transaction as RSET does (RFC 5321, section 4.1.4).
        self.reset();
        self.is_extended = is_extended;
        self.hello = Some(name);
        let mut text = self.settings.name.clone();
        if is_extended {
            let max_size = self.settings.max_size;
            // Only for EHLO: the reply to HELO has one line.
            text.push_str("\nPIPELINING\n8BITMIME\nSMTPUTF8\nCHUNKING\nDSN\nENHANCEDSTATUSCODES");
            text.push_str(&format!("\nSIZE {max_size}"));
            let is_encrypted = Self::is_encrypted(cx);
            if self.settings.tls.is_some() && !is_encrypted {
                text.push_str("\nSTARTTLS");
            }
            if self.offers_login(is_encrypted) {
                text.push_str("\nAUTH PLAIN LOGIN");
            }
        }
        self.answer(cx, 250, &text);
    }

    fn mail(&mut self, cx: &mut Context<'_, Self>, mail: Mail) {
        let Some(hello) = &self.hello else {
            return self.answer(cx, 503, "5.5.1 say EHLO first");
        };
        if self.envelope.is_some() {
            return self.answer(cx, 503, "5.5.1 one message at a time");
        }
        // If no size is announced, this does not refuse: `None` is less than any `Some`.
        if mail.size > Some(self.settings.max_size) {
            return self.answer(cx, 552, "5.3.4 the message is too large");
        }
        // Stored in `self` only if the sender is accepted: a refused one must not open a transaction.
        let envelope = Envelope {
            peer: cx.peer().clone(),
            hello: hello.clone(),
            login: self.login.clone(),
            is_encrypted: Self::is_encrypted(cx),
            from: mail.from,
            to: Vec::new(),
            size: mail.size,
            is_8bit: mail.is_8bit,
            is_utf8: mail.is_utf8,
            returns: mail.returns,
            envelope_id: mail.envelope_id,
        };
        let delivery = &self.settings.delivery;
        let valid = delivery.validate_from(&envelope, envelope.from.as_ref());
        self.wait_for(cx, valid, false, |this, cx, valid| match valid {
            Ok(()) => {
                this.envelope = Some(envelope);
                this.answer(cx, 250, "2.1.0 sender accepted");
            }
            Err(failure) => this.reply(cx, &refusal(failure)),
        });
    }

    fn rcpt(&mut self, cx: &mut Context<'_, Self>, recipient: Recipient) {
        let Some(envelope) = &self.envelope else {
            return self.answer(cx, 503, "5.5.1 say MAIL first");
        };
        // After the first BDAT, the delivery has got the list of recipients.
        if self.transfer.is_some() {
            return self.answer(cx, 503, "5.5.1 the message has begun");
        }
        if envelope.to.len() >= self.settings.max_recipients {
            return self.answer(cx, 452, "4.5.3 too many recipients");
        }
        if !recipient.address.as_str().is_ascii() && !envelope.is_utf8 {
            return self.answer(cx, 553, "5.6.7 the address needs SMTPUTF8");
        }
        let valid = self.settings.delivery.validate_to(envelope, &recipient);
        self.wait_for(cx, valid, false, |this, cx, valid| match valid {
            Ok(()) => {
                // Always `Some`, because no command was read in between.
                if let Some(envelope) = &mut this.envelope {
                    envelope.to.push(recipient);
                }
                this.answer(cx, 250, "2.1.5 recipient accepted");
            }
            Err(failure) => this.reply(cx, &refusal(failure)),
        });
    }

    fn start_tls(&mut self, cx: &mut Context<'_, Self>) {
        if Self::is_encrypted(cx) {
            return self.answer(cx, 503, "5.5.1 encrypted already");
        }
        let Some(tls) = self.settings.tls.clone() else {
            return self.answer(cx, 502, "5.5.1 no TLS here");
        };
        // Before the filter is inserted: this reply is the last one in the clear.
        self.answer(cx, 220, "2.0.0 go ahead");
        // Forgets everything that the client has sent in the clear (RFC 3207, section 4.2).
        self.reset();
        self.hello = None;
        self.login = None;
        // Bytes that have arrived behind the command are read as TLS. So commands that an attacker
        // has appended in the clear break the handshake, and are not carried out. The failure is
        // ignored, because `connection_lost` gets the reason.
        cx.start_tls(tls.filter()).ignore();
    }

    fn offers_login(&self, is_encrypted: bool) -> bool {
        match self.settings.login {
            LoginPolicy::Never => false,
            LoginPolicy::Encrypted => is_encrypted,
            LoginPolicy::Always => true,
        }
    }

    fn auth(&mut self, cx: &mut Context<'_, Self>, mechanism: &str, initial: Option<&str>) {
        if self.settings.login == LoginPolicy::Never {
            return self.answer(cx, 502, "5.5.1 no login here");
        }
        if !self.offers_login(Self::is_encrypted(cx)) {
            return self.answer(cx, 538, "5.7.11 encryption is required");
        }
        // Only one login in a session, and not inside of a transaction (RFC 4954, section 4).
        if self.hello.is_none() || self.login.is_some() || self.envelope.is_some() {
            return self.answer(cx, 503, "5.5.1 not now");
        }
        self.go_on_with_login(cx, login::begin(mechanism, initial));
    }

    fn go_on_with_login(
        &mut self,
        cx: &mut Context<'_, Self>,
        step: std::result::Result<Step, SmtpReply>,
    ) {
        let (name, password) = match step {
            Ok(Step::Challenge(challenge, exchange)) => {
                self.exchange = Some(exchange);
                return cx.write(challenge);
            }
            Ok(Step::Check { name, password }) => (name, password),
            Err(reply) => return self.reply(cx, &reply),
        };
        let checked = self.settings.delivery.login(&name, &password);
        self.wait_for(cx, checked, false, |this, cx, checked| match checked {
            Ok(()) => {
                this.login = Some(name);
                this.answer(cx, 235, "2.7.0 logged in");
            }
            Err(failure) => this.login_failed(cx, refusal(failure)),
        });
    }

    /// Replies after `failed_login_delay`, and closes the connection after `max_failed_logins`.
    fn login_failed(&mut self, cx: &mut Context<'_, Self>, reply: SmtpReply) {
        self.failed_logins += 1;
        // Reading is paused, so that guesses that were sent ahead wait, too.
        self.pause(cx);
        // A timer of the connection, which is cancelled when the connection ends.
        cx.call_later(self.settings.failed_login_delay, move |this, cx| {
            this.resume(cx, |this, cx| {
                this.reply(cx, &reply);
                if this.failed_logins >= this.settings.max_failed_logins {
                    cx.write("421 4.7.0 too many failed logins\r\n");
                    cx.lose_connection();
                }
            });
        });
    }
}

/// The reply for a failure of the delivery.
pub(super) fn refusal(failure: Failure) -> SmtpReply {
    if let Some(reply) = failure.check::<SmtpReply>() {
        return reply.clone();
    }
    tracing::warn!(target: "reactor_mail", %failure, "a delivery has failed");
    SmtpReply::new(451, "4.3.0 local error")
}

impl Protocol for SmtpReceiver {
    type Framing = SmtpFraming;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        self.watch_idle(cx);
        cx.call_later(self.settings.session_timeout, |this, cx| {
            this.expire(cx, "421 4.4.2 the session takes too long\r\n");
        });
        let greeting = format!("{} ESMTP", self.settings.name);
        self.answer(cx, 220, &greeting);
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, frame: Frame<'_, Self>) -> Result<()> {
        self.reset_idle_timeout();
        match frame {
            SmtpFrame::Command(line) => match self.exchange.take() {
                // The line after a challenge is the answer, even if it looks like a command.
                Some(exchange) => {
                    // "?" is not valid Base64, so the client gets the reply for a bad answer.
                    let answer = std::str::from_utf8(line).unwrap_or("?");
                    self.go_on_with_login(cx, exchange.answer(answer));
                }
                None => match command::parse(line) {
                    Ok(command) => self.command(cx, command),
                    Err(reply) => self.reply(cx, &reply),
                },
            },
            SmtpFrame::Data(data) => self.take(cx, data, None),
            SmtpFrame::EndOfData => self.end(cx),
            SmtpFrame::Chunk { data, remaining } => self.take(cx, data, Some(remaining)),
        }
        Ok(())
    }

    fn framing_failed(
        &mut self,
        cx: &mut Context<'_, Self>,
        failure: Failure,
        _input: &[u8],
    ) -> Result<()> {
        self.reset();
        let reply = match failure.check::<SmtpFramingError>() {
            Some(SmtpFramingError::LineTooLong { .. }) => "500 5.5.2 the line is too long\r\n",
            _ => "521 5.5.2 lines end in CR LF\r\n",
        };
        // The error closes the connection after this reply, because it is not known whether the rest
        // of the input is commands or a message.
        cx.write(reply);
        Err(failure)
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, _reason: ConnectionClosed) {
        // Drops an incomplete message, which is then not delivered.
        self.transfer = None;
    }
}

impl fmt::Debug for SmtpReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpReceiver")
            .field("hello", &self.hello)
            .field("envelope", &self.envelope)
            .finish_non_exhaustive()
    }
}
