//! `Session`: a connection that is ready for messages: greeted, encrypted, logged in.

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

/// How much of a message is written at once; the next piece waits until there is room.
const PIECE: usize = 64 * 1024;

/// A connection that is ready for messages.
pub(super) struct Session {
    conversation: Conversation,
    extensions: Extensions,
    /// Set by MAIL, cleared when the server has taken the message: a transaction is open, and
    /// RSET must end it.
    // Set before MAIL goes out, as its reply may be lost; a RSET without a transaction is harmless.
    needs_reset: Cell<bool>,
    /// Set when the first byte of a message goes out, which the server may have taken then.
    // Cleared at the beginning of the next message only: a refusal leaves it, and the callers look
    // at the error, too.
    is_in_doubt: Cell<bool>,
}

impl Session {
    /// Connects and gets ready. The attempt begins before this returns.
    pub(super) fn open(
        reactor: &ReactorHandle,
        server: &impl ClientEndpoint,
        options: Rc<Options>,
    ) -> Deferred<Self> {
        // Outside of the body, which could not borrow `server` for as long as it runs.
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
        // After these errors, each command has its reply, and the next message can begin with RSET.
        // After any other, it is not known what the server still waits for.
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
        // Before RSET: a message that does not fit the server costs no command.
        let command = mail.command(&self.extensions)?;
        if self.needs_reset.get() {
            accept("RSET", conversation.command("RSET", "RSET\r\n").await?)?;
        }
        self.needs_reset.set(true);
        let recipients = mail.to.iter().map(|to| format!("RCPT TO:<{to}>\r\n"));
        // DATA is not sent with them, although RFC 2920 allows it: a server that has refused all
        // recipients might accept it, and wait for a message.
        let replies = if self.extensions.value("PIPELINING").is_some() {
            let text = std::iter::once(command).chain(recipients);
            let text = text.collect::<String>();
            let mut replies = conversation
                .exchange("RCPT", text, mail.to.len() + 1)
                .await?;
            // After all replies have come: the conversation is in step again, whatever MAIL got.
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

    /// Writes a message as fast as the server takes it, and gives the reply.
    async fn write(&self, bytes: &[u8]) -> Result<SmtpReply> {
        self.is_in_doubt.set(true);
        // Before the first byte: a server may refuse a message in the middle of it.
        let reply = self.conversation.wait("message", 1);
        for piece in bytes.chunks(PIECE) {
            let Some(connection) = self.conversation.connection() else {
                break;
            };
            if let Err(failure) = connection.ready().await {
                if failure.is::<Cancelled>() {
                    reply.cancel();
                }
                // The connection is over, and `reply` fails with the reason.
                break;
            }
            // `Gone` if it is over: `reply` says why.
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

    /// Says goodbye.
    pub(super) fn quit(&self) {
        self.conversation.quit();
    }

    /// Fires when the connection is over.
    pub(super) fn closed(&self) -> Deferred<()> {
        match self.conversation.connection() {
            Some(connection) => connection.closed().map_ok(drop),
            None => deferred::succeed(()),
        }
    }
}

/// EHLO, STARTTLS and AUTH.
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
            // Whatever has arrived behind the reply is read as TLS, which it is not.
            conversation.insert_filter(filter).await?;
            // What was offered in the clear does not count (RFC 3207, section 4.2).
            // Mechanisms differ, too: many servers offer AUTH only under TLS.
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
    let ip = host.and_then(|address| address.as_inet().map(|address| address.ip()));
    let name = match (&options.hello, ip) {
        (Some(name), _) => name.clone(),
        (None, Some(ip)) => address::literal(ip),
        (None, None) => "localhost".to_owned(),
    };
    // The name is set by the user, and would end the command.
    if name.contains(|character: char| character.is_control() || character == ' ') {
        return Err(SmtpError::InvalidAddress { address: name }.into());
    }
    let command = format!("EHLO {name}\r\n");
    let reply = conversation.command("EHLO", command).await?;
    // A server that does not know EHLO says 5xx. With 4xx, it has no time now, and HELO helps
    // nothing.
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
        // 334 asks for more; only behind the last line, a positive reply means that the login is
        // done.
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

/// `reply`, unless it refuses `command`.
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
