//! SMTP: a receiver, which streams messages to a `Delivery`.

mod address;
mod command;
mod delivery;
mod envelope;
mod framing;
mod login;
mod receiver;
mod server;
mod smtp_reply;
mod transfer;

pub use self::address::{InvalidMailAddress, MailAddress};
pub use self::delivery::{Delivery, Message};
pub use self::envelope::{DsnNotify, DsnReturn, Envelope, Recipient};
pub use self::framing::{SmtpFrame, SmtpFraming, SmtpFramingError};
pub use self::receiver::SmtpReceiver;
pub use self::server::SmtpServer;
pub use self::smtp_reply::SmtpReply;
