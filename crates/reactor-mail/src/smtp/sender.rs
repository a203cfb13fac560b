//! `send_mail`: hands a message to an SMTP server.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use deferred::{Deferred, Failure, Result, Trigger, fail};
use memchr::memchr2;
use reactor::{ClientEndpoint, ConnectionClosed, Context, Lines, Protocol, ReactorHandle, ask};

use super::address::MailAddress;
use super::smtp_error::SmtpError;
use super::smtp_reply::SmtpReply;

/// How long a server may take for a reply (RFC 5321, section 4.5.3.2, has up to 10 minutes).
const REPLY_TIMEOUT: Duration = Duration::from_secs(600);
/// Most lines of a reply.
const MAX_REPLY_LINES: usize = 100;

/// Sends a message by an SMTP server: `message` with its headers, to the addresses of `to`. `from`
/// may be empty, for a bounce. (Twisted: `sendmail`.)
///
/// `server` is what [`connect_tcp`](ReactorHandle::connect_tcp) takes; for TLS from the beginning
/// (port 465), the [endpoint of a `TlsClient`](reactor_tls::TlsClient::endpoint). STARTTLS and AUTH
/// are not used. A line end that is a CR or LF alone becomes CR LF, so that no end can be smuggled
/// in. Cancelling aborts the connection.
///
/// # Errors
///
/// Through the Deferred: [`SmtpError`], and what connecting and a lost connection fail with. That
/// some recipients were refused is no failure: [`Sent::refused`] has them.
///
/// # Examples
///
/// ```
/// # use deferred::{Deferred, fail, succeed};
/// # use reactor_mail::{Delivery, Envelope, Message, Recipient, SmtpReply, SmtpServer};
/// use reactor::testing;
/// use reactor_mail::send_mail;
/// # struct Inbox;
/// # impl Delivery for Inbox {
/// #     fn validate_to(&self, _: &Envelope, to: &Recipient) -> Deferred<()> {
/// #         if to.address.as_str() == "bob@example.org" { return succeed(()); }
/// #         fail(SmtpReply::new(550, "5.1.1 no such user"))
/// #     }
/// #     fn begin(&self, _: &Envelope) -> Deferred<Box<dyn Message>> { succeed(Box::new(Text)) }
/// # }
/// # struct Text;
/// # impl Message for Text {
/// #     fn data(&mut self, _: &[u8]) -> Deferred<()> { succeed(()) }
/// #     fn end(self: Box<Self>) -> Deferred<()> { succeed(()) }
/// # }
///
/// testing::run(|reactor| {
///     # let inbox = SmtpServer::new("mail.example.org", Inbox);
///     # let port = reactor.listen_tcp("192.0.2.1:25", inbox).unwrap();
///     let to = ["bob@example.org", "carol@example.org"];
///     let sent = send_mail(reactor, "192.0.2.1:25", "eve@example.org", &to, "Subject: hi\r\n\r\nHello!\r\n");
///     let sent = reactor.block_on(sent).unwrap();
///     assert_eq!(sent.reply.code(), 250);
///     assert_eq!(sent.refused[0].0.as_str(), "carol@example.org");
///     # port.stop_listening();
/// });
/// ```
#[doc(alias = "sendmail")]
pub fn send_mail(
    reactor: &ReactorHandle,
    server: impl ClientEndpoint,
    from: &str,
    to: &[&str],
    message: impl AsRef<[u8]>,
) -> Deferred<Sent> {
    let mail = match Mail::new(from, to, message.as_ref()) {
        Ok(mail) => mail,
        Err(error) => return fail(error),
    };
    ask(reactor, server, |done| Sender::new(mail, done))
}

/// What became of a message that a server has taken.
///
/// # Examples
///
/// ```
/// # use reactor_mail::Sent;
/// fn report(sent: &Sent) {
///     for (address, reply) in &sent.refused {
///         println!("{address}: {reply}");
///     }
/// }
/// # let _ = report;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Sent {
    /// The reply with which the server took the message.
    pub reply: SmtpReply,
    /// The recipients that were refused; the message goes to the others.
    pub refused: Vec<(MailAddress, SmtpReply)>,
}

