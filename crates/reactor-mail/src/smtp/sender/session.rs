//! `Session`: a connection that is ready for messages, after EHLO, STARTTLS and AUTH.

use std::cell::Cell;
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use deferred::{Cancelled, Deferred, Failure, Result, inline_callbacks};
use reactor::{ClientEndpoint, ReactorHandle};
use reactor_tls::TlsInfo;

use super::extensions::Extensions;
use super::mail::Mail;
use super::options::{Login, Options};
use super::replies::Conversation;
use super::sent::Sent;
use crate::smtp::address;
use crate::smtp::smtp_error::SmtpError;
use crate::smtp::smtp_reply::SmtpReply;

/// Bytes of a message that are written at once. The next piece is written when the connection has room.
const PIECE: usize = 64 * 1024;

/// A connection that is ready for messages.
pub(super) struct Session {
    conversation: Conversation,
    extensions: Extensions,
    /// A transaction may be open, so RSET must come before the next MAIL.
    // Set before MAIL is sent, since its reply may be lost; cleared when the server has accepted the
    // message. An RSET without a transaction is harmless.
    needs_reset: Cell<bool>,
    /// The server may have accepted the last message.
    // Set before the first byte of a message is sent; cleared only at the beginning of the next
    // message. It stays set after a refusal, so callers must check the error, too.
    is_in_doubt: Cell<bool>,
}

impl Session {
    /// Connects, and prepares the connection for messages. The attempt begins before this returns.
    pub(super) fn open(
        reactor: &ReactorHandle,
        server: &impl ClientEndpoint,
        options: Rc<Options>,
    ) -> Deferred<Self> {
        // Outside of the async block, which cannot borrow `server`.
        let beginning = Conversation::begin(reactor, server);
        inline_callbacks(async move {
            let (conversation, greeting) = beginning.await?;
            match prepare(&conversation, greeting, &options).await {
                Ok(extensions) => Ok(Self {
                    conversation,
                    extensions,
                    needs_reset: Cell::new(false),
                    is_in_doubt: Cell::new(false),
                }),
                Err(failure) => {
                    conversation.quit();
                    Err(failure)
                }
            }
        })
    }

    /// Sends one message.
    pub(super) async fn send(&self, mail: &Mail) -> Result<Sent> {
        let result = self.transact(mail).await;
        // After these errors, each command has got its reply, and the next message can begin with
        // RSET. After any other error, the state of the server is not known.
        let is_usable = match &result {
            Ok(_) => true,
            Err(failure) => matches!(
                failure.check(),
                Some(
                    SmtpError::Refused { .. }
                        | SmtpError::AllRefused { .. }
                        | SmtpError::NotSupported { .. }
                        | SmtpError::TooLarge { .. }
                )
            ),
        };
        if !is_usable {
            self.conversation.abort();
        }
        result
    }

    async fn transact(&self, mail: &Mail) -> Result<Sent> {
        let conversation = &self.conversation;
        self.is_in_doubt.set(false);
        // Before RSET, so that nothing is sent for a message that this server cannot accept.
        let command = mail.command(&self.extensions)?;
        if self.needs_reset.get() {
            accept("RSET", conversation.command("RSET", "RSET\r\n").await?)?;
        }
        self.needs_reset.set(true);
        let recipients = mail.to.iter().map(|to| format!("RCPT TO:<{to}>\r\n"));
        // DATA is not sent together with these commands, although RFC 2920 allows it: a server that
        // has refused all recipients might still accept DATA, and wait for a message.
        let replies = if self.extensions.value("PIPELINING").is_some() {
            let text = std::iter::once(command).chain(recipients);
            let text = text.collect::<String>();
            let mut replies = conversation
                .exchange("RCPT", text, mail.to.len() + 1)
                .await?;
            // Checked only when all replies have arrived, so that none is left for the next command.
            accept("MAIL", replies.remove(0))?;
            replies
        } else {
            accept("MAIL", conversation.command("MAIL", command).await?)?;
            let mut replies = Vec::with_capacity(mail.to.len());
            for recipient in recipients {
                replies.push(conversation.command("RCPT", recipient).await?);
            }
            replies
        };
        let replies = mail.to.iter().zip(replies);
        let refused = replies.filter(|(_, reply)| !reply.is_positive());
        let refused = refused.map(|(to, reply)| (to.clone(), reply));
        let refused = refused.collect::<Vec<_>>();
        if refused.len() == mail.to.len() {
            return Err(SmtpError::AllRefused { refused }.into());
        }
        let reply = conversation.command("DATA", "DATA\r\n").await?;
        if reply.code() != 354 {
            return Err(refusal("DATA", reply));
        }
        let reply = accept("message", self.write(&mail.encoded.bytes).await?)?;
        self.needs_reset.set(false);
        Ok(Sent { reply, refused })
    }

    /// Writes a message as fast as the server reads it, and returns the reply.
    async fn write(&self, bytes: &[u8]) -> Result<SmtpReply> {
        self.is_in_doubt.set(true);
        // Before the first byte, because a server may refuse a message before its end.
        let reply = self.conversation.wait("message", 1);
        for piece in bytes.chunks(PIECE) {
            let Some(connection) = self.conversation.connection() else {
                break;
            };
            if let Err(failure) = connection.ready().await {
                // If the send was cancelled, this aborts the connection. Any other failure says
                // that the connection has ended. In both cases, `reply` fails with the reason.
                if failure.is::<Cancelled>() {
                    reply.cancel();
                }
                break;
            }
            // Errs with `Gone` if the connection has ended; then `reply` fails with the reason.
            let _ = connection.write(piece);
        }
        Ok(reply.await?.remove(0))
    }

