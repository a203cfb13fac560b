//! `MaildirDelivery` and `MaildirMessage`: put the messages of an SMTP server into Maildirs.

use std::cell::RefCell;
use std::fmt;
use std::mem;
use std::rc::Rc;

use deferred::{Deferred, Failure, Result, fail, succeed};
use reactor::ReactorHandle;

use super::error::MaildirError;
use super::folder::Maildir;
use super::writer::MaildirWriter;
use crate::smtp::{Delivery, Envelope, MailAddress, Message, Recipient, SmtpReply};

/// Bytes of a message that are gathered before a thread writes them, so that most messages need
/// only one thread job.
const BUFFER: usize = 128 * 1024;

/// Delivers the messages of an [`SmtpServer`](crate::SmtpServer) to Maildirs: the [`Delivery`] for a
/// server that stores mail. (Twisted: `MaildirDirdbmDomain`.)
///
/// A closure returns the Maildir of an address; if it returns `None`, the recipient is refused with
/// "550 5.1.1". A Maildir that does not exist is created. Messages begin with a `Return-Path`.
///
/// The client gets its "250" when the message is on disk for all recipients. If the disk is full, it
/// gets a "452", so that it tries again later, and no recipient gets the message. Files are written
/// in threads; until a piece is written, no more of the message is read from the client.
///
/// # Examples
///
/// ```
/// use reactor::Reactor;
/// use reactor_mail::{Maildir, MaildirDelivery, SmtpServer};
///
/// let reactor = Reactor::new()?;
/// let delivery = MaildirDelivery::new(&reactor.handle(), |to| match to.as_str() {
///     "bob@example.org" => Some(Maildir::new("/home/bob/Maildir")),
///     _ => None,
/// });
/// reactor.listen_tcp("127.0.0.1:0", SmtpServer::new("mail.example.org", delivery))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct MaildirDelivery {
    reactor: ReactorHandle,
    find: Rc<dyn Fn(&MailAddress) -> Option<Maildir>>,
}

impl MaildirDelivery {
    /// `find` returns the Maildir of an address.
    pub fn new(
        reactor: &ReactorHandle,
        find: impl Fn(&MailAddress) -> Option<Maildir> + 'static,
    ) -> Self {
        Self {
            reactor: reactor.clone(),
            find: Rc::new(find),
        }
    }
}

impl Delivery for MaildirDelivery {
    fn validate_to(&self, _envelope: &Envelope, to: &Recipient) -> Deferred<()> {
        match (self.find)(&to.address) {
            Some(_) => succeed(()),
            None => fail(SmtpReply::new(550, "5.1.1 no such user")),
        }
    }

    fn begin(&self, envelope: &Envelope) -> Deferred<Box<dyn Message>> {
        let mut maildirs: Vec<Maildir> = Vec::new();
        for recipient in &envelope.to {
            // Called again, because a `Delivery` has no state of a connection, in which
            // `validate_to` could keep the Maildir. An address that has lost its Maildir since then
            // is left out.
            let maildir = (self.find)(&recipient.address);
            // Two addresses may have the same Maildir, which gets the message once.
            maildirs.extend(maildir.filter(|maildir| !maildirs.contains(maildir)));
        }
        let from = envelope.from.as_ref().map_or("", MailAddress::as_str);
        let mut message = MaildirMessage::new(&self.reactor, maildirs);
        // The server that makes the final delivery adds this field, before `Received` (RFC 5321,
        // section 4.4).
        let return_path = format!("Return-Path: <{from}>\r\n");
        let begun = message.data(return_path.as_bytes());
        begun.map_ok(|()| Box::new(message) as Box<dyn Message>)
    }
}

impl fmt::Debug for MaildirDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaildirDelivery").finish_non_exhaustive()
    }
}

