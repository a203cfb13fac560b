//! Servers, each in a folder of its own, ended by their process ID.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tests::{Directory, is_there, skip};

const PATIENCE: Duration = Duration::from_secs(60);

/// A running server. Dropping it ends it.
pub(crate) struct Server {
    process: Child,
    how_to_end: Signal,
    folder: Directory,
}

impl Server {
    fn start(folder: Directory, command: &mut Command, how_to_end: Signal) -> Self {
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it is installed");
        Self {
            process,
            how_to_end,
            folder,
        }
    }

    /// Waits until `is_ready` gives a value.
    fn wait<T>(&mut self, mut is_ready: impl FnMut(&Path) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(value) = is_ready(&self.folder) {
                return value;
            }
            let ended = self.process.try_wait().expect("it is a child");
            assert!(ended.is_none(), "the server has ended: {ended:?}");
            assert!(Instant::now() < deadline, "the server does not start");
            thread::yield_now();
        }
    }

    /// The path of a file in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn kill(&mut self) {
        // Errs only if it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.process.try_wait() {
            let pid = Pid::from_child(&self.process);
            // Errs only if it has ended in between.
            let _ = kill_process(pid, self.how_to_end);
            let _ = self.process.wait();
        }
    }
}

/// A program that Debian keeps out of the path, of the newest version.
fn of_postgres(program: &str) -> String {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut folders: Vec<_> = versions.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    match folders.pop() {
        Some(newest) => newest.join("bin").join(program).display().to_string(),
        None => program.to_owned(),
    }
}

/// The user and group IDs of `postgres`, as the system's list has them: root may not run it.
fn postgres_user() -> Option<(u32, u32)> {
    let list = fs::read_to_string("/etc/passwd").ok()?;
    let line = list.lines().find(|line| line.starts_with("postgres:"))?;
    let mut fields = line.split(':').skip(2);
    let mut number = || fields.next()?.parse().ok();
    Some((number()?, number()?))
}

/// PostgreSQL, which listens on the UNIX socket `.s.PGSQL.5432` in its folder.
pub(crate) fn postgres() -> Option<Server> {
    let (initdb, postgres) = (of_postgres("initdb"), of_postgres("postgres"));
    if !is_there(&initdb) || !is_there(&postgres) {
        return None;
    }
    let folder = Directory::new("pg");
    let mut user = None;
    if geteuid().is_root() {
        user = postgres_user();
        let Some((uid, gid)) = user else {
            skip("no user that may run postgres");
            return None;
        };
        std::os::unix::fs::chown(&*folder, Some(uid), Some(gid)).expect("it is root");
    }
    let as_user = |program: &str| {
        let mut command = Command::new(program);
        command.current_dir(&*folder);
        if let Some((uid, gid)) = user {
            command.uid(uid).gid(gid);
        }
        command
    };
    let data = folder.join("data");
    let made = as_user(&initdb)
        .args(["--auth=trust", "--username=postgres", "--no-sync", "-D"])
        .arg(&data)
        .stdout(Stdio::null())
        .status();
    assert!(made.expect("it runs").success(), "initdb fails");
    let mut command = as_user(&postgres);
    command
        .args(["-c", "listen_addresses=", "-c", "fsync=off", "-k"])
        .arg(&*folder)
        .arg("-D")
        .arg(&data);
    // SIGINT: open sessions end, then the server.
    let mut server = Server::start(folder, &mut command, Signal::INT);
    server.wait(|folder| {
        // The last line of this file is its state.
        let state = fs::read_to_string(folder.join("data/postmaster.pid")).ok()?;
        state.contains("ready").then_some(())
    });
    Some(server)
}

/// Redis, which listens on the UNIX socket `redis` in its folder.
pub(crate) fn redis() -> Option<Server> {
    if !is_there("redis-server") {
        return None;
    }
    let folder = Directory::new("redis");
    let mut command = Command::new("redis-server");
    command
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--dir"])
        .arg(&*folder)
        .arg("--unixsocket")
        .arg(folder.join("redis"));
    let mut server = Server::start(folder, &mut command, Signal::TERM);
    server.wait(|folder| {
        let connected = std::os::unix::net::UnixStream::connect(folder.join("redis"));
        connected.ok().map(drop)
    });
    Some(server)
}

/// NATS, and the address that it listens on.
pub(crate) fn nats() -> Option<(Server, String)> {
    if !is_there("nats-server") {
        return None;
    }
    let folder = Directory::new("nats");
    let mut command = Command::new("nats-server");
    command
        .args(["--addr", "127.0.0.1", "--port", "-1", "--ports_file_dir"])
        .arg(&*folder);
    let mut server = Server::start(folder, &mut command, Signal::TERM);
    let address = server.wait(|folder| {
        let mut files = fs::read_dir(folder).ok()?.flatten();
        let ports =
            files.find(|file| file.path().extension().is_some_and(|name| name == "ports"))?;
        let text = fs::read_to_string(ports.path()).ok()?;
        let ports: serde_json::Value = serde_json::from_str(&text).ok()?;
        let url = ports["nats"][0].as_str()?;
        Some(url.trim_start_matches("nats://").to_owned())
    });
    Some((server, address))
}