struct Mail {
    from: Option<MailAddress>,
    to: Vec<MailAddress>,
    /// With dots for the transport, and the end.
    encoded: Vec<u8>,
    is_8bit: bool,
    is_utf8: bool,
}

impl Mail {
    fn new(from: &str, to: &[&str], message: &[u8]) -> std::result::Result<Self, SmtpError> {
        let parse = |text: &str| {
            let invalid = |_| SmtpError::InvalidAddress {
                address: text.to_owned(),
            };
            text.parse::<MailAddress>().map_err(invalid)
        };
        let from = if from.is_empty() {
            None
        } else {
            Some(parse(from)?)
        };
        let to = to.iter().map(|text| parse(text));
        let to = to.collect::<std::result::Result<Vec<_>, _>>()?;
        if to.is_empty() {
            return Err(SmtpError::NoRecipient);
        }
        let is_utf8 = from
            .iter()
            .chain(&to)
            .any(|address| !address.as_str().is_ascii());
        Ok(Self {
            from,
            to,
            encoded: encode(message),
            is_8bit: !message.is_ascii(),
            is_utf8,
        })
    }
}

/// `message` as DATA takes it: each line ends in CR LF, and one that begins with a dot gets another.
fn encode(message: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(message.len() + message.len() / 32 + 16);
    let mut rest = message;
    while !rest.is_empty() {
        let end = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        if rest[0] == b'.' {
            encoded.push(b'.');
        }
        encoded.extend_from_slice(&rest[..end]);
        encoded.extend_from_slice(b"\r\n");
        let line_end = if rest[end..].starts_with(b"\r\n") {
            2
        } else {
            1
        };
        rest = rest.get(end + line_end..).unwrap_or_default();
    }
    encoded.extend_from_slice(b".\r\n");
    encoded
}

/// A command whose reply is awaited.
#[derive(Clone, Copy)]
enum Step {
    Greeting,
    Ehlo,
    /// For a server that does not know EHLO.
    Helo,
    Mail,
    /// The recipient of this index.
    Rcpt(usize),
    Data,
    Message,
}

struct Sender {
    mail: Mail,
    done: Trigger<Sent>,
    /// In the order in which they were sent.
    awaited: VecDeque<Step>,
    /// Lines of a reply whose last one has not come.
    lines: Vec<String>,
    can_pipeline: bool,
    refused: Vec<(MailAddress, SmtpReply)>,
}

impl Sender {
    fn new(mail: Mail, done: Trigger<Sent>) -> Self {
        Self {
            mail,
            done,
            awaited: VecDeque::from([Step::Greeting]),
            lines: Vec::new(),
            can_pipeline: false,
            refused: Vec::new(),
        }
    }

    fn command(&mut self, cx: &mut Context<'_, Self>, step: Step, command: String) {
        self.awaited.push_back(step);
        cx.send_line(command);
    }

    fn hello(&mut self, cx: &mut Context<'_, Self>, step: Step, verb: &str) {
        let name = match cx.host().as_inet().map(|address| address.ip()) {
            Some(ip) if ip.is_ipv4() => format!("[{ip}]"),
            Some(ip) => format!("[IPv6:{ip}]"),
            None => "localhost".to_owned(),
        };
        self.command(cx, step, format!("{verb} {name}"));
    }

    /// Sends MAIL, with what the server has offered.
    fn begin(&mut self, cx: &mut Context<'_, Self>, offered: &SmtpReply) -> Result<(), SmtpError> {
        let has = |keyword: &str| {
            let lines = offered.text().lines().skip(1);
            let mut words = lines.filter_map(|line| line.split(' ').next());
            words.any(|word| word.eq_ignore_ascii_case(keyword))
        };
        let from = self.mail.from.as_ref().map_or("", MailAddress::as_str);
        let mut command = format!("MAIL FROM:<{from}>");
        if has("SIZE") {
            command.push_str(&format!(" SIZE={}", self.mail.encoded.len()));
        }
        for (is_needed, keyword, parameter) in [
            (self.mail.is_8bit, "8BITMIME", " BODY=8BITMIME"),
            (self.mail.is_utf8, "SMTPUTF8", " SMTPUTF8"),
        ] {
            if is_needed && !has(keyword) {
                return Err(SmtpError::NotSupported { extension: keyword });
            }
            command.push_str(if is_needed { parameter } else { "" });
        }
        self.can_pipeline = has("PIPELINING");
        self.command(cx, Step::Mail, command);
        if self.can_pipeline {
            for index in 0..self.mail.to.len() {
                self.rcpt(cx, index);
            }
        }
        Ok(())
    }

