//! SMTP: a server, which streams messages to a `Delivery`, and clients, which send messages.

mod address;
mod command;
mod data;
mod delivery;
mod envelope;
mod framing;
mod login;
mod received;
mod receiver;
mod sender;
mod server;
mod smtp_error;
mod smtp_reply;
mod smtp_settings;
mod transfer;

pub use self::address::{InvalidMailAddress, MailAddress};
pub use self::delivery::{Delivery, Message};
pub use self::envelope::{DsnNotify, DsnReturn, Envelope, Recipient};
pub use self::framing::{SmtpFrame, SmtpFraming, SmtpFramingError};
pub use self::receiver::SmtpReceiver;
#[cfg(feature = "mx")]
pub use self::sender::MxClient;
pub use self::sender::{Sent, SmtpClient, send_mail};
pub use self::server::SmtpServer;
pub use self::smtp_error::SmtpError;
pub use self::smtp_reply::SmtpReply;
