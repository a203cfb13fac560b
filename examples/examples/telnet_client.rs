//! A telnet client for a terminal: it sends keys as they are pressed, and the size of its window;
//! Ctrl-] ends it.
//!
//! Twisted's counterpart: none.
//!
//! ```text
//! cargo run --example telnet_client -- 127.0.0.1:2323
//! ```

use std::io::{IsTerminal, stdin};

use clap::Parser;
use deferred::Result;
use reactor::{Connection, ConnectionClosed, Context, Protocol, Raw, Reactor};
use reactor_telnet::{Side, Telnet, TelnetContext, TelnetOption, TelnetProtocol, WindowSize};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// The byte that a terminal sends for Ctrl-].
const ESCAPE: u8 = 0x1d;

/// The connection to the server: shows the server's output.
struct Session {
    terminal: Connection<Terminal>,
}

impl TelnetProtocol for Session {
    fn connection_made(&mut self, cx: &mut TelnetContext<'_, '_, Self>) -> Result<()> {
        let server = cx.connection();
        self.terminal.post(move |terminal, cx| {
            terminal.server = Some(server);
            cx.resume_reading();
        })?;
        Ok(())
    }

    fn data_received(&mut self, _: &mut TelnetContext<'_, '_, Self>, data: &[u8]) -> Result<()> {
        self.terminal.write(data)?;
        Ok(())
    }

    /// The server echoes: each key is sent to it, and the terminal shows none by itself.
    fn option_changed(
        &mut self,
        _: &mut TelnetContext<'_, '_, Self>,
        side: Side,
        option: TelnetOption,
        is_on: bool,
    ) -> Result<()> {
        if (side, option) == (Side::Remote, TelnetOption::ECHO) {
            set_raw(is_on)?;
        }
        Ok(())
    }

    fn connection_lost(&mut self, cx: &mut TelnetContext<'_, '_, Self>, reason: ConnectionClosed) {
        match reason {
            ConnectionClosed::Done | ConnectionClosed::ReactorStopped => {}
            reason => eprintln!("\r\n{reason}"),
        }
        cx.reactor().stop();
    }
}

/// Standard input and output: sends the keys to the server.
struct Terminal {
    server: Option<Connection<Telnet<Session>>>,
}

impl Protocol for Terminal {
    type Framing = Raw;

    /// Keys wait until there is a server to send them to.
    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.pause_reading();
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, keys: &[u8]) -> Result<()> {
        if keys.contains(&ESCAPE) {
            cx.reactor().stop();
            return Ok(());
        }
        if let Some(server) = &self.server {
            let keys = keys.to_vec();
            server.post(|telnet, cx| {
                telnet.run(cx, |_, cx| {
                    cx.write(keys);
                    Ok(())
                })
            })?;
        }
        Ok(())
    }
}

/// Sets whether the terminal passes on each key at once and echoes none (raw mode).
fn set_raw(is_raw: bool) -> Result<()> {
    if !stdin().is_terminal() {
        return Ok(());
    }
    let mut settings: Termios = tcgetattr(stdin())?;
    if is_raw {
        settings.make_raw();
    } else {
        settings = ORIGINAL
            .with(|original| original.clone())
            .unwrap_or(settings);
    }
    tcsetattr(stdin(), OptionalActions::Now, &settings)?;
    Ok(())
}

thread_local! {
    /// The terminal's settings when the program started.
    static ORIGINAL: Option<Termios> = tcgetattr(stdin()).ok();
}

fn window() -> WindowSize {
    match tcgetwinsize(stdin()) {
        Ok(size) => WindowSize {
            columns: size.ws_col,
            rows: size.ws_row,
        },
        Err(_) => WindowSize {
            columns: 80,
            rows: 24,
        },
    }
}

/// A telnet client.
#[derive(Parser)]
struct Args {
    /// Host and port of the server.
    server: String,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    ORIGINAL.with(|_| ());
    let name = std::env::var("TERM").unwrap_or_else(|_| "dumb".to_owned());

    let reactor = Reactor::new()?;
    let terminal = reactor.stdio(Terminal { server: None })?;
    let session = Telnet::client(Session { terminal }).with_terminal(name, window());
    reactor.block_on(reactor.connect_tcp(args.server, session))?;
    reactor.run()?;
    set_raw(false)?;
    Ok(())
}
