//! Programs that are run beside the loop: their files, their input and output, their end.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use reactor::Reactor;
use rustix::process::{Pid, Signal, kill_process};
use tests::{Directory, with_listener};

use crate::certificates::{Issuer, Pem};
use crate::connections::turn_until;

/// An issuer, and what it has issued, in files.
pub(crate) struct Files {
    directory: Directory,
    pub(crate) issuer: Issuer,
    pub(crate) server: Pem,
    pub(crate) client: Pem,
}

impl Files {
    pub(crate) fn new(name: &str) -> Self {
        let issuer = Issuer::new();
        let files = Self {
            directory: Directory::new(&format!("tls-{name}")),
            server: issuer.issue("localhost"),
            client: issuer.issue("client"),
            issuer,
        };
        files.write("ca.pem", &files.issuer.pem());
        files.write("server.pem", &files.server.certificate);
        files.write("server.key", &files.server.key);
        files.write(
            "server.both",
            &(files.server.key.clone() + &files.server.certificate),
        );
        files.write("client.pem", &files.client.certificate);
        files.write("client.key", &files.client.key);
        files
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.directory.join(name), text).expect("a file");
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.directory.path(name)
    }
}

/// A running program, whose output is gathered. Killed when dropped.
pub(crate) struct Program {
    child: Child,
    input: Option<ChildStdin>,
    /// What it has written to its standard output and error.
    output: Arc<Mutex<Vec<u8>>>,
    readers: Vec<thread::JoinHandle<()>>,
}

impl Program {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_with_input(command.stdin(Stdio::piped()))
    }

    /// Starts a server with a listening socket as descriptor 3, so that its port is free and
    /// open before the program is.
    pub(crate) fn start_listening(command: Command) -> (Self, SocketAddr) {
        Self::start_with_listener(|_| command)
    }

    /// The same, for a program whose command needs the address.
    pub(crate) fn start_with_listener(
        command: impl FnOnce(SocketAddr) -> Command,
    ) -> (Self, SocketAddr) {
        let (mut command, address) = with_listener(command);
        (Self::start_with_input(&mut command), address)
    }

    fn start_with_input(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let output = Arc::default();
        let readers = vec![
            gather(child.stdout.take().expect("a pipe"), &output),
            gather(child.stderr.take().expect("a pipe"), &output),
        ];
        Self {
            input: child.stdin.take(),
            child,
            output,
            readers,
        }
    }

    /// What it has written so far.
    pub(crate) fn output(&self) -> String {
        let output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&output).into_owned()
    }

    pub(crate) fn types(&mut self, text: &str) {
        let input = self.input.as_mut().expect("it reads");
        input.write_all(text.as_bytes()).expect("it reads");
    }

    /// Types `text`, and turns the loop until the output contains `answer`.
    #[track_caller]
    pub(crate) fn asks(&mut self, reactor: &Reactor, text: &str, answer: &str) {
        self.types(text);
        self.wait_for(reactor, answer);
    }

    /// Types nothing more.
    pub(crate) fn finishes(&mut self) {
        drop(self.input.take());
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        let status = self.child.try_wait().expect("a child");
        status.is_some() && self.readers.iter().all(|reader| reader.is_finished())
    }

    /// Turns the loop until the output contains `text`.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, reactor: &Reactor, text: &str) {
        turn_until(reactor, || {
            let output = self.output();
            let has_said = output.contains(text);
            let ends = self.has_ended() && !self.output().contains(text);
            assert!(!ends, "it ended without {text:?}: {output}");
            has_said
        });
    }

    /// Turns the loop until it has ended; gives its status and its output.
    #[track_caller]
    pub(crate) fn end(mut self, reactor: &Reactor) -> (ExitStatus, String) {
        turn_until(reactor, || self.has_ended());
        (self.child.wait().expect("a child"), self.output())
    }

    /// The same, for one that has to succeed.
    #[track_caller]
    pub(crate) fn succeeds(self, reactor: &Reactor) -> String {
        let (status, output) = self.end(reactor);
        assert!(status.success(), "{status}: {output}");
        output
    }
}

impl Drop for Program {
    /// Asks first, so that it can end its own children.
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while let Ok(None) = self.child.try_wait() {
            if Instant::now() > deadline {
                break;
            }
            // Errs if it has ended in between; the next round sees that.
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
            thread::yield_now();
        }
        // Both err if it has ended and was waited for; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Appends all that comes to `output`, so that the program never waits for room.
fn gather(
    mut source: impl Read + Send + 'static,
    output: &Arc<Mutex<Vec<u8>>>,
) -> thread::JoinHandle<()> {
    let output = Arc::clone(output);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        // An error is the end, too: the program is gone.
        while let Ok(length @ 1..) = source.read(&mut buffer) {
            let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
            output.extend_from_slice(&buffer[..length]);
        }
    })
}
