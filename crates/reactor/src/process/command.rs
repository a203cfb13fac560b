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

/// A program to be run as a child process, similar to [`std::process::Command`].
///
/// By default, the child inherits the environment and the working directory. It gets only the
/// descriptors that are set here. By default, these are three pipes: the parent writes to
/// descriptor 0, and reads from 1 and 2.
///
/// Run it with [`spawn_process`](crate::ReactorHandle::spawn_process), with
/// [`output`](Self::output) to collect its output, or with [`status`](Self::status) to get its exit
/// status.
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
    /// The descriptors that were set. `output`, `status` and `spawn_process` add the others.
    pub(super) descriptors: BTreeMap<i32, ChildFd>,
    pub(super) terminal: Option<WindowSize>,
    pub(super) process_group: Option<i32>,
    pub(super) input: Option<Vec<u8>>,
    pub(super) timeout: Option<Duration>,
    pub(super) max_buffered: usize,
    pub(super) max_output: usize,
}

impl Command {
    /// Runs `program`, which is searched in `PATH` if it has no `/`.
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

    /// Sets an environment variable of the child.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.inner.env(key, value);
        self
    }

    /// Sets several environment variables of the child.
    pub fn envs<I, K, V>(mut self, vars: I) -> Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.inner.envs(vars);
        self
    }

    /// Removes a variable from the environment of the child.
    pub fn env_remove(mut self, key: impl AsRef<OsStr>) -> Self {
        self.inner.env_remove(key);
        self
    }

    /// Removes all inherited variables from the environment of the child.
    pub fn env_clear(mut self) -> Self {
        self.inner.env_clear();
        self
    }

    /// Sets the working directory of the child. It depends on the system whether a relative path of
    /// `program` is resolved from this directory or from that of the parent, so use an absolute
    /// one.
    pub fn current_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.inner.current_dir(dir);
        self
    }

    /// Runs the program as another user, which requires privileges.
    pub fn uid(mut self, uid: u32) -> Self {
        self.inner.uid(uid);
        self
    }

    /// Runs the program in another group, which requires privileges.
    pub fn gid(mut self, gid: u32) -> Self {
        self.inner.gid(gid);
        self
    }

    /// Puts the child into a process group. With 0, it gets a new one, so that a Ctrl-C in the
    /// terminal sends it no signal.
    pub fn process_group(mut self, group: i32) -> Self {
        self.process_group = Some(group);
        self
    }

    /// Sets the child's descriptor of this number. (Twisted: `childFDs`.)
    ///
    /// # Examples
    ///
    /// A child that reads its orders from descriptor 3, and whose standard error goes to a file:
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

    /// Gives the child a pseudo-terminal (pty) as its standard input, output and error, and as the
    /// controlling terminal of a new session. (Twisted: `usePTY`.)
    ///
    /// For programs that behave differently on a terminal: shells, editors, and programs that ask
    /// for a password. The protocol is the user of the terminal: bytes that it writes to the
    /// standard input are typed, so Ctrl-C (`"\x03"`) interrupts the program.
    /// [`out_received`](crate::ProcessProtocol::out_received) gets the bytes for the screen: the
    /// echo of the typed bytes, output and errors, each line with `\r\n` at its end. The program
    /// may change these rules (`stty`).
    ///
    /// - Closing the standard input types the end-of-file character (Ctrl-D). The output of the
    ///   program can still be read.
    /// - Closing all pipes hangs up: the program gets a `SIGHUP`. The signals of a terminal have
    ///   their default effect in the program, even if this process ignores them, as under `nohup`.
    /// - When all programs that have the terminal have ended, or closed it, both pipes are lost.
    /// - Of the three descriptors, only 2 may be [set](Self::fd) to something else, to separate
    ///   errors from output.
    /// - [`Process::set_window_size`](crate::Process::set_window_size) changes its size.
    /// - The environment variable `TERM`, which names the kind of terminal, is not set here.
    /// - Linux cuts off a typed line after 4095 bytes.
    ///
    /// Supported on Linux, macOS, iOS and FreeBSD. On other systems, running the program fails with
    /// `Unsupported`.
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

    /// Writes `input` to the standard input of the child, and then closes that. The command cannot
    /// be run if descriptor 0 was set to anything but [`ChildFd::Write`].
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// Kills the child and closes its pipes `timeout` after its start, if it has not exited by
    /// then, or has open pipes.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets how many bytes may wait to be written to each pipe of the child: 16 MiB by default.
    /// While more bytes wait, further ones are refused
    /// ([`ProcessError::Overflow`](crate::ProcessError::Overflow)). A single write may have any
    /// size.
    pub fn max_buffered(mut self, bytes: usize) -> Self {
        self.max_buffered = bytes;
        self
    }

    /// Sets how many bytes [`output`](Self::output) collects of the standard output, and of the
    /// standard error: 16 MiB each by default. If the child writes more, it is killed, and the
    /// Deferred fails with [`OutputTooLong`](crate::OutputTooLong).
    pub fn max_output(mut self, bytes: usize) -> Self {
        self.max_output = bytes;
        self
    }

    /// The program.
    pub(super) fn program(&self) -> OsString {
        self.inner.get_program().to_owned()
    }

    /// Sets descriptor `number`, unless it was set before, or the child gets a terminal.
    pub(super) fn default_fd(&mut self, number: i32, descriptor: ChildFd) {
        // The terminal is used for 0, 1 and 2, unless the caller has set 2.
        if self.terminal.is_some() {
            return;
        }
        self.descriptors.entry(number).or_insert(descriptor);
    }
}
