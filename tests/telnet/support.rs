//! What the tests of telnet have in common.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Deferred, Result, Trigger};
use reactor::testing::{Peer, TestReactor};
use reactor::{Connection, ConnectionClosed};
use reactor_telnet::{
    Command, InputMode, Side, Telnet, TelnetContext, TelnetOption, TelnetProtocol, WindowSize,
};

pub(crate) const IAC: u8 = 255;

/// Writes down the calls of its handlers, and does what some lines say.
#[derive(Clone, Default)]
pub(crate) struct Recorder {
    pub(crate) log: Rc<RefCell<Vec<String>>>,
    /// Ends the wait that the line `wait` begins.
    pub(crate) waiting: Rc<RefCell<Option<Trigger<()>>>>,
}

impl Recorder {
    fn note(&self, text: impl Into<String>) {
        self.log.borrow_mut().push(text.into());
    }

    /// What it was told since the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        self.log.take()
    }

    pub(crate) fn end_wait(&self) {
        let trigger = self.waiting.take().expect("it waits");
        trigger.callback(()).expect("it is still awaited");
    }
}

impl TelnetProtocol for Recorder {
    fn line_received(&mut self, cx: &mut TelnetContext<'_, '_, Self>, line: &str) -> Result<()> {
        self.note(format!("line {line}"));
        match line {
            "wait" => {
                let log = Rc::clone(&self.log);
                let note = move |_| log.borrow_mut().push("cancelled".to_owned());
                let (trigger, deferred) = Deferred::<()>::with_canceller(note);
                self.waiting.replace(Some(trigger));
                cx.wait_for(deferred, |recorder, cx, result| {
                    match result {
                        Ok(()) => cx.write("done\n"),
                        Err(failure) => cx.write(format!("{failure}\n")),
                    }
                    recorder.note("waited");
                });
            }
            "ask" => {
                let answer = cx.read_line("what? ");
                cx.when_or_cancel(answer, |recorder, _, answer| {
                    recorder.note(format!("answer {}", answer?));
                    Ok(())
                });
            }
            "secret" => {
                let answer = cx.read_password("password: ");
                let answer = answer.add_timeout(Duration::from_secs(60), cx.reactor());
                cx.when_or_cancel(answer, |recorder, _, answer| match answer {
                    Ok(answer) => recorder.note(format!("password {answer}")),
                    Err(failure) => recorder.note(failure.to_string()),
                });
            }
            "bye" => cx.lose_connection(),
            "raw" => cx.set_input_mode(InputMode::Raw),
            "fail" => return Err(deferred::Failure::msg("as was asked for")),
            _ => cx.write(format!("<{line}>\n")),
        }
        Ok(())
    }

    fn data_received(&mut self, _: &mut TelnetContext<'_, '_, Self>, data: &[u8]) -> Result<()> {
        self.note(format!("data {}", data.escape_ascii()));
        Ok(())
    }

    fn interrupted(&mut self, _: &mut TelnetContext<'_, '_, Self>) -> Result<()> {
        self.note("interrupted");
        Ok(())
    }

    fn command_received(
        &mut self,
        _: &mut TelnetContext<'_, '_, Self>,
        command: Command,
    ) -> Result<()> {
        self.note(format!("command {command}"));
        Ok(())
    }

    fn option_changed(
        &mut self,
        _: &mut TelnetContext<'_, '_, Self>,
        side: Side,
        option: TelnetOption,
        is_on: bool,
    ) -> Result<()> {
        self.note(format!("{side:?} {option}: {is_on}"));
        Ok(())
    }

    fn subnegotiation_received(
        &mut self,
        _: &mut TelnetContext<'_, '_, Self>,
        option: TelnetOption,
        content: &[u8],
    ) -> Result<()> {
        self.note(format!("{option} says {}", content.escape_ascii()));
        Ok(())
    }

    fn window_resized(
        &mut self,
        cx: &mut TelnetContext<'_, '_, Self>,
        size: WindowSize,
    ) -> Result<()> {
        assert_eq!(cx.window_size(), Some(size));
        self.note(format!("window {}x{}", size.columns, size.rows));
        Ok(())
    }

    fn completions(&mut self, _: &mut TelnetContext<'_, '_, Self>, line: &str) -> Vec<String> {
        let last = line.rsplit(' ').next().unwrap_or_default();
        let words = ["connect", "connections", "close"].into_iter();
        words
            .filter(|word| word.starts_with(last))
            .map(str::to_owned)
            .collect()
    }

    fn connection_lost(&mut self, _: &mut TelnetContext<'_, '_, Self>, reason: ConnectionClosed) {
        self.note(format!("lost: {reason}"));
    }
}

/// A server with a prompt, and its client by hand.
pub(crate) fn server(
    reactor: &TestReactor,
    mode: InputMode,
) -> (Recorder, Connection<Telnet<Recorder>>, Peer) {
    let recorder = Recorder::default();
    let telnet = Telnet::new(recorder.clone()).with_input_mode(mode);
    let (connection, peer) = reactor.connect_to_peer(telnet);
    let prompted = connection.post(|telnet, cx| {
        telnet.run(cx, |_, cx| {
            cx.set_prompt("> ");
            Ok(())
        })
    });
    prompted.expect("it is open");
    reactor.settle();
    (recorder, connection, peer)
}

/// What a peer has received, as text that can be read.
pub(crate) fn seen(peer: &Peer) -> String {
    peer.received().escape_ascii().to_string()
}
