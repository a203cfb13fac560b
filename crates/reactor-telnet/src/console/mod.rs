//! `Console`: commands that a person enters over telnet, to look into a running program.

mod built_in;
mod call;
mod names;
mod session;
mod shared;

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use deferred::{Outcome, succeed};
use reactor::{Address, Factory};

pub use self::call::{ConsoleCall, UsageError};
pub use self::session::ConsoleSession;
use self::shared::{Command, Shared};
use crate::link::InputMode;
use crate::telnet::Telnet;

/// A console: a factory of telnet connections that take commands.
///
/// Its commands are closures of the program, which run in the loop's thread and so may hold an
/// `Rc`, and these built-in ones: `help`, `connections`, `close`, `timers`, `counters`, `history`,
/// `stop` and `quit`. Lines are edited, with a history and with completion of the names of
/// commands.
///
/// Any client that can connect can stop the program: listen on a loopback address, or on a UNIX
/// socket in a directory that others cannot enter, and set a [password](Self::with_password). For a
/// console that is reached over a network, listen on an endpoint with TLS.
///
/// # Examples
///
/// ```no_run
/// # use reactor::Reactor;
/// # use reactor_telnet::Console;
/// let reactor = Reactor::new()?;
/// reactor.listen_tcp("127.0.0.1:2323", Console::new("app> "))?;
/// reactor.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A command of the program's own, in a test:
///
/// ```
/// use reactor::testing;
/// use reactor_telnet::Console;
/// use std::cell::Cell;
/// use std::rc::Rc;
///
/// testing::run(|reactor| {
///     let level = Rc::new(Cell::new(1_u32));
///     let console = Console::new("app> ").command("level", "[NUMBER]: shows or sets the level", {
///         let level = Rc::clone(&level);
///         move |call| {
///             if let Some(number) = call.argument(0) {
///                 level.set(number.parse()?);
///             }
///             Ok(format!("the level is {}", level.get()))
///         }
///     });
///     let (_connection, peer) = reactor.connect_to_peer(console.protocol());
///     peer.send("level 5\r");
///     assert!(peer.received().ends_with(b"the level is 5\r\n\r\0\x1b[Japp> "));
///     assert_eq!(level.get(), 5);
/// });
/// ```
#[derive(Clone)]
pub struct Console {
    shared: Rc<Shared>,
}

impl Console {
    /// A console with the built-in commands.
    pub fn new(prompt: impl Into<String>) -> Self {
        let console = Self {
            shared: Rc::new(Shared {
                prompt: prompt.into(),
                commands: BTreeMap::new(),
                check: None,
                mode: InputMode::Editor,
            }),
        };
        built_in::OF_LOOP
            .into_iter()
            .fold(console, |console, (name, help, run)| {
                console.command(name, help, run)
            })
    }

    /// Adds a command, or replaces the command of that name. `help` says what its arguments are
    /// and what it does, in one line.
    ///
    /// The text that `f` returns is shown; a failure is shown as an error. If `f` returns a
    /// Deferred, the next command waits until it has fired, and Ctrl-C cancels it.
    #[must_use]
    pub fn command<F, O>(mut self, name: impl Into<String>, help: impl Into<String>, f: F) -> Self
    where
        F: Fn(ConsoleCall) -> O + 'static,
        O: Outcome<Value = String>,
    {
        let f = Rc::new(f);
        let command = Command {
            help: help.into(),
            handler: Rc::new(move |call| {
                let f = Rc::clone(&f);
                // In a callback, so that a panic is shown as a failure, too.
                succeed(call).add_callback(move |call| f(call))
            }),
        };
        // Copied only if a clone of the console, or a session of it, exists: these keep the
        // commands that they have.
        let shared = Rc::make_mut(&mut self.shared);
        shared.commands.insert(name.into(), command);
        self
    }

    /// Asks each client for a password, up to three times, with a pause of one second after a
    /// wrong one. `check` returns whether the password is right.
    #[must_use]
    pub fn with_password<F, O>(mut self, check: F) -> Self
    where
        F: Fn(String) -> O + 'static,
        O: Outcome<Value = bool>,
    {
        let check = Rc::new(check);
        let shared = Rc::make_mut(&mut self.shared);
        shared.check = Some(Rc::new(move |password| {
            let check = Rc::clone(&check);
            succeed(password).add_callback(move |password| check(password))
        }));
        self
    }

    /// Sets the input mode; [`InputMode::Editor`] by default. For clients that do not speak
    /// telnet, such as `nc -U` and `socat`, use [`InputMode::Lines`].
    #[must_use]
    pub fn with_input_mode(mut self, mode: InputMode) -> Self {
        // Clones and sessions keep their mode, as above.
        Rc::make_mut(&mut self.shared).mode = mode;
        self
    }

    /// The protocol of one connection, for a factory of your own.
    pub fn protocol(&self) -> Telnet<ConsoleSession> {
        let session = ConsoleSession::new(Rc::clone(&self.shared));
        Telnet::new(session).with_input_mode(self.shared.mode)
    }
}

impl Factory for Console {
    type Protocol = Telnet<ConsoleSession>;

    fn build_protocol(&mut self, _peer: &Address) -> Option<Telnet<ConsoleSession>> {
        Some(self.protocol())
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console")
            .field("prompt", &self.shared.prompt)
            .field("commands", &self.shared.commands.keys())
            .finish_non_exhaustive()
    }
}
