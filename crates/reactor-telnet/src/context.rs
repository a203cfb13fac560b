//! `TelnetContext`: a handler's access to its telnet connection: output, questions, waits.

use std::fmt;
use std::time::Duration;

use deferred::{Deferred, DelayedCall, Result, succeed};
use reactor::{Address, Connection, Context, Handled, ReactorHandle};

use crate::encode;
use crate::link::{InputMode, Link, Question, Request};
use crate::options::{Command, IAC, Side, TelnetOption, Verb, WindowSize};
use crate::protocol::TelnetProtocol;
use crate::telnet::Telnet;

/// One side of a telnet connection, while a handler of its [`TelnetProtocol`] runs.
///
/// # Examples
///
/// ```
/// use deferred::Result;
/// use reactor::testing;
/// use reactor_telnet::{Side, Telnet, TelnetContext, TelnetOption, TelnetProtocol};
///
/// struct Host;
///
/// impl TelnetProtocol for Host {
///     fn connection_made(&mut self, cx: &mut TelnetContext<'_, '_, Self>) -> Result<()> {
///         let told = cx.request(Side::Remote, TelnetOption::TERMINAL_TYPE, true);
///         cx.when_or_cancel(told, |_host, cx, told| {
///             cx.write(if told? { "a telnet client\n" } else { "no telnet client\n" });
///             Ok(())
///         });
///         Ok(())
///     }
/// }
///
/// testing::run(|reactor| {
///     let (_connection, peer) = reactor.connect_to_peer(Telnet::new(Host));
///     // DO TERMINAL TYPE is answered with WONT.
///     assert_eq!(peer.received(), b"\xff\xfd\x18");
///     peer.send(b"\xff\xfc\x18");
///     assert_eq!(peer.received(), b"no telnet client\r\n");
/// });
/// ```
pub struct TelnetContext<'a, 'c, P: TelnetProtocol> {
    pub(crate) cx: &'a mut Context<'c, Telnet<P>>,
    pub(crate) link: &'a mut Link,
}

