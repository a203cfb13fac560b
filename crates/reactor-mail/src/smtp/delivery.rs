//! `Delivery` and `Message`: the part of an SMTP server that a program writes.

use deferred::{Deferred, fail, succeed};

use super::address::MailAddress;
use super::envelope::{Envelope, Recipient};
use super::smtp_reply::SmtpReply;

/// Where an [`SmtpServer`](crate::SmtpServer) delivers messages. (Twisted: `IMessageDelivery`.)
///
/// Each method gives a Deferred; until it fires, the client waits. A failure refuses what was asked
/// for: with its own reply if it is an [`SmtpReply`], else with "451 4.3.0", after which a client
/// tries again later.
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
    /// Checks a sender, `None` for a bounce. By default, all may send.
    #[doc(alias = "validateFrom")]
    fn validate_from(&self, envelope: &Envelope, from: Option<&MailAddress>) -> Deferred<()> {
        // The parameters have names for the documentation, so the default bodies use them.
        let _ = (envelope, from);
        succeed(())
    }

    /// Checks a recipient of the message. A server that accepts all of them relays spam.
    #[doc(alias = "validateTo")]
    fn validate_to(&self, envelope: &Envelope, to: &Recipient) -> Deferred<()>;

    /// Begins a message; what comes of it is given to the [`Message`].
    #[doc(alias = "eMessage")]
    fn begin(&self, envelope: &Envelope) -> Deferred<Box<dyn Message>>;

    /// Checks name and password, if the server
    /// [offers to log in](crate::SmtpServer::with_login). By default, all are refused.
    fn login(&self, name: &str, password: &str) -> Deferred<()> {
        let _ = (name, password);
        fail(SmtpReply::new(535, "5.7.8 wrong name or password"))
    }
}

/// A message that comes in, piece by piece: it need not fit in memory. (Twisted: `IMessage`.)
///
/// If it is dropped before [`end`](Self::end), it is not complete and must not be delivered: the
/// client hung up, or a piece was refused.
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
    /// The next piece. Nothing more is read from the client before the Deferred fires; it is
    /// cancelled if the connection ends.
    #[doc(alias = "lineReceived")]
    fn data(&mut self, data: &[u8]) -> Deferred<()>;

    /// The message is complete: when the Deferred fires, it is this side's responsibility. It is
    /// not cancelled if the connection ends: the client cannot know then, and will send the message
    /// again.
    #[doc(alias = "eomReceived")]
    fn end(self: Box<Self>) -> Deferred<()>;
}
