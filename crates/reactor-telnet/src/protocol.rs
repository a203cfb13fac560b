//! `TelnetProtocol`: the handlers of a telnet connection, which a user writes.

use deferred::Result;
use reactor::ConnectionClosed;

use crate::context::TelnetContext;
use crate::options::{Command, Side, TelnetOption, WindowSize};

/// State and handlers of one side of a telnet connection; [`Telnet`](crate::Telnet) runs them
/// as a protocol of the reactor. (Twisted: `TelnetProtocol`, `StatefulTelnetProtocol`.)
///
/// As with every protocol, a handler that returns an `Err` or panics closes its own connection.
///
/// # Examples
///
/// A server that asks for a name and a password, and then answers lines:
///
/// ```
/// use deferred::Result;
/// use reactor::testing;
/// use reactor_telnet::{Telnet, TelnetContext, TelnetProtocol};
///
/// #[derive(Default)]
/// struct Guest {
///     name: String,
/// }
///
/// impl TelnetProtocol for Guest {
///     fn connection_made(&mut self, cx: &mut TelnetContext<'_, '_, Self>) -> Result<()> {
///         let name = cx.read_line("name: ");
///         cx.when_or_cancel(name, |guest, cx, name| {
///             guest.name = name?;
///             let password = cx.read_password("password: ");
///             cx.when_or_cancel(password, |guest, cx, password| {
///                 if password? != "sesame" {
///                     cx.write("wrong\n");
///                     cx.lose_connection();
///                 }
///                 cx.set_prompt(format!("{}> ", guest.name));
///                 Ok(())
///             });
///             Ok(())
///         });
///         Ok(())
///     }
///
///     fn line_received(&mut self, cx: &mut TelnetContext<'_, '_, Self>, line: &str) -> Result<()> {
///         cx.write(format!("you said {line}\n"));
///         Ok(())
///     }
/// }
///
/// testing::run(|reactor| {
///     let (_connection, peer) = reactor.connect_to_peer(Telnet::new(Guest::default()));
///     assert_eq!(peer.received(), b"name: ");
///     peer.send("eve\r\n");
///     // WILL ECHO: what is typed is not shown.
///     assert_eq!(peer.received(), b"\xff\xfb\x01password: ");
///     // DO ECHO: the client agrees.
///     peer.send(b"\xff\xfd\x01sesame\r\n");
///     assert_eq!(peer.received(), b"\r\n\xff\xfc\x01eve> ");
///     peer.send("hi\r\n");
///     assert_eq!(peer.received(), b"you said hi\r\neve> ");
/// });
/// ```
pub trait TelnetProtocol: Sized + 'static {
    /// The connection is made. Called once, before the other handlers.
    ///
    /// # Errors
    ///
    /// Any failure closes the connection.
    fn connection_made(&mut self, cx: &mut TelnetContext<'_, '_, Self>) -> Result<()> {
        // The parameters have names without an underscore, because the documentation shows them. So
        // the default bodies use them, here and below.
        let _ = cx;
        Ok(())
    }

    /// The peer has entered a line, which comes without its end; bytes that are not UTF-8
    /// are replaced by U+FFFD. Not called for lines that
    /// [`read_line`](TelnetContext::read_line) has asked for.
    ///
    /// By default, the line is ignored.
    ///
    /// # Errors
    ///
    /// Any failure closes the connection.
    fn line_received(&mut self, cx: &mut TelnetContext<'_, '_, Self>, line: &str) -> Result<()> {
        let _ = (cx, line);
        Ok(())
    }

    /// Data has come in the mode [`Raw`](crate::InputMode::Raw).
    ///
    /// By default, it is ignored.
    ///
    /// # Errors
    ///
    /// Any failure closes the connection.
    fn data_received(&mut self, cx: &mut TelnetContext<'_, '_, Self>, data: &[u8]) -> Result<()> {
        let _ = (cx, data);
        Ok(())
    }

    /// The peer has interrupted, by Ctrl-C or by the command "interrupt process". Not called
    /// while a Deferred of [`wait_for`](TelnetContext::wait_for) is awaited: that one is
    /// cancelled instead.
    ///
    /// # Errors
    ///
    /// Any failure closes the connection.
    fn interrupted(&mut self, cx: &mut TelnetContext<'_, '_, Self>) -> Result<()> {
        let _ = cx;
        Ok(())
    }

    /// The peer has sent a command without an option. Before this call,
    /// [`Telnet`](crate::Telnet) itself has answered "are you there", and has obeyed "interrupt
    /// process", "erase character" and "erase line".
    ///
    /// # Errors
    ///
    /// Any failure closes the connection.
    fn command_received(
        &mut self,
        cx: &mut TelnetContext<'_, '_, Self>,
        command: Command,
    ) -> Result<()> {
        let _ = (cx, command);
        Ok(())
    }

    /// An option is on now, or off.
    ///
    /// # Errors
    ///
    /// Any failure closes the connection.
    #[doc(alias = "enableLocal")]
    #[doc(alias = "enableRemote")]
    #[doc(alias = "disableLocal")]
    #[doc(alias = "disableRemote")]
    fn option_changed(
        &mut self,
        cx: &mut TelnetContext<'_, '_, Self>,
        side: Side,
        option: TelnetOption,
        is_on: bool,
    ) -> Result<()> {
        let _ = (cx, side, option, is_on);
        Ok(())
    }

    /// The peer has sent a subnegotiation of an option that the peer or this side uses. Not called
    /// for those that [`Telnet`](crate::Telnet) handles itself: the size of the peer's window, the
    /// type of its terminal, and its question for the type of this side's terminal.
    ///
    /// # Errors
    ///
    /// Any failure closes the connection.
    fn subnegotiation_received(
        &mut self,
        cx: &mut TelnetContext<'_, '_, Self>,
        option: TelnetOption,
        content: &[u8],
    ) -> Result<()> {
        let _ = (cx, option, content);
        Ok(())
    }

    /// The client has sent the size of its window, or a new size.
    ///
    /// # Errors
    ///
    /// Any failure closes the connection.
    fn window_resized(
        &mut self,
        cx: &mut TelnetContext<'_, '_, Self>,
        size: WindowSize,
    ) -> Result<()> {
        let _ = (cx, size);
        Ok(())
    }

    /// The words that may replace the last word of `line` when the peer presses Tab, in the mode
    /// [`Editor`](crate::InputMode::Editor). `line` ends at the cursor. By default, there are
    /// none.
    fn completions(&mut self, cx: &mut TelnetContext<'_, '_, Self>, line: &str) -> Vec<String> {
        let _ = (cx, line);
        Vec::new()
    }

    /// The peer has pressed Ctrl-D in an empty line, in the mode
    /// [`Editor`](crate::InputMode::Editor), or has finished sending. By default, the connection
    /// is closed when all is sent.
    ///
    /// # Errors
    ///
    /// Any failure closes the connection.
    fn input_ended(&mut self, cx: &mut TelnetContext<'_, '_, Self>) -> Result<()> {
        cx.lose_connection();
        Ok(())
    }

    /// The connection is over. Called once, last.
    fn connection_lost(&mut self, cx: &mut TelnetContext<'_, '_, Self>, reason: ConnectionClosed) {
        let _ = (cx, reason);
    }
}
