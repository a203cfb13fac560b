//! A web server in a process of its own, and clients in threads.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use deferred::sleep;
use reactor::Reactor;
use reactor::endpoint::InheritedFd;
use reactor_web::{App, Limits, Request, serve};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

/// Long enough for whatever is waited for on the slowest machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The test that is the server when it finds [`ROLE`] in its environment.
const SERVER: &str = "support::serves_if_it_is_asked_to";
const ROLE: &str = "FIRE_SERVER";

/// What a server is like.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kind {
    /// How many descriptors it may have.
    pub(crate) descriptors: Option<u64>,
    pub(crate) is_strict: bool,
    /// Whether idle connections are left to their clients for so many seconds when it stops.
    pub(crate) idle_grace: u64,
    /// After how many seconds slow clients are cut off, by each of the limits; 0 for the defaults.
    pub(crate) patience: u64,
}

/// A server that has inherited its listening socket. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// Whatever is written here has it say how much memory it uses.
    questions: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Server {
    /// Starts one on `listener`, and waits until it serves.
    pub(crate) fn start(listener: &TcpListener, kind: Kind) -> Self {
        let socket: OwnedFd = listener.try_clone().expect("a descriptor").into();
        // It becomes descriptor 3; standard error goes where the output does.
        let mut child = Command::new("sh")
            .args(["-c", "exec 3<&2 2>&1; exec \"$@\"", "sh"])
            .arg(std::env::current_exe().expect("it runs"))
            .args(["--exact", SERVER, "--nocapture", "--test-threads=1"])
            .env(
                ROLE,
                format!(
                    "{} {} {} {}",
                    kind.descriptors.unwrap_or(0),
                    kind.is_strict,
                    kind.idle_grace,
                    kind.patience
                ),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(socket)
            .spawn()
            .expect("it starts");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let questions = child.stdin.take().expect("a pipe");
        let mut server = Self {
            child,
            questions,
            output,
        };
        server.read("serving");
        server
    }

    /// What follows `prefix` in the next line of its output that has it.
    fn read(&mut self, prefix: &str) -> String {
        loop {
            let mut line = String::new();
            let count = self.output.read_line(&mut line).expect("a pipe");
            assert_ne!(count, 0, "it ended before {prefix:?}");
            if let Some((_, rest)) = line.split_once(prefix) {
                return rest.trim().to_owned();
            }
        }
    }

    /// The numbers of its open connections, of its descriptors, and of the bytes that it is
    /// resident with.
    pub(crate) fn figures(&mut self) -> [u64; 3] {
        writeln!(self.questions, "?").expect("it reads");
        let figures = self.read("figures ");
        let mut numbers = figures
            .split(' ')
            .map(|number| number.parse().expect("a number"));
        [(); 3].map(|()| numbers.next().expect("three"))
    }

    /// Asks it to end in order.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it runs");
    }

    /// Waits until it has ended in order.
    #[track_caller]
    pub(crate) fn wait(mut self) {
        let status = self.child.wait().expect("a child");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both err if it has ended and was waited for; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the servers answer with.
fn app() -> App {
    let huge = Bytes::from(vec![b'x'; 16 << 20]);
    App::new()
        .get("/", |_| "hello")
        .get("/slow", async |req: Request| {
            sleep(req.reactor(), Duration::from_millis(20)).await?;
            Ok("hello")
        })
        .get("/large", |_| vec![b'x'; 200_000])
        // More than the system takes for a client that does not read.
        .get("/huge", move |_| huge.clone())
        .post("/read", |req| req.bytes())
        .any("/{*path}", async |req: Request| {
            let path = req.path().to_owned();
            let body = req.take_body().collect(1000).await?;
            Ok(format!("<{} {path} {}>", req.method(), body.escape_ascii()))
        })
}

#[test]
fn serves_if_it_is_asked_to() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let mut words = role.split(' ');
    let mut next = || words.next().expect("four words");
    let descriptors: u64 = next().parse().expect("a number");
    let is_strict = next() == "true";
    let idle_grace = Duration::from_secs(next().parse().expect("a number"));
    let patience = Duration::from_secs(next().parse().expect("a number"));
    if descriptors > 0 {
        limit_descriptors(descriptors);
    }
    let mut limits = Limits::default()
        .with_strict(is_strict)
        .with_idle_grace(idle_grace);
    if !patience.is_zero() {
        limits = limits
            .with_head_timeout(patience)
            .with_body_timeout(patience)
            .with_write_timeout(patience);
    }
    let reactor = Reactor::new().expect("a reactor");
    let serving = serve(&reactor, InheritedFd::new(3), app().limits(limits));
    let _port = reactor.block_on(serving).expect("it listens");
    println!("serving");
    let remote = reactor.remote();
    std::thread::spawn(move || {
        for _ in std::io::stdin().lines() {
            let asked = remote.call_from_thread(|reactor| {
                let connections = reactor.counters().connections;
                println!(
                    "figures {connections} {} {}",
                    open_descriptors(),
                    resident()
                );
            });
            if asked.is_err() {
                return;
            }
        }
    });
    reactor.run_until_signal().expect("it runs");
}

/// Sets how many descriptors this process may have, or as many as are allowed.
pub(crate) fn limit_descriptors(count: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: Some(maximum.map_or(count, |maximum| maximum.min(count))),
        maximum,
    };
    setrlimit(Resource::Nofile, limit).expect("it is allowed");
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn resident() -> u64 {
    let sizes = std::fs::read_to_string("/proc/self/statm").expect("it is there");
    let pages = sizes.split_whitespace().nth(1).map(str::parse::<u64>);
    pages.expect("it has several").expect("a number") * rustix::param::page_size() as u64
}

/// A client that keeps its connection, and never sends a request twice.
pub(crate) struct Client {
    address: SocketAddr,
    stream: Option<TcpStream>,
    /// Number of connections that were opened.
    pub(crate) connections: usize,
}

/// An answer, or what was wrong with it.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            stream: None,
            connections: 0,
        }
    }

    /// Gets `path`.
    pub(crate) fn get(&mut self, path: &str) -> std::io::Result<Answer> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                self.connections += 1;
                let stream = TcpStream::connect(self.address)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_nodelay(true)?;
                stream
            }
        };
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes())?;
        let (answer, is_kept) = read_answer(&mut stream)?;
        if is_kept {
            self.stream = Some(stream);
        }
        Ok(answer)
    }
}

/// Reads one answer; says whether its connection goes on.
pub(crate) fn read_answer(stream: &mut TcpStream) -> std::io::Result<(Answer, bool)> {
    let mut received = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&received[..end]).to_ascii_lowercase();
            let value = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
            let length = value("content-length: ").and_then(|length| length.parse().ok());
            let length: usize = length.unwrap_or(0);
            if received.len() >= end + 4 + length {
                let status = head[9..12].parse().map_err(std::io::Error::other)?;
                let body = received[end + 4..end + 4 + length].to_vec();
                let is_kept = value("connection: ") != Some("close");
                return Ok((Answer { status, body }, is_kept));
            }
        }
        match stream.read(&mut buffer)? {
            0 => {
                let so_far = String::from_utf8_lossy(&received).into_owned();
                return Err(std::io::Error::other(format!("it ended after {so_far:?}")));
            }
            count => received.extend_from_slice(&buffer[..count]),
        }
    }
}
