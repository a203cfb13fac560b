//! `Sent`: what became of a message.

use crate::smtp::address::MailAddress;
use crate::smtp::smtp_reply::SmtpReply;

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
