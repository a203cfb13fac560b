//! A server in a process of its own, and what it uses of the processor.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// The servers that there may be, the peers first.
pub(crate) const TOKIO: &str = "echo_tokio";
pub(crate) const EPOLL: &str = "echo_epoll";
pub(crate) const OURS: &str = "echo_reactor";

/// Those with a timer for each connection.
pub(crate) const TOKIO_TIMERS: &str = "echo_tokio_timers";
pub(crate) const OUR_TIMERS: &str = "echo_reactor_timers";

/// Those with two threads.
pub(crate) const TOKIO_THREADS: &str = "echo_tokio_threads";
pub(crate) const OUR_CORES: &str = "echo_cores";

/// The file of the server `name`, if it is built.
///
/// Cargo puts all programs of a package next to one another.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.with_file_name(name);
    path.is_file().then_some(path)
}

/// The servers that are built; says of the others that they are not.
pub(crate) fn built() -> Vec<(&'static str, PathBuf)> {
    built_of(&[TOKIO, EPOLL, OURS])
}

/// The same of `names`.
pub(crate) fn built_of(names: &[&'static str]) -> Vec<(&'static str, PathBuf)> {
    let mut found = Vec::new();
    for &name in names {
        match find(name) {
            Some(path) => found.push((name, path)),
            None => println!("{name} is not built (cargo build --release -p benches): left out"),
        }
    }
    found
}

/// A running server. Dropping it ends it.
pub(crate) struct Server {
    process: Child,
    output: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts `command`, to which a port is added, and waits until it is ready.
    pub(crate) fn start(command: &[OsString]) -> io::Result<Self> {
        let [program, arguments @ ..] = command else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let mut process = Command::new(program)
            .args(arguments)
            .arg("0")
            // With it, each failure of a connection looks for the functions that it comes from.
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let Some(output) = process.stdout.take() else {
            unreachable!("it was just asked for");
        };
        let mut server = Self {
            process,
            output: BufReader::new(output),
            address: (Ipv4Addr::LOCALHOST, 0).into(),
        };
        let mut line = String::new();
        server.output.read_line(&mut line)?;
        let port = line
            .strip_prefix("ready ")
            .and_then(|port| port.trim_end().parse().ok())
            .ok_or_else(|| io::Error::other(format!("{program:?} said {line:?}, not `ready`")))?;
        server.address.set_port(port);
        Ok(server)
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// What the server has used of the processor up to now, in the kernel and
    /// outside.
    pub(crate) fn cpu_time(&self) -> io::Result<Duration> {
        // The count of a thread that runs lags behind: let it go to sleep.
        std::thread::sleep(Duration::from_millis(2));
        let mut sum = Duration::ZERO;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            // Nanoseconds; `stat` has hundredths of a second.
            let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
            let nanoseconds = text
                .split_whitespace()
                .next()
                .and_then(|first| first.parse().ok())
                .ok_or_else(|| io::Error::other("schedstat is not as expected"))?;
            sum += Duration::from_nanos(nanoseconds);
        }
        Ok(sum)
    }

    /// What the server has used of the processor outside of the kernel, in hundredths of a second.
    pub(crate) fn user_time(&self) -> io::Result<Duration> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // The name of the program is in parentheses, and may have spaces.
        let after_name = text.rsplit_once(')').map(|(_, rest)| rest);
        after_name
            .and_then(|rest| rest.split_whitespace().nth(11)?.parse::<u64>().ok())
            .map(|ticks| Duration::from_millis(10 * ticks))
            .ok_or_else(|| io::Error::other("stat is not as expected"))
    }

    /// Ends the server in good order, and waits until it and a tool around it have
    /// written what they had to.
    pub(crate) fn stop(mut self) -> io::Result<()> {
        kill_process(Pid::from_child(&self.process), Signal::TERM)?;
        // Both have the other end of this pipe until they are gone.
        self.output.read_to_end(&mut Vec::new())?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already; then there is nothing to do.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
