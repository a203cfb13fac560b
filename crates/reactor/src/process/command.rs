//! `Command`: a program to run, its arguments, environment and descriptors.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process;
use std::time::Duration;

use super::child_fd::ChildFd;
use super::window_size::WindowSize;

/// Default of [`Command::max_buffered`].
const MAX_BUFFERED: usize = 16 * 1024 * 1024;

/// Default of [`Command::max_output`].
const MAX_OUTPUT: usize = 16 * 1024 * 1024;

/// A program to be run as a child, in the manner of [`std::process::Command`].
///
/// By default, it inherits the environment and the working directory. It gets no descriptors
/// but those of its map: by default three pipes, of which 0 can be written to, and 1 and 2 are
/// read from.
///
/// Run it with [`spawn_process`](crate::ReactorHandle::spawn_process), or with
/// [`output`](Self::output) or [`status`](Self::status) for what comes of it.
///
/// # Examples
///
/// ```
/// use reactor::{Command, Reactor};
///
/// let reactor = Reactor::new()?;
/// let handle = reactor.handle();
/// Command::new("wc")
///     .arg("-w")
///     .input("so many words")
///     .output(&reactor)
///     .add_callback(|output| {
///         assert!(output.status.success());
///         assert_eq!(String::from_utf8(output.stdout)?.trim(), "3");
///         Ok(())
///     })
///     .add_both(move |result| {
///         handle.stop();
///         result
///     })
///     .detach();
/// reactor.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "it runs nothing by itself"]
pub struct Command {
    pub(super) inner: process::Command,
    /// The descriptors that were set. `output` and `spawn_process` choose the others.
    pub(super) descriptors: BTreeMap<i32, ChildFd>,
    pub(super) terminal: Option<WindowSize>,
    pub(super) process_group: Option<i32>,
    pub(super) input: Option<Vec<u8>>,
    pub(super) timeout: Option<Duration>,
    pub(super) max_buffered: usize,
    pub(super) max_output: usize,
}