    /// Whether the connection can be used again.
    pub(super) fn is_open(&self) -> bool {
        !self.conversation.has_ended()
    }

    /// Whether the server may have taken the last message although sending it has failed.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.is_in_doubt.get()
    }

    /// Sends QUIT and closes the connection.
    pub(super) fn quit(&self) {
        self.conversation.quit();
    }

    /// Fires when the connection has ended.
    pub(super) fn closed(&self) -> Deferred<()> {
        match self.conversation.connection() {
            Some(connection) => connection.closed().map_ok(drop),
            None => deferred::succeed(()),
        }
    }
}

/// Prepares a connection for messages: EHLO, STARTTLS and AUTH.
async fn prepare(
    conversation: &Conversation,
    greeting: SmtpReply,
    options: &Options,
) -> Result<Extensions> {
    accept("connect", greeting)?;
    let mut extensions = hello(conversation, options).await?;
    if let Some(tls) = options.tls.as_ref().filter(|_| !is_encrypted(conversation)) {
        if extensions.value("STARTTLS").is_some() {
            let reply = conversation.command("STARTTLS", "STARTTLS\r\n").await?;
            accept("STARTTLS", reply)?;
            let filter = tls.client.filter(&tls.name)?;
            // Bytes that an attacker has appended to the reply are read as TLS, so the handshake fails.
            conversation.insert_filter(filter).await?;
            // The extensions that were offered in the clear must be forgotten (RFC 3207, section 4.2).
            // Besides, many servers offer AUTH only under TLS.
            extensions = hello(conversation, options).await?;
        } else if tls.is_required {
            return Err(SmtpError::NotEncrypted.into());
        }
    }
    if let Some(login) = &options.login {
        if !login.in_the_clear && !is_encrypted(conversation) {
            return Err(SmtpError::NotEncrypted.into());
        }
        log_in(conversation, &extensions, login).await?;
    }
    Ok(extensions)
}

fn is_encrypted(conversation: &Conversation) -> bool {
    let connection = conversation.connection();
    connection.is_some_and(|connection| connection.filter_info::<TlsInfo>().is_some())
}

async fn hello(conversation: &Conversation, options: &Options) -> Result<Extensions> {
    let host = conversation.connection().and_then(|it| it.host().ok());
    let ip = host.and_then(|address| address.ip());
    let name = match (&options.hello, ip) {
        (Some(name), _) => name.clone(),
        (None, Some(ip)) => address::literal(ip),
        (None, None) => "localhost".to_owned(),
    };
    // The user sets the name; these characters would end it, or the command.
    if name.contains(|character: char| character.is_control() || character == ' ') {
        return Err(SmtpError::InvalidAddress { address: name }.into());
    }
    let command = format!("EHLO {name}\r\n");
    let reply = conversation.command("EHLO", command).await?;
    // A server that does not know EHLO replies 5xx. After 4xx, HELO would fail, too.
    if !reply.is_permanent() {
        return Ok(Extensions::of(&accept("EHLO", reply)?));
    }
    let command = format!("HELO {name}\r\n");
    accept("HELO", conversation.command("HELO", command).await?)?;
    Ok(Extensions::default())
}

/// AUTH PLAIN, or LOGIN if the server has only that.
async fn log_in(conversation: &Conversation, extensions: &Extensions, login: &Login) -> Result<()> {
    let Login { name, password, .. } = login;
    let replies = if extensions.has_mechanism("PLAIN") {
        let answer = STANDARD.encode(format!("\0{name}\0{password}"));
        vec![format!("AUTH PLAIN {answer}\r\n")]
    } else if extensions.has_mechanism("LOGIN") {
        let answers = [name, password].map(|text| STANDARD.encode(text) + "\r\n");
        let [name, password] = answers;
        vec!["AUTH LOGIN\r\n".to_owned(), name, password]
    } else {
        let extension = "AUTH PLAIN or LOGIN";
        return Err(SmtpError::NotSupported { extension }.into());
    };
    let last = replies.len() - 1;
    for (index, line) in replies.into_iter().enumerate() {
        let reply = conversation.command("AUTH", line).await?;
        // 334 asks for the next line. The login has succeeded only if the reply to the last line is
        // positive.
        let is_expected = if index == last {
            reply.is_positive()
        } else {
            reply.code() == 334
        };
        if !is_expected {
            return Err(SmtpError::LoginRefused { reply }.into());
        }
    }
    Ok(())
}

/// Returns `reply` if it is positive, else the error that `command` was refused.
fn accept(command: &'static str, reply: SmtpReply) -> Result<SmtpReply> {
    if reply.is_positive() {
        Ok(reply)
    } else {
        Err(refusal(command, reply))
    }
}

fn refusal(command: &'static str, reply: SmtpReply) -> Failure {
    Failure::new(SmtpError::Refused { command, reply })
}
