//! `Delivery` and `Message`: the traits of an SMTP server that a program implements.

use deferred::{Deferred, fail, succeed};

use super::address::MailAddress;
use super::envelope::{Envelope, Recipient};
use super::smtp_reply::SmtpReply;

/// Where an [`SmtpServer`](crate::SmtpServer) delivers messages. (Twisted: `IMessageDelivery`.)
///
/// Each method returns a Deferred; until it fires, the client waits for the reply. A failure refuses
/// the command or the message: with the failure itself as reply if it is an [`SmtpReply`], else with
/// "451 4.3.0", after which a client tries again later.
///
/// # Examples
///
/// ```
/// use deferred::{Deferred, fail, succeed};
/// use reactor::testing;
/// use reactor_mail::{Delivery, Envelope, Message, Recipient, SmtpReply, SmtpServer};
///
/// struct Inbox;
///
/// impl Delivery for Inbox {
///     fn validate_to(&self, _: &Envelope, to: &Recipient) -> Deferred<()> {
///         match to.address.as_str() {
///             "bob@example.org" => succeed(()),
///             _ => fail(SmtpReply::new(550, "5.1.1 no such user")),
///         }
///     }
///
///     fn begin(&self, _: &Envelope) -> Deferred<Box<dyn Message>> {
///         succeed(Box::new(Text(Vec::new())))
///     }
/// }
///
/// struct Text(Vec<u8>);
///
/// impl Message for Text {
///     fn data(&mut self, data: &[u8]) -> Deferred<()> {
///         self.0.extend_from_slice(data);
///         succeed(())
///     }
///
///     fn end(self: Box<Self>) -> Deferred<()> {
///         assert!(self.0.starts_with(b"Received: from here"));
///         assert!(self.0.ends_with(b"Subject: hi\r\n\r\n.hello\r\n"));
///         succeed(())
///     }
/// }
///
/// testing::run(|reactor| {
///     let server = SmtpServer::new("mail.example.org", Inbox);
///     let (_connection, client) = reactor.connect_to_peer(server.receiver());
///     client.send("EHLO here\r\nMAIL FROM:<eve@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n");
///     client.send("Subject: hi\r\n\r\n..hello\r\n.\r\nQUIT\r\n");
///     let replies = String::from_utf8(client.received()).unwrap();
///     assert!(replies.ends_with("250 2.0.0 delivered\r\n221 2.0.0 goodbye\r\n"));
/// });
/// ```
pub trait Delivery: 'static {
    /// Checks the sender of a message, `None` for a bounce. By default, each sender is accepted.
    #[doc(alias = "validateFrom")]
    fn validate_from(&self, envelope: &Envelope, from: Option<&MailAddress>) -> Deferred<()> {
        // The parameters have names for the documentation, so the default bodies use them.
        let _ = (envelope, from);
        succeed(())
    }

    /// Checks a recipient of the message. A server that accepts all of them relays spam.
    #[doc(alias = "validateTo")]
    fn validate_to(&self, envelope: &Envelope, to: &Recipient) -> Deferred<()>;

    /// Begins a message. The server passes its content to the [`Message`].
    #[doc(alias = "eMessage")]
    fn begin(&self, envelope: &Envelope) -> Deferred<Box<dyn Message>>;

    /// Checks name and password, if the server
    /// [offers to log in](crate::SmtpServer::with_login). By default, all are refused.
    fn login(&self, name: &str, password: &str) -> Deferred<()> {
        let _ = (name, password);
        fail(SmtpReply::new(535, "5.7.8 wrong name or password"))
    }
}

/// A message that is received piece by piece, so that it need not fit in memory. (Twisted:
/// `IMessage`.)
///
/// If it is dropped before [`end`](Self::end), the message is not complete and must not be delivered:
/// the client hung up, a piece was refused, or a limit of the server was exceeded.
///
/// # Examples
///
/// A message that is counted:
///
/// ```
/// use deferred::{Deferred, succeed};
/// use reactor_mail::Message;
///
/// struct Count(u64);
///
/// impl Message for Count {
///     fn data(&mut self, data: &[u8]) -> Deferred<()> {
///         self.0 += data.len() as u64;
///         succeed(())
///     }
///
///     fn end(self: Box<Self>) -> Deferred<()> {
///         println!("{} bytes", self.0);
///         succeed(())
///     }
/// }
/// # let mut count = Count(0);
/// # count.data(b"x").ignore();
/// # Box::new(count).end().ignore();
/// ```
pub trait Message: 'static {
    /// Takes the next piece. Nothing more is read from the client before the Deferred fires; it is
    /// cancelled if the connection ends.
    #[doc(alias = "lineReceived")]
    fn data(&mut self, data: &[u8]) -> Deferred<()>;

    /// Delivers the message, which is complete. When the Deferred fires, this side has the
    /// responsibility for the message.
    ///
    /// The Deferred is not cancelled if the connection ends first. The client then does not know
    /// whether the message was delivered, and will send it again, so it may be delivered twice.
    #[doc(alias = "eomReceived")]
    fn end(self: Box<Self>) -> Deferred<()>;
}