impl<'c, P: TelnetProtocol> TelnetContext<'_, 'c, P> {
    /// Sends text. A line end `\n` goes out as CR LF, and a CR that ends no line as CR NUL, unless
    /// the option [`BINARY`](TelnetOption::BINARY) is on for this side.
    ///
    /// If a prompt is shown, it is shown again below the text, which gets a line end if it has
    /// none. In the mode [`Editor`](InputMode::Editor), the line that is being entered is drawn
    /// again, too.
    pub fn write(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        let is_editor = self.link.mode == InputMode::Editor;
        if !self.link.is_prompted || text.is_empty() {
            return self.send_text(text);
        }
        // Prompt and line go through `send_text`, as the text does, which makes CR LF of line
        // ends.
        let mut drawn = String::new();
        if is_editor {
            self.link.editor.hide(&mut drawn);
        // The client shows the line itself, so what the peer has typed cannot be erased from here.
        // Without a prompt, the cursor is taken to be in the first column.
        } else if !self.link.due_prompt().0.is_empty() {
            drawn.push('\n');
        }
        self.send_text(drawn.as_bytes());
        self.send_text(text);
        drawn.clear();
        if !text.ends_with(b"\n") {
            drawn.push('\n');
        }
        if is_editor {
            self.link.editor.show_again(&mut drawn);
        } else {
            drawn.push_str(self.link.due_prompt().0);
        }
        self.send_text(drawn.as_bytes());
    }

    /// Sets the prompt, which is shown when the next line is awaited. It is empty at the beginning.
    pub fn set_prompt(&mut self, prompt: impl Into<String>) {
        self.link.prompt = prompt.into();
        if self.link.is_prompted && self.link.questions.is_empty() {
            self.show_prompt();
        }
    }

    /// Shows `prompt`, and takes the next line as the answer. Several questions are asked one
    /// after the other.
    ///
    /// Give the Deferred to [`when_or_cancel`](Self::when_or_cancel): a peer may hang up instead of
    /// answering. If the Deferred is cancelled for another reason, such as a timeout, the next line
    /// is dropped.
    ///
    /// # Errors
    ///
    /// Through the Deferred: [`Cancelled`](deferred::Cancelled) if the connection is over before.
    pub fn read_line(&mut self, prompt: impl Into<String>) -> Deferred<String> {
        self.ask(prompt.into(), false)
    }

    /// As [`read_line`](Self::read_line), without showing the input: this side offers to echo (RFC
    /// 857), and then echoes nothing.
    ///
    /// A peer that ignores the offer, such as `nc`, shows the password on its own screen.
    pub fn read_password(&mut self, prompt: impl Into<String>) -> Deferred<String> {
        self.ask(prompt.into(), true)
    }

    fn ask(&mut self, prompt: String, is_secret: bool) -> Deferred<String> {
        let (trigger, mut answer) = Deferred::pair();
        self.link.questions.push_back(Question {
            prompt,
            is_secret,
            trigger,
            answer: answer.handle(),
        });
        // Shown now only if this is the first question, and replaces a prompt that is shown:
        // otherwise the pump shows the question when it is due.
        if self.link.is_prompted && self.link.questions.len() == 1 {
            self.show_prompt();
        }
        answer
    }

    /// Sets how input is given to the protocol.
    pub fn set_input_mode(&mut self, mode: InputMode) {
        if mode == self.link.mode {
            return;
        }
        let mut drawn = String::new();
        self.link.editor.hide(&mut drawn);
        self.link.is_prompted = false;
        self.send_text(drawn.as_bytes());
        let is_editor = mode == InputMode::Editor;
        // Between `Lines` and `Raw` there is nothing to negotiate but the end of a password: in both,
        // the client edits and echoes. It sends single keys only if this side has both options on.
        if std::mem::take(&mut self.link.hides_input) && !is_editor {
            self.negotiate(Side::Local, TelnetOption::ECHO, false);
        }
        for option in [TelnetOption::ECHO, TelnetOption::SUPPRESS_GO_AHEAD] {
            if is_editor || self.link.mode == InputMode::Editor {
                self.negotiate(Side::Local, option, is_editor);
            }
        }
        if is_editor {
            // The editor counts rows, so it has to know where lines wrap.
            self.negotiate(Side::Remote, TelnetOption::WINDOW_SIZE, true);
        }
        // Last: the conditions above compare with the mode that ends.
        self.link.mode = mode;
    }

    /// The current input mode.
    pub fn input_mode(&self) -> InputMode {
        self.link.mode
    }

    /// The lines that were entered in the mode [`Editor`](InputMode::Editor), the oldest first;
    /// the last 200 are kept.
    pub fn history(&self) -> impl Iterator<Item = &str> {
        self.link.editor.history()
    }

    /// Sets how many bytes a line may have in the mode [`Lines`](InputMode::Lines): 16 KiB unless
    /// it is set. A longer line closes the connection, with
    /// [`TelnetError::LineTooLong`](crate::TelnetError::LineTooLong).
    pub fn set_max_line_length(&mut self, bytes: usize) {
        self.link.lines.set_limit(bytes);
    }

    /// Requests that an option of a side is on or off. The Deferred fires with whether the option
    /// is on: when the peer has answered, or at once if no answer is needed. The peer may refuse
    /// to turn an option on, but not to turn it off.
    ///
    /// A peer that knows no telnet never answers: add a timeout.
    ///
    /// # Errors
    ///
    /// Through the Deferred: [`Cancelled`](deferred::Cancelled) if the connection is over before.
    #[doc(alias = "will")]
    #[doc(alias = "do_")]
    pub fn request(&mut self, side: Side, option: TelnetOption, on: bool) -> Deferred<bool> {
        // Also if such a request is pending: then the state machine remembers the newer request,
        // and sends no second verb.
        self.negotiate(side, option, on);
        // The option has the requested state already, so the peer will send no verb for it.
        if !self.link.negotiation.is_pending(side, option) {
            return succeed(self.is_on(side, option));
        }
        let (trigger, mut settled) = Deferred::pair();
        self.link.requests.push(Request {
            side,
            option,
            trigger,
            settled: settled.handle(),
        });
        settled
    }

    pub(crate) fn negotiate(&mut self, side: Side, option: TelnetOption, on: bool) {
        if let Some(verb) = self.link.negotiation.request(side, option, on) {
            self.send_verb(verb, option);
        }
    }

    pub(crate) fn send_verb(&mut self, verb: Verb, option: TelnetOption) {
        // Not through `send_text`, here and for subnegotiations and commands: their IAC must not be
        // doubled.
        self.cx.write(encode::negotiation(verb, option));
    }

    /// Whether an option is on.
    pub fn is_on(&self, side: Side, option: TelnetOption) -> bool {
        self.link.negotiation.is_on(side, option)
    }

    /// Grants the option if the peer asks for it.
    pub fn accept(&mut self, side: Side, option: TelnetOption) {
        self.link.acceptable.insert((side, option));
    }

    /// Sends the content of an option; the byte 255 in it is doubled.
    #[doc(alias = "requestNegotiation")]
    pub fn send_subnegotiation(&mut self, option: TelnetOption, content: impl AsRef<[u8]>) {
        self.cx
            .write(encode::subnegotiation(option, content.as_ref()));
    }

    /// Sends a command that stands alone.
    pub fn send_command(&mut self, command: Command) {
        self.cx.write([IAC, command.0]);
    }

    /// The size of the peer's window, once the peer has sent it.
    pub fn window_size(&self) -> Option<WindowSize> {
        self.link.peer_window
    }

    /// The type of the peer's terminal, in lower case, once the peer has sent it.
    pub fn terminal_type(&self) -> Option<&str> {
        self.link.peer_terminal.as_deref()
    }

    /// As a client: sets the size of this side's window, and sends it if the server has asked
    /// for it.
    pub fn set_window_size(&mut self, size: WindowSize) {
        self.link.own_window = Some(size);
        self.accept(Side::Local, TelnetOption::WINDOW_SIZE);
        // If the option is off, the size is sent when the server turns it on: see `begin`. A client
        // sends each later change without being asked (RFC 1073).
        if self.is_on(Side::Local, TelnetOption::WINDOW_SIZE) {
            self.send_subnegotiation(TelnetOption::WINDOW_SIZE, size.to_bytes());
        }
    }

    /// Calls `f` when `deferred` has its result, as
    /// [`Context::when`](reactor::Context::when) does.
    pub fn when<T, F, H>(&mut self, deferred: Deferred<T>, f: F)
    where
        T: 'static,
        F: FnOnce(&mut P, &mut TelnetContext<'_, '_, P>, Result<T>) -> H + 'static,
        H: Handled,
    {
        self.cx.when(deferred, |telnet, cx, result| {
            // `run`, not `call`, in each of these closures: after `f`, the next line may be due,
            // which only a pump delivers.
            telnet.run(cx, |protocol, cx| f(protocol, cx, result).into_result())
        });
    }

    /// As [`when`](Self::when), and cancels `deferred` if the connection ends first. Use it for
    /// the answer to a question, which cannot come then.
    pub fn when_or_cancel<T, F, H>(&mut self, deferred: Deferred<T>, f: F)
    where
        T: 'static,
        F: FnOnce(&mut P, &mut TelnetContext<'_, '_, P>, Result<T>) -> H + 'static,
        H: Handled,
    {
        self.cx.when_or_cancel(deferred, |telnet, cx, result| {
            telnet.run(cx, |protocol, cx| f(protocol, cx, result).into_result())
        });
    }

    /// As [`when_or_cancel`](Self::when_or_cancel), and delivers no line until `deferred` has
    /// fired: input that comes until then waits. If the peer interrupts, by Ctrl-C, `deferred` is
    /// cancelled.
    ///
    /// Input waits for the Deferred of the latest call only: that of an earlier call goes on, and its
    /// closure is still called.
    pub fn wait_for<T, F, H>(&mut self, mut deferred: Deferred<T>, f: F)
    where
        T: 'static,
        F: FnOnce(&mut P, &mut TelnetContext<'_, '_, P>, Result<T>) -> H + 'static,
        H: Handled,
    {
        self.link.waits += 1;
        let number = self.link.waits;
        self.link.awaited = Some((number, deferred.handle()));
        self.cx.when_or_cancel(deferred, move |telnet, cx, result| {
            telnet.link.awaited.take_if(|(of, _)| *of == number);
            telnet.run(cx, |protocol, cx| f(protocol, cx, result).into_result())
        });
    }

    /// Calls `f` after `delay`, as [`Context::call_later`](reactor::Context::call_later) does.
    pub fn call_later<F, H>(&mut self, delay: Duration, f: F) -> DelayedCall
    where
        F: FnOnce(&mut P, &mut TelnetContext<'_, '_, P>) -> H + 'static,
        H: Handled,
    {
        self.cx.call_later(delay, |telnet, cx| {
            telnet.run(cx, |protocol, cx| f(protocol, cx).into_result())
        })
    }

    /// Closes the connection when all that was written is sent.
    #[doc(alias = "loseConnection")]
    pub fn lose_connection(&mut self) {
        // The transport closes only when the handler has returned. The flag keeps the pump, which
        // may be on the stack, from delivering further lines.
        self.link.is_closing = true;
        self.cx.lose_connection();
    }

    /// Closes the connection now; what was not sent is discarded.
    pub fn abort(&mut self) {
        self.link.is_closing = true;
        self.cx.abort();
    }

    /// A handle on the connection.
    pub fn connection(&self) -> Connection<Telnet<P>> {
        self.cx.connection()
    }

    /// The reactor.
    pub fn reactor(&self) -> &'c ReactorHandle {
        self.cx.reactor()
    }

    /// The address of the peer.
    pub fn peer(&self) -> &'c Address {
        self.cx.peer()
    }

    pub(crate) fn send_text(&mut self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        // Room for a CR with each line of eight bytes; with more, it grows.
        let mut encoded = Vec::with_capacity(text.len() + text.len() / 8);
        if self.link.is_binary_output() {
            encode::binary(text, &mut encoded);
        } else {
            encode::text(text, &mut encoded);
        }
        self.cx.write(encoded);
    }

    /// Shows the prompt that is due, below what was sent.
    pub(crate) fn show_prompt(&mut self) {
        let (prompt, is_secret) = self.link.due_prompt();
        let mut drawn = prompt.to_owned();
        if self.link.mode == InputMode::Editor {
            // Copied out of the link, since the editor that draws it is a part of the link, too.
            let prompt = std::mem::take(&mut drawn);
            self.link.editor.show(&prompt, is_secret, &mut drawn);
        }
        self.link.is_prompted = true;
        // The offer goes out before the prompt, so that the client has it before the first key. In
        // the mode `Editor` this side echoes anyway, and draws nothing of a secret.
        if self.link.mode == InputMode::Lines && is_secret && !self.link.hides_input {
            self.link.hides_input = true;
            self.negotiate(Side::Local, TelnetOption::ECHO, true);
        }
        self.send_text(drawn.as_bytes());
    }
}

impl<P: TelnetProtocol> fmt::Debug for TelnetContext<'_, '_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelnetContext")
            .field("peer", self.peer())
            .finish_non_exhaustive()
    }
}
