//! `Telnet`: the protocol of the reactor that runs a `TelnetProtocol`.

use std::fmt;

use deferred::Result;
use reactor::{ConnectionClosed, Context, Frame, Protocol};

use crate::context::TelnetContext;
use crate::framing::{TelnetFrame, TelnetFraming};
use crate::link::{InputMode, Link};
use crate::options::{Side, TelnetOption, WindowSize};
use crate::protocol::TelnetProtocol;

/// One side of a telnet connection: a [`Protocol`] that runs the [`TelnetProtocol`] of a user.
///
/// # Examples
///
/// ```
/// # use deferred::Result;
/// # use reactor::Reactor;
/// use reactor_telnet::{InputMode, Telnet, TelnetContext, TelnetProtocol};
///
/// struct Shout;
///
/// impl TelnetProtocol for Shout {
///     fn line_received(&mut self, cx: &mut TelnetContext<'_, '_, Self>, line: &str) -> Result<()> {
///         cx.write(format!("{}\n", line.to_uppercase()));
///         Ok(())
///     }
/// }
///
/// let reactor = Reactor::new()?;
/// reactor.listen_tcp("127.0.0.1:0", || Telnet::new(Shout).with_input_mode(InputMode::Editor))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Telnet<P: TelnetProtocol> {
    pub(crate) protocol: P,
    pub(crate) link: Link,
    // Not put into `link.mode` by the builder: `set_input_mode` negotiates at a change only, and
    // before the connection is made there is nothing to negotiate on. Not read after
    // `connection_made`.
    mode: InputMode,
}

impl<P: TelnetProtocol> Telnet<P> {
    /// A server, in the mode [`InputMode::Lines`]. It grants the options that do no harm: suppress
    /// go-ahead and binary on both sides, and on the client's side the size of its window and the
    /// type of its terminal.
    pub fn new(protocol: P) -> Self {
        Self::with_acceptable(
            protocol,
            &[
                (Side::Local, TelnetOption::SUPPRESS_GO_AHEAD),
                (Side::Local, TelnetOption::BINARY),
                (Side::Remote, TelnetOption::SUPPRESS_GO_AHEAD),
                (Side::Remote, TelnetOption::BINARY),
                (Side::Remote, TelnetOption::WINDOW_SIZE),
                (Side::Remote, TelnetOption::TERMINAL_TYPE),
            ],
        )
    }

    /// A client, in the mode [`InputMode::Raw`]. It grants the echo of the server, and suppress
    /// go-ahead and binary on both sides. [`with_terminal`](Self::with_terminal) adds the options
    /// that tell the server about the client's terminal.
    pub fn client(protocol: P) -> Self {
        Self::with_acceptable(
            protocol,
            &[
                (Side::Remote, TelnetOption::ECHO),
                (Side::Remote, TelnetOption::SUPPRESS_GO_AHEAD),
                (Side::Remote, TelnetOption::BINARY),
                (Side::Local, TelnetOption::SUPPRESS_GO_AHEAD),
                (Side::Local, TelnetOption::BINARY),
            ],
        )
        .with_input_mode(InputMode::Raw)
    }

    fn with_acceptable(protocol: P, acceptable: &[(Side, TelnetOption)]) -> Self {
        let link = Link {
            acceptable: acceptable.iter().copied().collect(),
            ..Link::default()
        };
        Self {
            protocol,
            link,
            mode: InputMode::default(),
        }
    }

    /// The mode with which the connection begins.
    #[must_use]
    pub fn with_input_mode(mut self, mode: InputMode) -> Self {
        self.mode = mode;
        self
    }

    /// As a client: tells the server, if it asks, the type of the terminal, such as
    /// `xterm-256color`, and the size of the window.
    #[must_use]
    pub fn with_terminal(mut self, name: impl Into<String>, size: WindowSize) -> Self {
        self.link.own_terminal = Some(name.into());
        self.link.own_window = Some(size);
        for option in [TelnetOption::TERMINAL_TYPE, TelnetOption::WINDOW_SIZE] {
            self.link.acceptable.insert((Side::Local, option));
        }
        self
    }

