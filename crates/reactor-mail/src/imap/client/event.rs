//! `ImapEvent`: responses of an IMAP server that no command has asked for.

use std::num::NonZeroU32;

use imap_types::flag::Flag;
use imap_types::response::{Code, Data, StatusKind};

use super::message::ImapMessage;

/// A response of an IMAP server that no command has asked for. It may come during IDLE, or between
/// the responses to a command.
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
    /// The selected mailbox has this many messages with the flag `\Recent`, which are new to this
    /// session.
    Recent(u32),
    /// The message with this number was removed. The numbers of all messages behind it are now one
    /// less.
    Expunged(NonZeroU32),
    /// Items of a message have changed, usually its flags.
    Message(ImapMessage),
    /// The flags that messages of the selected mailbox can have.
    Flags(Vec<Flag<'static>>),
    /// A remark of the server. If the code is `Code::Alert`, the text must be shown to the user.
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
