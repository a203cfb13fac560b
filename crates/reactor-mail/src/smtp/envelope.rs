//! `Envelope`: sender and recipients of a message, and what else is known about it.

use reactor::Address;

use super::address::MailAddress;

/// What the server knows about a message before its content arrives.
///
/// # Examples
///
/// ```
/// use reactor_mail::Envelope;
///
/// fn describe(envelope: &Envelope) -> String {
///     let from = envelope.from.as_ref().map_or("<>", |address| address.as_str());
///     format!("{from} to {} recipients", envelope.to.len())
/// }
/// # let _ = describe;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Envelope {
    /// The address of the client.
    pub peer: Address,
    /// The name by which the client has introduced itself (EHLO or HELO). It is not checked.
    pub hello: String,
    /// The name with which the client has logged in; `None` if it has not.
    pub login: Option<String>,
    /// Whether the connection is encrypted.
    pub is_encrypted: bool,
    /// The sender; `None` for a bounce, which must not be bounced again.
    pub from: Option<MailAddress>,
    /// The recipients that were accepted.
    pub to: Vec<Recipient>,
    /// The size that the client has announced, in bytes; `None` if it has not.
    pub size: Option<u64>,
    /// Whether the message may have bytes above 127 (`BODY=8BITMIME`).
    pub is_8bit: bool,
    /// Whether headers and addresses may be UTF-8 (`SMTPUTF8`).
    pub is_utf8: bool,
    /// How much of the message a delivery report about it returns (`RET`).
    pub returns: Option<DsnReturn>,
    /// The identifier that a delivery report about the message has to contain (`ENVID`), decoded.
    pub envelope_id: Option<String>,
}

/// A recipient of an [`Envelope`].
///
/// # Examples
///
/// ```
/// use reactor_mail::{MailAddress, Recipient};
///
/// let bob: MailAddress = "bob@example.org".parse()?;
/// assert_eq!(Recipient::new(bob).notify, None);
/// # Ok::<(), reactor_mail::InvalidMailAddress>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recipient {
    /// The address.
    pub address: MailAddress,
    /// When the sender wants a delivery report (`NOTIFY`); `None` if the client did not say.
    pub notify: Option<DsnNotify>,
    /// The address to which the sender had sent the message originally (`ORCPT`), decoded, with its
    /// type, as in `rfc822;bob@example.org`.
    pub original: Option<String>,
}

impl Recipient {
    /// A recipient without `NOTIFY` and `ORCPT`.
    pub fn new(address: MailAddress) -> Self {
        Self {
            address,
            notify: None,
            original: None,
        }
    }
}

/// How much of a message a delivery report about it returns.
///
/// # Examples
///
/// ```
/// # use reactor_mail::{DsnReturn, Envelope};
/// fn returns_all(envelope: &Envelope) -> bool {
///     envelope.returns != Some(DsnReturn::Headers)
/// }
/// # let _ = returns_all;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DsnReturn {
    /// The whole message.
    Full,
    /// Only its headers.
    Headers,
}

/// When a sender wants a report about the delivery to a recipient: never, if no field is true.
///
/// # Examples
///
/// ```
/// use reactor_mail::DsnNotify;
///
/// let never = DsnNotify::default();
/// assert!(!never.failure);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DsnNotify {
    /// When the message is delivered.
    pub success: bool,
    /// When the message cannot be delivered.
    pub failure: bool,
    /// When the delivery is delayed.
    pub delay: bool,
}
