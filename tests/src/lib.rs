//! Conformance with Twisted, and what a user of the crates could see, tested from the outside.
//!
//! The tests are in the folders beside this one. This library has what several of them use.

pub mod certificates;
pub mod proxies;
pub mod python;

use std::fmt::{Debug, Display};
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A port of 127.0.0.1 that neither TCP nor UDP has in use, for a program that takes a number. Another
/// program may still be faster.
///
/// TCP chooses: connections that have just ended hold thousands of ports for a minute, which UDP
/// does not know of.
///
/// # Panics
///
/// Panics if there is none.
pub fn free_port() -> u16 {
    loop {
        let (_tcp, address) = listener();
        if UdpSocket::bind(address).is_ok() {
            return address.port();
        }
    }
}

/// The number that `value` prints for its field `name`.
///
/// # Panics
///
/// Panics if it prints none.
pub fn debug_number(value: &impl Debug, name: &str) -> usize {
    let text = format!("{value:?}");
    let (_, rest) = text
        .split_once(&format!("{name}: "))
        .unwrap_or_else(|| panic!("{text} has no {name}"));
    let end = rest.find(|one: char| !one.is_ascii_digit());
    let number = rest[..end.unwrap_or(rest.len())].parse();
    number.unwrap_or_else(|_| panic!("{name} of {text} is no number"))
}

/// A directory for the files of one test. Deleted when dropped.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// Makes one whose name begins with `name`, which is short: the path of a UNIX socket has
    /// room for a hundred bytes.
    ///
    /// # Panics
    ///
    /// Panics if the directory cannot be made.
    pub fn new(name: &str) -> Self {
        Self::below(&std::env::temp_dir(), name)
    }

    /// As `new`, in `parent` instead of the directory of the system for temporary files.
    ///
    /// # Panics
    ///
    /// Panics if the directory cannot be made.
    pub fn below(parent: &Path, name: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    /// The path of a file in it, for the arguments of a program.
    ///
    /// # Panics
    ///
    /// Panics if the path is not UTF-8.
    pub fn path(&self, name: &str) -> String {
        let path = self.0.join(name);
        path.to_str().expect("text").to_owned()
    }
}

impl Deref for Directory {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Errs if something else has deleted it: then it is gone, as it should be.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A socket that listens on a free port of loopback, and its address.
///
/// # Panics
///
/// Panics if there is no free port.
pub fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// Binds a listening socket on loopback, and wraps the command of a server so that the server gets
/// the socket as descriptor 3: its port is free, and open before the server is.
///
/// # Panics
///
/// Panics if there is no free port, or if the command removes a variable of the environment.
pub fn with_listener(command: impl FnOnce(SocketAddr) -> Command) -> (Command, SocketAddr) {
    let (listener, address) = listener();
    let mut shell = redirected(&command(address), "3<&0 0</dev/null");
    shell.stdin(OwnedFd::from(listener));
    (shell, address)
}

/// The command, run by a shell that first redirects what it has open.
fn redirected(command: &Command, redirections: &str) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("exec \"$@\" {redirections}"), "sh"])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        shell.env(name, value.expect("one that is set"));
    }
    shell
}

/// Waits until `condition` holds, 60 s at the most.
///
/// # Panics
///
/// Panics if it does not hold by then.
#[track_caller]
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "it never came: {what}");
        thread::yield_now();
    }
}

/// Says that a test is skipped, and why.
pub fn skip(reason: impl Display) {
    // Not by `eprintln`, which the test runner keeps to itself. Errs if nothing reads it.
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}

/// Whether a program of another project can be run, by its name or its path; says so if not.
pub fn is_there(program: &str) -> bool {
    let search = Command::new("sh")
        .args(["-c", "command -v \"$0\" >/dev/null", program])
        .status();
    let found = search.is_ok_and(|status| status.success());
    if !found {
        skip(format_args!("no {program}"));
    }
    found
}

/// A chapter of the guide that needs several crates. Its programs are tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guide/33-sans-io.md")]
struct SansIo;

/// The page in Chinese on several crates. Its programs are tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/zh/protocols.md")]
struct ChineseProtocols;

/// Recipes that need several crates. Their programs are tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/recipes-protocols.md")]
struct RecipesForProtocols;
