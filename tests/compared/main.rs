//! The same small programs here, in klein (with treq) and in axum, whose lines are compared in
//! `examples/README.md`: each does the same. Without klein, its programs are skipped.
//!
//! A program in Rust is a module of this test, and runs in a process of its own.

mod programs;
mod sites;
mod table;

use std::io::Read;
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tests::python::has_module;
use tests::{Directory, free_port, wait_for};

/// The test that is a program if it finds its name in this variable.
const PROGRAM: &str = "COMPARED_PROGRAM";

#[test]
fn is_a_program_if_it_is_asked_to() {
    let Ok(name) = std::env::var(PROGRAM) else {
        return;
    };
    let (_, main) = programs::ALL
        .iter()
        .find(|(known, _)| *known == name)
        .expect("a program");
    main();
}

/// What a program is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Library {
    ReactorWeb,
    Klein,
    Axum,
}

impl Library {
    const ALL: [Self; 3] = [Self::ReactorWeb, Self::Klein, Self::Axum];

    /// The folder of its programs.
    fn folder(self) -> &'static str {
        match self {
            Self::ReactorWeb => "reactor_web",
            Self::Klein => "klein",
            Self::Axum => "axum",
        }
    }

    /// The program `name`, if it is there, and its library is.
    fn command(self, name: &str) -> Option<Command> {
        if self == Self::Klein {
            if !has_module("klein, treq") {
                return None;
            }
            let path = format!(
                "{}/../examples/compared/klein/{name}.py",
                env!("CARGO_MANIFEST_DIR")
            );
            let mut command = Command::new("python3");
            // A file named as a module of Python's own hides it otherwise.
            command.args(["-P", &path]);
            return Some(command);
        }
        let name = format!("{}/{name}", self.folder());
        if !programs::ALL.iter().any(|(known, _)| *known == name) {
            return None;
        }
        let mut command = Command::new(std::env::current_exe().expect("it runs"));
        command
            .args(["--exact", "is_a_program_if_it_is_asked_to", "--nocapture"])
            .env(PROGRAM, name);
        Some(command)
    }
}

/// A server of one of the libraries. Killed when dropped.
struct Server {
    child: Child,
    output: ChildStdout,
    address: String,
}

impl Server {
    fn start(library: Library, name: &str, variables: &[(&str, &str)]) -> Option<Self> {
        let mut command = library.command(name)?;
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        let mut child = command
            .env("ADDRESS", &address)
            .env("ENDPOINT", format!("tcp:{port}:interface=127.0.0.1"))
            .env("PORT", port.to_string())
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let output = child.stdout.take().expect("a pipe");
        wait_for("it listens", || {
            let ended = child.try_wait().expect("a child");
            assert!(ended.is_none(), "{library:?} {name} has ended: {ended:?}");
            TcpStream::connect(&address).is_ok()
        });
        Some(Self {
            child,
            output,
            address,
        })
    }

    /// Ends it; gives what it has printed.
    fn end(mut self) -> String {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it runs");
        let mut text = String::new();
        self.output.read_to_string(&mut text).expect("text");
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both err only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Calls `check` with the program `name` of each library that has it.
fn each(name: &str, variables: &[(&str, &str)], check: impl Fn(Library, &Server)) {
    for library in Library::ALL {
        if let Some(server) = Server::start(library, name, variables) {
            check(library, &server);
            server.end();
        }
    }
}

/// A folder with a file.
fn folder() -> Directory {
    let folder = Directory::new("compared");
    std::fs::write(folder.join("file.txt"), "0123456789").expect("a file");
    folder
}
