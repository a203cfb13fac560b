//! `Sent`: the result of sending a message.

use crate::smtp::address::MailAddress;
use crate::smtp::smtp_reply::SmtpReply;

/// The result of sending a message that the server has accepted.
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
    /// The reply with which the server accepted the message.
    pub reply: SmtpReply,
    /// The recipients that the server refused, with its replies. The message goes to the others.
    pub refused: Vec<(MailAddress, SmtpReply)>,
}
