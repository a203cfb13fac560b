//! An example that runs: its lines as they come, its end, and no traces of it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::build::binary;

/// Long enough for whatever is waited for on the slowest machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// An example that was started. Dropped before its end, it is killed.
pub(crate) struct Program {
    name: String,
    child: Child,
    /// What is typed, if anything is.
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Option<JoinHandle<String>>,
}

/// An example that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it printed that was not read before.
    pub(crate) lines: Vec<String>,
    /// What it wrote to standard error.
    pub(crate) errors: String,
}

impl Program {
    pub(crate) fn start(name: &str, args: &[&str]) -> Self {
        Self::start_with(name, args, Stdio::null())
    }

    /// Starts an example that reads what is [typed](Self::types).
    pub(crate) fn start_to_type(name: &str, args: &[&str]) -> Self {
        Self::start_with(name, args, Stdio::piped())
    }

    /// Starts an example as systemd would, with a socket that listens as descriptor 3.
    pub(crate) fn start_with_socket(name: &str, socket: OwnedFd, args: &[&str]) -> Self {
        Self::start_with_socket_in(name, socket, args, &[])
    }

    /// The same, with variables of its environment.
    pub(crate) fn start_with_socket_in(
        name: &str,
        socket: OwnedFd,
        args: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let mut shell = Command::new("sh");
        shell.envs(environment.iter().copied());
        shell
            .arg("-c")
            .arg("LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\" 3<&0 0</dev/null")
            .arg(binary(name))
            .args(args);
        Self::spawn(name, shell, socket.into())
    }

    fn start_with(name: &str, args: &[&str], input: Stdio) -> Self {
        let mut command = Command::new(binary(name));
        command.args(args);
        Self::spawn(name, command, input)
    }

    fn spawn(name: &str, mut command: Command, input: Stdio) -> Self {
        let mut child = command
            // The stories of failures would have backtraces in them.
            .env_remove("RUST_BACKTRACE")
            .env_remove("RUST_LIB_BACKTRACE")
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut error_output = child.stderr.take().expect("a pipe");
        let (sender, lines) = channel();
        // Both end with the program; so neither pipe is ever full.
        thread::spawn(move || {
            let lines = output.lines().map_while(Result::ok);
            // Errs if the test has failed and dropped the receiver; harmless.
            lines.for_each(|line| drop(sender.send(line)));
        });
        let errors = thread::spawn(move || {
            let mut errors = String::new();
            error_output.read_to_string(&mut errors).expect("text");
            errors
        });
        Self {
            name: name.to_owned(),
            input: child.stdin.take(),
            child,
            lines,
            errors: Some(errors),
        }
    }

    /// Starts a server on a free port; gives its address, too.
    pub(crate) fn serve(name: &str) -> (Self, String) {
        Self::serve_with(name, &[])
    }

    /// The same, with more arguments.
    pub(crate) fn serve_with(name: &str, args: &[&str]) -> (Self, String) {
        let args = [&["--listen", "127.0.0.1:0"], args].concat();
        let mut server = Self::start(name, &args);
        let first = server.line();
        let address = first.strip_prefix("listening on ");
        let address = address.unwrap_or_else(|| panic!("{name} said {first:?}"));
        assert!(address.starts_with("127.0.0.1:"), "{address}");
        assert!(!address.ends_with(":0"), "{address}");
        (server, address.to_owned())
    }

    /// Runs an example to its end.
    pub(crate) fn run(name: &str, args: &[&str]) -> Ended {
        Self::start(name, args).end()
    }

    /// As `run`, with a variable of the environment.
    pub(crate) fn run_with_env(name: &str, args: &[&str], key: &str, value: &str) -> Ended {
        let mut command = Command::new(binary(name));
        command.args(args).env(key, value);
        Self::spawn(name, command, Stdio::null()).end()
    }

    pub(crate) fn types(&mut self, line: &str) {
        let input = self.input.as_mut().expect("it reads");
        writeln!(input, "{line}").expect("it fits");
    }

    /// Types nothing more.
    pub(crate) fn finishes(&mut self) {
        drop(self.input.take());
    }

    /// The next line it prints.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let line = self.next_line();
        line.unwrap_or_else(|| panic!("{} has ended", self.name))
    }

    #[track_caller]
    fn next_line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("{} neither speaks nor ends", self.name),
        }
    }

    /// The next line it prints is `expected`.
    #[track_caller]
    pub(crate) fn prints(&mut self, expected: &str) {
        assert_eq!(self.line(), expected);
    }

    pub(crate) fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is there");
    }

    /// Waits until it catches `signal`, which would end it before that.
    pub(crate) fn wait_until_it_catches(&self, signal: Signal) {
        let status = format!("/proc/{}/status", self.child.id());
        let start = Instant::now();
        let catches = || {
            let status = fs::read_to_string(&status).expect("it runs");
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
            let caught = caught.expect("what every process has").trim();
            let caught = u64::from_str_radix(caught, 16).expect("a mask");
            caught & (1 << (signal.as_raw() - 1)) != 0
        };
        while !catches() {
            assert!(start.elapsed() < PATIENCE, "{} never does", self.name);
            thread::yield_now();
        }
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        let mut lines = Vec::new();
        while let Some(line) = self.next_line() {
            lines.push(line);
        }
        let status = self.child.wait().expect("a child");
        let errors = self.errors.take().expect("it is waited for once");
        Ended {
            code: status.code(),
            lines,
            errors: errors.join().expect("text"),
        }
    }
}

impl Drop for Program {
    /// By its handle: nothing is sent to a process that was waited for.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Asserts that all went well.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        assert_eq!(self.errors, "", "{self:?}");
        self
    }

    /// Asserts that it ended with an error which names `what`.
    #[track_caller]
    pub(crate) fn failed_over(&self, what: &str) {
        assert!(self.code.is_some_and(|code| code != 0), "{self:?}");
        assert!(self.errors.contains(what), "{what} in {self:?}");
    }
}
