//! `Link`: what a telnet connection keeps beside the protocol of the user.

use std::collections::{BTreeSet, VecDeque};

use deferred::{DeferredHandle, Trigger};

use crate::editor::Editor;
use crate::lines::LineInput;
use crate::options::{Negotiation, Side, TelnetOption, WindowSize};

/// How the peer's input is given to the protocol.
///
/// # Examples
///
/// ```
/// # use reactor_telnet::{InputMode, Telnet, TelnetProtocol};
/// # struct Guest;
/// # impl TelnetProtocol for Guest {}
/// let shell = Telnet::new(Guest).with_input_mode(InputMode::Editor);
/// # let _ = shell;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InputMode {
    /// The peer edits lines and sends each whole; what comes is cut into lines.
    #[default]
    Lines,
    /// The peer sends each key, and the line is edited here: with a history, completion and
    /// everything that is usual in a shell. Echo and suppress-go-ahead are turned on.
    Editor,
    /// Data comes as it is, in [`data_received`](crate::TelnetProtocol::data_received).
    Raw,
}

/// What was asked for with `read_line` or `read_password`.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) prompt: String,
    pub(crate) is_secret: bool,
    pub(crate) trigger: Trigger<String>,
    /// Cancelled when the connection ends.
    pub(crate) answer: DeferredHandle,
}

/// What was asked for with `request`.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) side: Side,
    pub(crate) option: TelnetOption,
    pub(crate) trigger: Trigger<bool>,
    /// Cancelled when the connection ends.
    pub(crate) settled: DeferredHandle,
}

#[derive(Debug, Default)]
pub(crate) struct Link {
    pub(crate) negotiation: Negotiation,
    /// Options that are granted if the peer asks for them.
    pub(crate) acceptable: BTreeSet<(Side, TelnetOption)>,
    /// Options that the peer has not answered yet.
    pub(crate) requests: Vec<Request>,
    /// What this side says about its own terminal, as a client.
    pub(crate) own_terminal: Option<String>,
    pub(crate) own_window: Option<WindowSize>,
    pub(crate) peer_terminal: Option<String>,
    pub(crate) peer_window: Option<WindowSize>,

    pub(crate) mode: InputMode,
    pub(crate) lines: LineInput,
    pub(crate) editor: Editor,
    /// Data that no line was made of yet: behind a line that is worked on.
    pub(crate) backlog: VecDeque<u8>,
    /// The Deferred of `wait_for`: no line is taken before it has fired.
    pub(crate) awaited: Option<DeferredHandle>,
    /// Reading is paused because the backlog is long. Set and cleared by the pump alone, since
    /// pauses are counted.
    pub(crate) is_paused: bool,
    /// Asked in this order, each when the one before it is answered.
    pub(crate) questions: VecDeque<Question>,
    pub(crate) prompt: String,
    /// The prompt, or that of the first question, is shown, and nothing was entered since.
    pub(crate) is_prompted: bool,
    /// The peer does not echo what it enters, because a password is asked for in the mode
    /// [`InputMode::Lines`].
    pub(crate) hides_input: bool,
    /// An answer was given to what has asked for it, which has not gone on yet.
    pub(crate) is_answering: bool,
    /// The peer has finished sending; cleared when its handler is called.
    pub(crate) has_ended: bool,
    /// `lose_connection` or `abort` was called: no line is taken any more.
    pub(crate) is_closing: bool,
}

impl Link {
    /// Whether the next line may be given to the protocol.
    pub(crate) fn is_taking_input(&self) -> bool {
        self.awaited.is_none() && !self.is_answering && !self.is_closing
    }

    /// The prompt that is due, and whether what is entered is secret.
    pub(crate) fn due_prompt(&self) -> (&str, bool) {
        match self.questions.front() {
            Some(question) => (&question.prompt, question.is_secret),
            None => (&self.prompt, false),
        }
    }

    pub(crate) fn is_binary_output(&self) -> bool {
        self.negotiation.is_on(Side::Local, TelnetOption::BINARY)
    }
}