impl Command {
    /// Runs `program`, which is looked for in `PATH` if it is a mere name.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            inner: process::Command::new(program),
            descriptors: BTreeMap::new(),
            terminal: None,
            process_group: None,
            input: None,
            timeout: None,
            max_buffered: MAX_BUFFERED,
            max_output: MAX_OUTPUT,
        }
    }

    /// Adds an argument, which no shell interprets.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.inner.arg(arg);
        self
    }

    /// Adds several arguments.
    pub fn args<I>(mut self, args: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        self.inner.args(args);
        self
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.inner.env(key, value);
        self
    }

    /// Sets several variables of its environment.
    pub fn envs<I, K, V>(mut self, vars: I) -> Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.inner.envs(vars);
        self
    }

    /// Removes a variable from its environment.
    pub fn env_remove(mut self, key: impl AsRef<OsStr>) -> Self {
        self.inner.env_remove(key);
        self
    }

    /// Removes all inherited variables from its environment.
    pub fn env_clear(mut self) -> Self {
        self.inner.env_clear();
        self
    }

    /// Sets its working directory. A `program` that is a relative path may be looked for
    /// from there or from here: give an absolute one.
    pub fn current_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.inner.current_dir(dir);
        self
    }

    /// Runs it as another user, which takes privileges.
    pub fn uid(mut self, uid: u32) -> Self {
        self.inner.uid(uid);
        self
    }

    /// Runs it in another group, which takes privileges.
    pub fn gid(mut self, gid: u32) -> Self {
        self.inner.gid(gid);
        self
    }

    /// Puts it into a process group: 0 makes one of its own, so that a Ctrl-C in the
    /// terminal sends it no signal.
    pub fn process_group(mut self, group: i32) -> Self {
        self.process_group = Some(group);
        self
    }

    /// Sets its descriptor of this number. (Twisted: `childFDs`.)
    ///
    /// # Examples
    ///
    /// A child that gets its orders at descriptor 3, and whose complaints go to a file:
    ///
    /// ```
    /// use reactor::{ChildFd, Command};
    /// use std::fs::File;
    ///
    /// let command = Command::new("worker")
    ///     .fd(0, ChildFd::Null)
    ///     .fd(2, File::create("/dev/null")?)
    ///     .fd(3, ChildFd::Write);
    /// # drop(command);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn fd(mut self, number: i32, descriptor: impl Into<ChildFd>) -> Self {
        self.descriptors.insert(number, descriptor.into());
        self
    }

    /// Gives it a terminal of its own (a *pty*), as its standard input, output and error, and as
    /// the controlling terminal of a new session. (Twisted: `usePTY`.)
    ///
    /// For programs that behave differently when a person uses them: shells, editors, and those
    /// that ask for a password. The protocol is the person: what it writes to the standard input
    /// is typed, so that Ctrl-C (`"\x03"`) interrupts the program; what
    /// [`out_received`](crate::ProcessProtocol::out_received) gets is on the screen: the echo of
    /// what was typed, output and errors, each line with `\r\n` at its end. The program may
    /// change these rules (`stty`).
    ///
    /// - Closing the standard input types the end-of-file character (Ctrl-D). The program can
    ///   still be read from.
    /// - Closing all pipes hangs up: the program gets a `SIGHUP`. It does not inherit that this
    ///   program ignores the signals of a terminal, as under `nohup`.
    /// - When all programs that have the terminal have ended, or closed it, both pipes are lost.
    /// - Only descriptor 2 may be [set](Self::fd) otherwise: errors apart from output.
    /// - [`Process::set_window_size`](crate::Process::set_window_size) changes its size.
    /// - The environment variable `TERM` says what kind of terminal it is; it is not set here.
    /// - A typed line of more than 4095 bytes is cut off there (Linux), as for a person.
    ///
    /// There are such terminals on Linux, macOS, iOS and FreeBSD. Elsewhere, the program cannot be
    /// run: `Unsupported`.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::{Command, Reactor, WindowSize};
    ///
    /// let reactor = Reactor::new()?;
    /// let size = Command::new("stty").arg("size").pty(WindowSize::new(30, 100));
    /// let output = reactor.block_on(size.output(&reactor))?;
    /// assert_eq!(output.stdout, b"30 100\r\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "usePTY")]
    #[doc(alias = "terminal")]
    pub fn pty(mut self, size: WindowSize) -> Self {
        self.terminal = Some(size);
        self
    }

    /// Writes `input` to its standard input, and then closes that. It cannot be run if its
    /// descriptor 0 was set to something else than [`ChildFd::Write`].
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// Kills the child and closes its pipes, if `timeout` has passed since its start and it has
    /// not exited, or its pipes are still open.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How many bytes may wait to be written to each of its pipes: 16 MiB unless said
    /// otherwise. While more wait that the child does not take, further ones are refused
    /// ([`ProcessError::Overflow`](crate::ProcessError::Overflow)). A single write may be of any
    /// size.
    pub fn max_buffered(mut self, bytes: usize) -> Self {
        self.max_buffered = bytes;
        self
    }

    /// How many bytes of its output, and of its errors, are collected by
    /// [`output`](Self::output): 16 MiB unless said otherwise. If it writes more, it is
    /// killed, and the Deferred fails with [`OutputTooLong`](crate::OutputTooLong).
    pub fn max_output(mut self, bytes: usize) -> Self {
        self.max_output = bytes;
        self
    }

    /// The program.
    pub(super) fn program(&self) -> OsString {
        self.inner.get_program().to_owned()
    }

    /// Sets descriptor `number`, unless it was set, or is a terminal.
    pub(super) fn default_fd(&mut self, number: i32, descriptor: ChildFd) {
        // The terminal takes 0, 1 and 2, unless the caller has set 2.
        if self.terminal.is_some() {
            return;
        }
        self.descriptors.entry(number).or_insert(descriptor);
    }
}
