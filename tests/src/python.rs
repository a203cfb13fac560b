//! Programs in Python: whether their modules are there, and servers.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::{is_there, skip};

/// Whether a module of Python is installed, or several with commas between; says so if not.
pub fn has_module(name: &str) -> bool {
    if !is_there("python3") {
        return false;
    }
    let import = format!("import {name}");
    let status = Command::new("python3")
        .args(["-c", &import])
        .stderr(Stdio::null())
        .status();
    let has_it = status.is_ok_and(|status| status.success());
    if !has_it {
        skip(format_args!("no module {name} of Python"));
    }
    has_it
}

/// A server in Python. Killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// What it prints after its port.
    pub lines: Lines<BufReader<ChildStdout>>,
    /// Its port of 127.0.0.1, which it prints first.
    pub port: u16,
}

impl Server {
    /// Starts it, unless `module` is missing.
    ///
    /// # Panics
    ///
    /// Panics if it prints no port.
    pub fn start(module: &str, script: &str, args: &[&str]) -> Option<Self> {
        if !has_module(module) {
            return None;
        }
        let mut child = Command::new("python3")
            .args(["-c", script])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let output = child.stdout.take().expect("a pipe");
        let mut lines = BufReader::new(output).lines();
        let port = lines.next().expect("it listens").expect("text");
        let port = port.trim().parse().expect("a port");
        Some(Self { child, lines, port })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both err only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
