//! `ConsoleSession`: one connection with a console.

use std::fmt;
use std::fmt::Write;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Result, defer_later};
use reactor::AnyConnection;

use super::built_in::OF_SESSION;
use super::call::ConsoleCall;
use super::names::short;
use super::shared::{Check, Shared};
use crate::context::TelnetContext;
use crate::protocol::TelnetProtocol;

/// Number of wrong passwords after which the connection is closed.
// With the pause, a connection tries at most three passwords in three seconds.
const ATTEMPTS: u32 = 3;
/// The pause after a wrong password.
const PAUSE: Duration = Duration::from_secs(1);

type Cx<'a, 'c> = TelnetContext<'a, 'c, ConsoleSession>;

/// The protocol of a [`Console`](crate::Console).
///
/// # Examples
///
/// ```
/// use reactor::{Address, Factory};
/// use reactor_telnet::{Console, ConsoleSession, Telnet};
///
/// /// A console for the peers of this host only.
/// struct Local(Console);
///
/// impl Factory for Local {
///     type Protocol = Telnet<ConsoleSession>;
///
///     fn build_protocol(&mut self, peer: &Address) -> Option<Self::Protocol> {
///         let is_local = peer.ip()?.is_loopback();
///         is_local.then(|| self.0.protocol())
///     }
/// }
/// ```
pub struct ConsoleSession {
    shared: Rc<Shared>,
    /// The connections that the command `connections` has listed last.
    listed: Vec<AnyConnection>,
    /// Set when the right password was entered, or if none is needed; until then, each line is a
    /// password, and not a command. Never cleared.
    is_let_in: bool,
    wrong: u32,
}

impl ConsoleSession {
    pub(super) fn new(shared: Rc<Shared>) -> Self {
        Self {
            shared,
            listed: Vec::new(),
            is_let_in: false,
            wrong: 0,
        }
    }

    fn let_in(&mut self, cx: &mut Cx<'_, '_>) {
        self.is_let_in = true;
        cx.set_prompt(self.shared.prompt.clone());
    }

    fn ask_for_password(cx: &mut Cx<'_, '_>, check: Check) {
        let password = cx.read_password("password: ");
        cx.when_or_cancel(password, move |_, cx, password| {
            let is_right = check(password?);
            // Commands that were sent ahead wait, too.
            cx.wait_for(is_right, move |session, cx, is_right| {
                session.password_checked(cx, is_right?, check);
                Ok(())
            });
            Ok(())
        });
    }

    fn password_checked(&mut self, cx: &mut Cx<'_, '_>, is_right: bool, check: Check) {
        if is_right {
            return self.let_in(cx);
        }
        self.wrong += 1;
        tracing::warn!(target: "reactor_telnet", peer = %cx.peer(), wrong = self.wrong, "a wrong password for the console");
        let later = defer_later(cx.reactor(), PAUSE, || Ok(()));
        cx.wait_for(later, move |session, cx, later| {
            later?;
            cx.write("wrong\n");
            if session.wrong == ATTEMPTS {
                cx.lose_connection();
            } else {
                Self::ask_for_password(cx, check);
            }
            Ok(())
        });
    }

    /// Runs one of the commands of [`OF_SESSION`]; `None` if the command is not one of them.
    fn run_own(&mut self, cx: &mut Cx<'_, '_>, words: &[String]) -> Option<String> {
        Some(match words[0].as_str() {
            "connections" => self.list_connections(cx),
            "help" => self.help(words.get(1).map(String::as_str)),
            "history" => cx
                .history()
                .fold(String::new(), |text, line| text + line + "\n"),
            "quit" => {
                cx.lose_connection();
                String::new()
            }
            _ => return None,
        })
    }

    fn list_connections(&mut self, cx: &Cx<'_, '_>) -> String {
        // Kept: `close` takes a number of this list, which must not mean another connection when
        // some have closed or opened since.
        self.listed = cx.reactor().connections();
        let mut text = String::new();
        for (index, connection) in self.listed.iter().enumerate() {
            let number = index + 1;
            let protocol = short(connection.protocol());
            let address = |address: reactor::Address| address.to_string();
            let peer = connection
                .peer()
                // A connection of the list may have closed since: its row says so, and keeps its
                // number.
                .map_or_else(|gone| gone.to_string(), address);
            let host = connection
                .host()
                .map_or_else(|gone| gone.to_string(), address);
            let waiting = connection.buffered().unwrap_or_default();
            // Writing to a `String` does not fail.
            let _ = writeln!(
                text,
                "{number:>4}  {peer} on {host}  {protocol}  {waiting} B to send"
            );
        }
        text
    }

    fn help(&self, command: Option<&str>) -> String {
        let added = self.shared.commands.iter();
        let added = added.map(|(name, command)| (name.as_str(), command.help.as_str()));
        let mut all: Vec<_> = OF_SESSION.into_iter().chain(added).collect();
        all.sort_unstable();
        if let Some(name) = command {
            all.retain(|(other, _)| *other == name);
            if all.is_empty() {
                return format!("there is no command `{name}`");
            }
        }
        let width = all.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let lines = all
            .iter()
            .map(|(name, help)| format!("{name:width$}  {help}\n"));
        lines.collect()
    }
}

impl TelnetProtocol for ConsoleSession {
    fn connection_made(&mut self, cx: &mut Cx<'_, '_>) -> Result<()> {
        match self.shared.check.clone() {
            Some(check) => Self::ask_for_password(cx, check),
            None => self.let_in(cx),
        }
        Ok(())
    }

    fn line_received(&mut self, cx: &mut Cx<'_, '_>, line: &str) -> Result<()> {
        // A second guard. Until the peer is let in, a question or `wait_for` takes or holds back
        // each line, so no line should come here.
        if !self.is_let_in {
            return Ok(());
        }
        // Words as in a shell, so that an argument may have spaces.
        let Some(words) = shlex::split(line) else {
            cx.write("error: a quote has no end\n");
            return Ok(());
        };
        let Some(name) = words.first() else {
            return Ok(());
        };
        if let Some(command) = self.shared.commands.get(name) {
            let call = ConsoleCall {
                name: name.clone(),
                arguments: words[1..].to_vec(),
                reactor: cx.reactor().clone(),
                listed: self.listed.clone(),
            };
            let shown = (command.handler)(call);
            cx.wait_for(shown, |_, cx, shown| {
                let text = shown.unwrap_or_else(|failure| format!("error: {failure}"));
                write_lines(cx, text);
            });
        } else if let Some(text) = self.run_own(cx, &words) {
            write_lines(cx, text);
        } else {
            cx.write(format!(
                "error: there is no command `{name}`; `help` lists them\n"
            ));
        }
        Ok(())
    }

    fn completions(&mut self, _: &mut Cx<'_, '_>, line: &str) -> Vec<String> {
        let (before, word) = line.rsplit_once(' ').unwrap_or(("", line));
        if !matches!(before.trim(), "" | "help") {
            return Vec::new();
        }
        let own = OF_SESSION.iter().map(|(name, _)| *name);
        let all = own.chain(self.shared.commands.keys().map(String::as_str));
        let mut words: Vec<_> = all.filter(|name| name.starts_with(word)).collect();
        words.sort_unstable();
        words.into_iter().map(str::to_owned).collect()
    }
}

fn write_lines(cx: &mut Cx<'_, '_>, mut text: String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    cx.write(text);
}

impl fmt::Debug for ConsoleSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleSession")
            .field("is_let_in", &self.is_let_in)
            .finish_non_exhaustive()
    }
}
