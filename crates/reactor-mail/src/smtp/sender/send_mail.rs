//! `send_mail`: sends one message through an SMTP server.

use std::rc::Rc;

use deferred::{Deferred, fail, inline_callbacks};
use reactor::{ClientEndpoint, ReactorHandle};

use super::mail::Mail;
use super::options::Options;
use super::sent::Sent;
use super::session::Session;

/// Sends a message through an SMTP server: `message`, which includes its headers, to the addresses in
/// `to`. `from` may be empty, for a bounce. (Twisted: `sendmail`.)
///
/// `server` is an address or endpoint, as for [`connect_tcp`](ReactorHandle::connect_tcp); for TLS
/// from the beginning (port 465), the
/// [endpoint of a `TlsClient`](reactor_tls::TlsClient::endpoint). For STARTTLS, a login, or several
/// messages, use an [`SmtpClient`](crate::SmtpClient). A CR or LF that stands alone in `message`
/// becomes CR LF, so that the message cannot contain its own end. Cancelling aborts the connection.
///
/// # Errors
///
/// Through the Deferred: [`SmtpError`](crate::SmtpError), and the errors of a failed or lost
/// connection. If only some recipients are refused, that is not an error: [`Sent::refused`] has them.
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
    let opening = Session::open(reactor, &server, Rc::new(Options::default()));
    inline_callbacks(async move {
        let session = opening.await?;
        let sent = session.send(&mail).await;
        // The reply to QUIT is not awaited: whether the message was sent is known by now.
        session.quit();
        sent
    })
}
