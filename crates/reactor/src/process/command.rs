//! `Command`: a program to run, its arguments, environment and descriptors.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process;
use std::time::Duration;

use super::child_fd::ChildFd;

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
///         handle.stop()?;
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
    pub(super) descriptors: BTreeMap<i32, ChildFd>,
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
            descriptors: BTreeMap::from([
                (0, ChildFd::Write),
                (1, ChildFd::Read),
                (2, ChildFd::Read),
            ]),
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
        self.inner.process_group(group);
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

    /// Writes `input` to its standard input, and then closes that.
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

    /// Replaces descriptor `number` if it is a pipe, as it is by default.
    pub(super) fn default_fd(&mut self, number: i32, descriptor: ChildFd) {
        let there = self.descriptors.get(&number);
        if matches!(there, Some(ChildFd::Read | ChildFd::Write)) {
            self.descriptors.insert(number, descriptor);
        }
    }
}
