//! Input of a telnet connection: lines, keys or raw data, given to the protocol one at a time.

use deferred::{Result, succeed};
use reactor::Context;

use crate::editor::Edited;
use crate::link::InputMode;
use crate::options::{Command, Side, TelnetOption};
use crate::protocol::TelnetProtocol;
use crate::telnet::Telnet;

/// Bytes that may wait in the backlog before reading is paused.
const MOST_BACKLOG: usize = 64 * 1024;

/// The byte that a terminal sends for Ctrl-C.
const INTERRUPT: u8 = 3;

impl<P: TelnetProtocol> Telnet<P> {
    pub(crate) fn data_received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        let link = &mut self.link;
        // Without a backlog, raw data goes to the handler uncopied. Else it has to wait behind
        // the backlog.
        if link.mode == InputMode::Raw && link.is_taking_input() && link.backlog.is_empty() {
            return self.run(cx, |protocol, cx| protocol.data_received(cx, data));
        }
        link.backlog.extend(data);
        self.pump(cx)
    }

    /// Obeys a command that is about the input.
    pub(crate) fn obey(&mut self, cx: &mut Context<'_, Self>, command: Command) -> Result<()> {
        let link = &mut self.link;
        // If there is a backlog, the line to erase from is in there, not cut off yet: the command
        // has no effect.
        let is_current = link.mode == InputMode::Lines && link.backlog.is_empty();
        match command {
            // RFC 854 asks for "some visible evidence" that the command was received. It comes at
            // once, even while a line is worked on: that is when a person asks.
            Command::ARE_YOU_THERE => self.call(cx, |_, cx| cx.write("[yes]\n")),
            Command::INTERRUPT_PROCESS => return self.interrupt(cx),
            Command::ERASE_CHARACTER if is_current => link.lines.erase_character(),
            Command::ERASE_LINE if is_current => link.lines.erase_line(),
            _ => {}
        }
        Ok(())
    }

    fn interrupt(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        match &self.link.awaited {
            Some((_, awaited)) => awaited.cancel(),
            None => self.run(cx, |protocol, cx| protocol.interrupted(cx))?,
        }
        Ok(())
    }

    /// Delivers the backlog, until the protocol waits (see [`Link::is_taking_input`]), and shows the
    /// prompt for the next line.
    ///
    /// [`Link::is_taking_input`]: crate::link::Link::is_taking_input
    pub(crate) fn pump(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        while self.link.is_taking_input() {
            if self.link.mode != InputMode::Raw && !self.link.is_prompted {
                self.call(cx, |_, cx| cx.show_prompt());
            }
            if self.link.backlog.is_empty() {
                if !std::mem::take(&mut self.link.has_ended) {
                    break;
                }
                // The flag was taken before, so the loop ends after this if the handler has not
                // closed the connection.
                self.call(cx, |protocol, cx| protocol.input_ended(cx))?;
            } else {
                self.take_some(cx)?;
            }
        }
        // Input that waits for the end of `awaited` is not decoded into keys yet. But a Ctrl-C in
        // it cancels `awaited`, so the bytes are searched for the last one. In the mode `Lines`,
        // the client sends the command "interrupt process" instead.
        let link = &mut self.link;
        if link.mode == InputMode::Editor
            && link.awaited.is_some()
            && let Some(at) = link.backlog.iter().rposition(|&byte| byte == INTERRUPT)
        {
            // As in a terminal, input that was entered before the Ctrl-C is dropped, too.
            link.backlog.drain(..=at);
            self.interrupt(cx)?;
        }
        // Last, because only now the backlog has its final length.
        self.pause_or_resume(cx);
        Ok(())
    }

    /// Takes input from the backlog, which must not be empty, up to the first call of a handler.
    fn take_some(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        let link = &mut self.link;
        // The second slice comes in a later round of the pump, when the first is used up.
        let (input, _) = link.backlog.as_slices();
        let edited = match link.mode {
            InputMode::Raw => {
                // The handler's context borrows the link, and so the backlog with it.
                let data: Vec<u8> = link.backlog.drain(..).collect();
                return self.call(cx, |protocol, cx| protocol.data_received(cx, &data));
            }
            InputMode::Lines => {
                let (taken, line) = link.lines.advance(input)?;
                link.backlog.drain(..taken);
                line.map(Edited::Line)
            }
            InputMode::Editor => {
                let mut drawn = String::new();
                let (taken, edited) = link.editor.advance(input, &mut drawn);
                link.backlog.drain(..taken);
                // Before the event is handled: what its handler writes belongs below the entered
                // line.
                self.call(cx, |_, cx| cx.send_text(drawn.as_bytes()));
                edited
            }
        };
        match edited {
            None => Ok(()),
            Some(Edited::Line(line)) => self.line_entered(cx, line),
            Some(Edited::Complete) => {
                self.complete(cx);
                Ok(())
            }
            Some(Edited::Interrupted) => {
                self.link.is_prompted = false;
                self.call(cx, |protocol, cx| protocol.interrupted(cx))
            }
            Some(Edited::Ended) => {
                self.link.is_prompted = false;
                self.call(cx, |protocol, cx| protocol.input_ended(cx))
            }
        }
    }

    fn line_entered(&mut self, cx: &mut Context<'_, Self>, line: String) -> Result<()> {
        self.link.is_prompted = false;
        // The echo is given back before the handler runs, so that its output and the next prompt
        // come to a client that shows again what is typed.
        if std::mem::take(&mut self.link.hides_input) {
            self.call(cx, |_, cx| {
                // The Enter key was not echoed either.
                cx.send_text(b"\n");
                cx.negotiate(Side::Local, TelnetOption::ECHO, false);
            });
        }
        let Some(question) = self.link.questions.pop_front() else {
            return self.call(cx, |protocol, cx| protocol.line_received(cx, &line));
        };
        // Errs if the question was cancelled. The line is dropped then, since it may be a password,
        // which `line_received` must not get.
        let _ = question.trigger.fire(Ok(line));
        // The code that waits for the answer was posted to this connection, and may ask the next
        // question. So no line is taken before it has run: the next line is the answer to that
        // question.
        self.link.is_answering = true;
        cx.when(succeed(()), |telnet, cx, _| {
            telnet.link.is_answering = false;
            telnet.pump(cx)
        });
        Ok(())
    }

    fn complete(&mut self, cx: &mut Context<'_, Self>) {
        // Copied, because the handler gets the whole link, and may change the line in it.
        let line = self.link.editor.before_cursor().to_owned();
        let words = self.call(cx, |protocol, cx| protocol.completions(cx, &line));
        let mut drawn = String::new();
        self.link.editor.complete(&words, &mut drawn);
        self.call(cx, |_, cx| cx.send_text(drawn.as_bytes()));
    }

    fn pause_or_resume(&mut self, cx: &mut Context<'_, Self>) {
        let is_full = self.link.backlog.len() > MOST_BACKLOG;
        // Only at the edges: the connection counts pauses, and a program may have its own.
        match (is_full, self.link.is_paused) {
            (true, false) => cx.pause_reading(),
            (false, true) => cx.resume_reading(),
            _ => {}
        }
        self.link.is_paused = is_full;
    }
}