/// A message that is received in pieces, and delivered to Maildirs at its end: for a [`Delivery`] of
/// your own.
///
/// # Examples
///
/// ```
/// # use deferred::{Deferred, succeed};
/// # use reactor::ReactorHandle;
/// use reactor_mail::{Delivery, Envelope, Maildir, MaildirMessage, Message, Recipient};
///
/// /// Takes all messages.
/// struct CatchAll(ReactorHandle, Maildir);
///
/// impl Delivery for CatchAll {
///     fn validate_to(&self, _: &Envelope, _: &Recipient) -> Deferred<()> {
///         succeed(())
///     }
///
///     fn begin(&self, _: &Envelope) -> Deferred<Box<dyn Message>> {
///         succeed(Box::new(MaildirMessage::new(&self.0, vec![self.1.clone()])))
///     }
/// }
/// # let _ = CatchAll;
/// ```
pub struct MaildirMessage {
    reactor: ReactorHandle,
    maildirs: Vec<Maildir>,
    buffer: Vec<u8>,
    /// `None` until a thread has written the first piece, and again while a thread writes another.
    // In an `Rc`, because the callback that puts the writer back may run after the message was
    // dropped.
    writer: Rc<RefCell<Option<MaildirWriter>>>,
}

impl MaildirMessage {
    /// A message to all of `maildirs`; those that do not exist are created.
    pub fn new(reactor: &ReactorHandle, maildirs: Vec<Maildir>) -> Self {
        Self {
            reactor: reactor.clone(),
            maildirs,
            buffer: Vec::new(),
            writer: Rc::default(),
        }
    }

    /// The closure with which a thread writes the gathered bytes. It returns the writer.
    fn job(
        &mut self,
    ) -> impl FnOnce() -> Result<Option<MaildirWriter>, MaildirError> + Send + 'static {
        // Bytes and writer move to the thread, and the writer comes back, so no lock is needed.
        let (maildirs, bytes) = (self.maildirs.clone(), mem::take(&mut self.buffer));
        let mut writer = self.writer.take();
        move || {
            if writer.is_none() {
                writer = begin(&maildirs)?;
            }
            if let Some(writer) = &mut writer {
                writer.write(&bytes)?;
            }
            Ok(writer)
        }
    }
}

/// Begins a message to all of `maildirs`; `None` if there are none.
fn begin(maildirs: &[Maildir]) -> Result<Option<MaildirWriter>, MaildirError> {
    for maildir in maildirs {
        // All of them before the first byte is written, because most failures happen here.
        maildir.create()?;
    }
    let Some((first, others)) = maildirs.split_first() else {
        return Ok(None);
    };
    let mut writer = first.begin()?;
    for maildir in others {
        writer.add_maildir(maildir.clone());
    }
    Ok(Some(writer))
}

impl Message for MaildirMessage {
    fn data(&mut self, data: &[u8]) -> Deferred<()> {
        self.buffer.extend_from_slice(data);
        if self.buffer.len() < BUFFER {
            return succeed(());
        }
        let job = self.job();
        let slot = Rc::clone(&self.writer);
        let written = self.reactor.defer_to_thread(move || Ok(job()?));
        written
            .map_ok(move |writer| {
                slot.replace(writer);
            })
            .map_err(reply)
    }

    fn end(mut self: Box<Self>) -> Deferred<()> {
        // One thread job for the rest, the `fsync` and the renaming. For a message shorter than
        // `BUFFER`, it is the only one.
        let job = self.job();
        let delivered = self.reactor.defer_to_thread(move || {
            if let Some(writer) = job()? {
                writer.commit()?;
            }
            Ok(())
        });
        delivered.map_err(reply)
    }
}

/// Answers a full disk with 452: the client may try again later.
fn reply(failure: Failure) -> Failure {
    match failure.check::<MaildirError>() {
        Some(error) if error.is_full() => SmtpReply::new(452, "4.3.1 insufficient storage").into(),
        // The server answers 451, without the text of the error, which may contain paths.
        _ => failure,
    }
}

impl Drop for MaildirMessage {
    fn drop(&mut self) {
        let Some(writer) = self.writer.take() else {
            return;
        };
        // A thread drops the writer, which removes its file. Errs if the reactor has no threads any
        // more; then the drop of the closure has removed the file in this thread.
        let _ = self.reactor.call_in_thread(move || drop(writer));
    }
}

impl fmt::Debug for MaildirMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaildirMessage")
            .field("maildirs", &self.maildirs)
            .finish_non_exhaustive()
    }
}
