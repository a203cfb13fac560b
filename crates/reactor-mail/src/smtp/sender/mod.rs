//! SMTP clients: send one message, or several over a connection that is kept.

mod client;
mod extensions;
mod mail;
#[cfg(feature = "mx")]
mod mx;
mod options;
mod replies;
mod send_mail;
mod sent;
mod session;

pub use self::client::SmtpClient;
#[cfg(feature = "mx")]
pub use self::mx::MxClient;
pub use self::send_mail::send_mail;
pub use self::sent::Sent;
