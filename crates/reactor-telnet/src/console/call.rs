//! `ConsoleCall`: the argument of a command's closure.

use std::error::Error;
use std::fmt;

use reactor::{AnyConnection, ReactorHandle};

/// One call of a command of a [`Console`](crate::Console).
///
/// # Examples
///
/// ```
/// use reactor_telnet::{Console, ConsoleCall};
///
/// fn join(call: ConsoleCall) -> deferred::Result<String> {
///     let separator = call.required(0, "what to put between them")?;
///     Ok(call.arguments()[1..].join(separator))
/// }
///
/// let console = Console::new("> ").command("join", "SEPARATOR WORD...: joins words", join);
/// # let _ = console;
/// ```
#[derive(Clone, Debug)]
pub struct ConsoleCall {
    pub(super) name: String,
    pub(super) arguments: Vec<String>,
    pub(super) reactor: ReactorHandle,
    /// The connections that the command `connections` has listed last, in that order.
    pub(super) listed: Vec<AnyConnection>,
}

impl ConsoleCall {
    /// The words after the name of the command; those in quotes count as one.
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// The word at that place after the name, counted from 0.
    pub fn argument(&self, index: usize) -> Option<&str> {
        self.arguments.get(index).map(String::as_str)
    }

    /// As [`argument`](Self::argument), for an argument that is required.
    ///
    /// # Errors
    /// [`UsageError`], which says that `what` is missing.
    pub fn required(&self, index: usize, what: &str) -> Result<&str, UsageError> {
        let missing = || UsageError {
            command: self.name.clone(),
            what: what.to_owned(),
        };
        self.argument(index).ok_or_else(missing)
    }

    /// The reactor.
    pub fn reactor(&self) -> &ReactorHandle {
        &self.reactor
    }
}

/// An argument of a command is missing.
///
/// # Examples
///
/// ```
/// use reactor::testing;
/// use reactor_telnet::{Console, InputMode};
///
/// testing::run(|reactor| {
///     let console = Console::new("> ")
///         .with_input_mode(InputMode::Lines)
///         .command("greet", "NAME", |call| Ok(format!("hello, {}", call.required(0, "a name")?)));
///     let (_connection, peer) = reactor.connect_to_peer(console.protocol());
///     peer.send("greet\r\n");
///     let text = peer.received();
///     assert!(text.starts_with(b"> error: a name is missing; `help greet` says"));
/// });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UsageError {
    /// The command.
    pub command: String,
    /// What is missing.
    pub what: String,
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, what } = self;
        write!(f, "{what} is missing; `help {command}` says what it takes")
    }
}

impl Error for UsageError {}
