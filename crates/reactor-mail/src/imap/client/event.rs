//! `ImapEvent`: what an IMAP server says without being asked.

use std::num::NonZeroU32;

use imap_types::flag::Flag;
use imap_types::response::{Code, Data, StatusKind};

use super::message::ImapMessage;

/// What an IMAP server says without being asked, during IDLE or between the responses to a
/// command.
///
/// # Examples
///
/// ```
/// use reactor_mail::{ImapClient, ImapEvent};
///
/// fn report(client: &ImapClient) {
///     client.on_event(|event| match event {
///         ImapEvent::Exists(count) => println!("{count} messages"),
///         ImapEvent::Expunged(number) => println!("message {number} is gone"),
///         ImapEvent::Bye { text, .. } => println!("the server leaves: {text}"),
///         _ => {}
///     });
/// }
/// # let _ = report;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImapEvent {
    /// The selected mailbox has this many messages now.
    Exists(u32),
    /// So many messages of the mailbox are new to this session.
    Recent(u32),
    /// The message of this number is gone: those behind it have the number before theirs from now
    /// on.
    Expunged(NonZeroU32),
    /// Something about a message has changed, as a rule its flags.
    Message(ImapMessage),
    /// The flags that the mailbox can have.
    Flags(Vec<Flag<'static>>),
    /// A remark, which the code may say more of: `Code::Alert` is to be shown to the user.
    Notice {
        /// Whether it is information, a warning (`No`) or an error (`Bad`).
        kind: StatusKind,
        /// The remark for programs, if there is one.
        code: Option<Code<'static>>,
        /// The remark for people.
        text: String,
    },
    /// The server ends the connection.
    Bye {
        /// The reason for programs, if there is one.
        code: Option<Code<'static>>,
        /// The reason for people.
        text: String,
    },
    /// Any other data that no command waits for.
    Data(Box<Data<'static>>),
}
