//! `Link`: the state of a telnet connection, beside the protocol of the user.

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
#[non_exhaustive]
pub enum InputMode {
    /// The peer edits each line and sends it as a whole; the input is cut into lines.
    #[default]
    Lines,
    /// The peer sends each key, and the line is edited here: with a history, completion and
    /// everything that is usual in a shell. Echo and suppress-go-ahead are turned on.
    Editor,
    /// Data comes unchanged, in [`data_received`](crate::TelnetProtocol::data_received).
    Raw,
}

/// A question of `read_line` or `read_password`.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) prompt: String,
    pub(crate) is_secret: bool,
    pub(crate) trigger: Trigger<String>,
    /// Cancelled when the connection ends.
    pub(crate) answer: DeferredHandle,
}

/// A request for an option, by `TelnetContext::request`.
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
    // Plain state, without cells: handlers get it by `&mut`, and other code posts a job to the
    // connection.
    pub(crate) negotiation: Negotiation,
    /// Options that are granted if the peer asks for them.
    pub(crate) acceptable: BTreeSet<(Side, TelnetOption)>,
    /// Options that the peer has not answered yet.
    pub(crate) requests: Vec<Request>,
    /// The type of this side's terminal, which a client sends.
    pub(crate) own_terminal: Option<String>,
    pub(crate) own_window: Option<WindowSize>,
    pub(crate) peer_terminal: Option<String>,
    pub(crate) peer_window: Option<WindowSize>,

    pub(crate) mode: InputMode,
    pub(crate) lines: LineInput,
    pub(crate) editor: Editor,
    /// Input that waits to be delivered (see [`is_taking_input`](Self::is_taking_input)), not cut into
    /// lines yet.
    pub(crate) backlog: VecDeque<u8>,
    /// The Deferred of `wait_for`: no line is taken before it has fired.
    // Set by `wait_for`, with the number of its call; cleared just before the closure of that call
    // runs, which so may wait again. The closure of an earlier call leaves it alone.
    pub(crate) awaited: Option<(u64, DeferredHandle)>,
    /// Number of calls of `wait_for`.
    pub(crate) waits: u64,
    /// Reading is paused because the backlog is long. Set and cleared by the pump alone, since
    /// pauses are counted.
    pub(crate) is_paused: bool,
    /// Asked in this order, each when the one before it is answered.
    pub(crate) questions: VecDeque<Question>,
    pub(crate) prompt: String,
    /// The prompt, or that of the first question, is shown, and nothing was entered since.
    // Set by `show_prompt`. Cleared by each event that ends the line (a line, Ctrl-C, Ctrl-D) and
    // by a change of the input mode, so that the pump shows the next prompt.
    pub(crate) is_prompted: bool,
    /// The peer does not echo what it enters, because a password is asked for in the mode
    /// [`InputMode::Lines`].
    // Set by `show_prompt`, together with the offer to echo; cleared by the next line and by a change
    // of the input mode, which take the offer back, unless the new mode needs it.
    pub(crate) hides_input: bool,
    /// A question was answered, and the code that waits for the answer has not run yet.
    // Set when an answer is given, and cleared by a job that is posted at that time. The mailbox is
    // in order, so the code that waits for the answer runs before that job, and may ask again.
    pub(crate) is_answering: bool,
    /// The peer has finished sending; cleared when its handler is called.
    // Set by `read_closed`, except in the mode `Editor`, whose handler is called at once.
    pub(crate) has_ended: bool,
    /// `lose_connection` or `abort` was called: no line is taken any more.
    // Never cleared. The backlog may still have lines: the peer sent them before it learned of the
    // close.
    pub(crate) is_closing: bool,
}

impl Link {
    /// Whether the next line may be given to the protocol.
    // `has_ended` is not tested here: what was sent before the end is still answered.
    pub(crate) fn is_taking_input(&self) -> bool {
        self.awaited.is_none() && !self.is_answering && !self.is_closing
    }

    /// The prompt that is due, and whether the input is secret.
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