    fn rcpt(&mut self, cx: &mut Context<'_, Self>, index: usize) {
        let command = format!("RCPT TO:<{}>", self.mail.to[index]);
        self.command(cx, Step::Rcpt(index), command);
    }

    fn replied(
        &mut self,
        cx: &mut Context<'_, Self>,
        step: Step,
        reply: SmtpReply,
    ) -> Result<(), SmtpError> {
        let is_expected = match step {
            Step::Data => reply.code() == 354,
            _ => reply.is_positive(),
        };
        match step {
            Step::Ehlo if reply.is_permanent() => self.hello(cx, Step::Helo, "HELO"),
            Step::Rcpt(index) => {
                if !is_expected {
                    self.refused.push((self.mail.to[index].clone(), reply));
                }
                if index + 1 < self.mail.to.len() {
                    if !self.can_pipeline {
                        self.rcpt(cx, index + 1);
                    }
                } else if self.refused.len() == self.mail.to.len() {
                    let refused = mem::take(&mut self.refused);
                    return Err(SmtpError::AllRefused { refused });
                } else {
                    self.command(cx, Step::Data, "DATA".to_owned());
                }
            }
            _ if !is_expected => return Err(SmtpError::Refused { reply }),
            Step::Greeting => self.hello(cx, Step::Ehlo, "EHLO"),
            Step::Ehlo | Step::Helo => self.begin(cx, &reply)?,
            Step::Mail => {
                if !self.can_pipeline {
                    self.rcpt(cx, 0);
                }
            }
            Step::Data => {
                self.awaited.push_back(Step::Message);
                cx.write(mem::take(&mut self.mail.encoded));
            }
            Step::Message => {
                let refused = mem::take(&mut self.refused);
                self.finish(cx, Ok(Sent { reply, refused }));
            }
        }
        Ok(())
    }

    fn finish(&mut self, cx: &mut Context<'_, Self>, result: Result<Sent>) {
        // Errs if the Deferred was cancelled: then the connection is being aborted.
        let _ = self.done.fire(result);
        cx.send_line("QUIT");
        cx.lose_connection();
    }
}

/// A line of a reply: its code, whether another line follows, and its text.
fn parse(line: &[u8]) -> Option<(u16, bool, String)> {
    let (code, rest) = line.split_at_checked(3)?;
    let is_code = code.iter().all(u8::is_ascii_digit) && (b'2'..=b'5').contains(&code[0]);
    let code = std::str::from_utf8(code).ok()?.parse().ok()?;
    let (has_more, text) = match rest {
        [b'-', text @ ..] => (true, text),
        [b' ', text @ ..] => (false, text),
        [] => (false, rest),
        _ => return None,
    };
    let text = String::from_utf8_lossy(text).into_owned();
    is_code.then_some((code, has_more, text))
}

impl Protocol for Sender {
    type Framing = Lines;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.set_idle_timeout(REPLY_TIMEOUT);
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> Result<()> {
        let parsed = parse(line).filter(|_| self.lines.len() < MAX_REPLY_LINES);
        let (Some((code, has_more, text)), false) = (parsed, self.awaited.is_empty()) else {
            self.finish(cx, Err(Failure::new(SmtpError::BadReply)));
            return Ok(());
        };
        self.lines.push(text);
        if has_more {
            return Ok(());
        }
        let reply = SmtpReply::new(code, mem::take(&mut self.lines).join("\n"));
        let Some(step) = self.awaited.pop_front() else {
            return Ok(());
        };
        if let Err(error) = self.replied(cx, step, reply) {
            self.finish(cx, Err(Failure::new(error)));
        }
        Ok(())
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, reason: ConnectionClosed) {
        let failure = match reason.into_result() {
            Ok(()) => Failure::new(SmtpError::HungUp),
            Err(failure) => failure,
        };
        // Errs if it was fired before: then the connection has ended as it should.
        let _ = self.done.errback(failure);
    }
}