    /// Calls `f` with the user's protocol and its context. It is for closures that get the whole
    /// `Telnet`, such as that of [`Connection::post`](reactor::Connection::post).
    ///
    /// Afterwards, input that has waited is delivered, unless the protocol still
    /// [waits](TelnetContext::wait_for).
    ///
    /// # Errors
    ///
    /// That of `f`, or of a handler that gets the input that has waited.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::testing;
    /// # use reactor_telnet::{Telnet, TelnetProtocol};
    /// # struct Guest;
    /// # impl TelnetProtocol for Guest {}
    /// testing::run(|reactor| {
    ///     let (connection, peer) = reactor.connect_to_peer(Telnet::new(Guest));
    ///     let told = connection.post(|telnet, cx| {
    ///         telnet.run(cx, |_guest, cx| Ok(cx.write("The server stops in a minute.\n")))
    ///     });
    ///     told.unwrap();
    ///     assert_eq!(peer.received(), b"The server stops in a minute.\r\n");
    /// });
    /// ```
    pub fn run(
        &mut self,
        cx: &mut Context<'_, Self>,
        f: impl FnOnce(&mut P, &mut TelnetContext<'_, '_, P>) -> Result<()>,
    ) -> Result<()> {
        self.call(cx, f)?;
        self.pump(cx)
    }

    /// As [`run`](Self::run), but delivers no input that has waited.
    pub(crate) fn call<R>(
        &mut self,
        cx: &mut Context<'_, Self>,
        f: impl FnOnce(&mut P, &mut TelnetContext<'_, '_, P>) -> R,
    ) -> R {
        let link = &mut self.link;
        f(&mut self.protocol, &mut TelnetContext { cx, link })
    }
}

impl<P: TelnetProtocol> Protocol for Telnet<P> {
    type Framing = TelnetFraming;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        let mode = self.mode;
        self.run(cx, |protocol, cx| {
            // Before the handler, which may set another mode, and whose first prompt needs the
            // editor.
            cx.set_input_mode(mode);
            protocol.connection_made(cx)
        })
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, frame: Frame<'_, Self>) -> Result<()> {
        match frame {
            TelnetFrame::Data(data) => self.data_received(cx, data),
            TelnetFrame::Command(command) => {
                // Before the handler, which so sees the effect of the command: a character or the
                // line is erased, or the Deferred of `wait_for` is cancelled.
                self.obey(cx, command)?;
                self.run(cx, |protocol, cx| protocol.command_received(cx, command))
            }
            TelnetFrame::Negotiation(verb, option) => self.negotiation_received(cx, verb, option),
            TelnetFrame::Subnegotiation(option, content) => {
                self.content_received(cx, option, &content)
            }
        }
    }

    fn read_closed(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        if self.link.mode == InputMode::Editor {
            // The person has hung up. The protocol learns that at once, even if earlier input
            // still waits, since the answers to that input would not be read.
            return self.call(cx, |protocol, cx| protocol.input_ended(cx));
        }
        // `input_ended` is called by the pump, after the input that came before the end.
        self.link.has_ended = true;
        self.pump(cx)
    }

    fn connection_lost(&mut self, cx: &mut Context<'_, Self>, reason: ConnectionClosed) {
        // The Deferreds that wait for an answer are cancelled, because the drop of their triggers
        // alone would fail them with `Abandoned`. Before `connection_lost` of the protocol, which
        // is the last call that it gets.
        for question in std::mem::take(&mut self.link.questions) {
            question.answer.cancel();
        }
        for request in std::mem::take(&mut self.link.requests) {
            request.settled.cancel();
        }
        self.call(cx, |protocol, cx| protocol.connection_lost(cx, reason));
    }
}

impl<P: TelnetProtocol + fmt::Debug> fmt::Debug for Telnet<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telnet")
            .field("protocol", &self.protocol)
            .field("input_mode", &self.link.mode)
            .finish_non_exhaustive()
    }
}
