//! Handles the negotiations and subnegotiations of the peer.

use deferred::Result;
use reactor::Context;

use crate::context::TelnetContext;
use crate::link::{InputMode, Request};
use crate::options::{Side, TelnetOption, Verb, WindowSize};
use crate::protocol::TelnetProtocol;
use crate::telnet::Telnet;

/// First byte of the content of the option "terminal type": the name follows.
const IS: u8 = 0;
/// The other first byte of that content: asks for the name.
const SEND: u8 = 1;

/// Bytes of a terminal's name that are kept.
// The longest name that "Assigned Numbers" (RFC 1700) permits.
const MOST_NAME: usize = 40;

impl<P: TelnetProtocol> Telnet<P> {
    pub(crate) fn negotiation_received(
        &mut self,
        cx: &mut Context<'_, Self>,
        verb: Verb,
        option: TelnetOption,
    ) -> Result<()> {
        if (verb, option) == (Verb::Do, TelnetOption::TIMING_MARK) {
            // This option has no state: each request is answered, when all input before it was
            // processed.
            self.call(cx, |_, cx| cx.send_verb(Verb::Will, option));
            return Ok(());
        }
        let side = match verb {
            Verb::Will | Verb::Wont => Side::Remote,
            Verb::Do | Verb::Dont => Side::Local,
        };
        let link = &mut self.link;
        let is_editor = link.mode == InputMode::Editor;
        let is_acceptable = link.acceptable.contains(&(side, option))
            // In the editor, this side echoes. So a `DO ECHO` is granted there, even if the user
            // has not listed the option.
            || (is_editor && (side, option) == (Side::Local, TelnetOption::ECHO));
        let answer = link.negotiation.received(verb, option, is_acceptable);
        let is_on = link.negotiation.is_on(side, option);
        let is_settled = !link.negotiation.is_pending(side, option);
        let mut settled = Vec::new();
        if is_settled {
            // All requests for the option settle together: a later request has replaced an
            // earlier one, and the same verb answers both.
            let is_answered =
                |request: &mut Request| (request.side, request.option) == (side, option);
            settled.extend(link.requests.extract_if(.., is_answered));
        }
        // Before any subnegotiation of the option: RFC 1091 and RFC 1073 permit one only when
        // both sides have agreed to the option.
        if let Some(verb) = answer.reply {
            self.call(cx, |_, cx| cx.send_verb(verb, option));
        }
        if answer.changed.is_some() && (side, option) == (Side::Remote, TelnetOption::BINARY) {
            // The bytes behind this verb are not decoded yet, so the change holds from the next
            // byte on.
            cx.framing().set_binary(is_on);
        }
        for request in settled {
            // Errs if the request was cancelled: then nothing waits for it.
            let _ = request.trigger.fire(Ok(is_on));
        }
        let refuses_echo =
            is_settled && !is_on && (verb, option) == (Verb::Dont, TelnetOption::ECHO);
        self.run(cx, |protocol, cx| {
            if refuses_echo && is_editor {
                // The client refuses the server's echo, so it edits its lines itself.
                cx.set_input_mode(InputMode::Lines);
            }
            if answer.changed.is_none() {
                return Ok(());
            }
            if is_on {
                begin(cx, side, option);
            }
            protocol.option_changed(cx, side, option, is_on)
        })
    }

    pub(crate) fn content_received(
        &mut self,
        cx: &mut Context<'_, Self>,
        option: TelnetOption,
        content: &[u8],
    ) -> Result<()> {
        let negotiation = &self.link.negotiation;
        let is_remote = negotiation.is_on(Side::Remote, option);
        let is_local = negotiation.is_on(Side::Local, option);
        if !is_remote && !is_local {
            tracing::debug!(target: "reactor_telnet", peer = %cx.peer(), %option, "content of an option that is off is ignored");
            return Ok(());
        }
        if option == TelnetOption::WINDOW_SIZE
            && is_remote
            && let Some(size) = WindowSize::from_bytes(content)
        {
            return self.resized(cx, size);
        }
        match (option, content) {
            (TelnetOption::TERMINAL_TYPE, &[IS, ref name @ ..]) if is_remote => {
                // Cut before it is decoded: a character that the cut divides becomes U+FFFD. The
                // lower case makes names comparable, as telnet takes both cases for equal, and
                // clients send either.
                let name = &name[..name.len().min(MOST_NAME)];
                let name = String::from_utf8_lossy(name).to_lowercase();
                self.link.peer_terminal = Some(name);
                Ok(())
            }
            (TelnetOption::TERMINAL_TYPE, [SEND]) if is_local => self.run(cx, |_, cx| {
                // `None` if the user has accepted the option without `with_terminal`. "UNKNOWN" is
                // the name that the list of RFC 1700 has for this.
                let name = cx.link.own_terminal.as_deref().unwrap_or("unknown");
                let answer = [&[IS], name.as_bytes()].concat();
                cx.send_subnegotiation(option, answer);
                Ok(())
            }),
            // Also content of the two options above that comes from the wrong side or is
            // malformed.
            _ => self.run(cx, |protocol, cx| {
                protocol.subnegotiation_received(cx, option, content)
            }),
        }
    }

    fn resized(&mut self, cx: &mut Context<'_, Self>, size: WindowSize) -> Result<()> {
        self.link.peer_window = Some(size);
        // 0 is "unknown" (RFC 1073): the editor keeps the width that it has.
        if size.columns > 0 {
            self.link.editor.set_columns(size.columns.into());
        }
        self.run(cx, |protocol, cx| protocol.window_resized(cx, size))
    }
}

/// Sends the subnegotiation that begins the use of an option, after it was turned on.
fn begin<P: TelnetProtocol>(cx: &mut TelnetContext<'_, '_, P>, side: Side, option: TelnetOption) {
    match (side, option) {
        // The client sends its name only in answer to `SEND` (RFC 1091).
        (Side::Remote, TelnetOption::TERMINAL_TYPE) => cx.send_subnegotiation(option, [SEND]),
        (Side::Local, TelnetOption::WINDOW_SIZE) => {
            if let Some(size) = cx.link.own_window {
                cx.send_subnegotiation(option, size.to_bytes());
            }
        }
        _ => {}
    }
}
