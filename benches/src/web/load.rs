//! The client of the web servers: one thread on epoll, which sends the same requests again and
//! again, and counts the bytes of the answers.
//!
//! An answer always has the same length, since a date has. The first one is parsed.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

/// How long a server may stay silent: longer than any of them needs under Valgrind.
const PATIENCE: Timespec = Timespec {
    tv_sec: 30,
    tv_nsec: 0,
};

/// Requests that are sent at once on each of some connections, again when all are answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) connections: usize,
    pub(crate) batch: usize,
    pub(crate) path: &'static str,
    /// The length of the body of an answer.
    pub(crate) body: usize,
}

impl Scenario {
    pub(crate) const ALL: [Self; 4] = [
        Self::new("hello", 32, 1, "/", 13),
        Self::new("pipe16", 16, 16, "/", 13),
        Self::new("64k", 8, 1, "/64k", 64 * 1024),
        Self::new("1m", 4, 1, "/1m", 1024 * 1024),
    ];

    const fn new(
        name: &'static str,
        connections: usize,
        batch: usize,
        path: &'static str,
        body: usize,
    ) -> Self {
        Self {
            name,
            connections,
            batch,
            path,
            body,
        }
    }

    fn request(&self) -> String {
        let path = self.path;
        format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nuser-agent: benches\r\naccept: */*\r\n\r\n"
        )
    }
}

/// Connections to one server.
pub(crate) struct Load {
    epoll: OwnedFd,
    connections: Vec<Connection>,
    scenario: Scenario,
    requests: Vec<u8>,
    /// The length of the answers to a batch.
    answers: usize,
    buffer: Vec<u8>,
    events: Vec<epoll::Event>,
}

struct Connection {
    stream: TcpStream,
    unanswered: usize,
}

impl Load {
    pub(crate) fn connect(address: SocketAddr, scenario: &Scenario) -> io::Result<Self> {
        let request = scenario.request();
        let mut load = Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            connections: Vec::new(),
            scenario: *scenario,
            requests: request.repeat(scenario.batch).into_bytes(),
            answers: 0,
            buffer: vec![0; 256 * 1024],
            events: Vec::with_capacity(1024),
        };
        for index in 0..scenario.connections {
            let mut stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(Duration::from_secs(PATIENCE.tv_sec as u64)))?;
            stream.write_all(request.as_bytes())?;
            load.answers = scenario.batch * first_answer(&mut stream, scenario.body)?;
            stream.set_nonblocking(true)?;
            let data = EventData::new_u64(index as u64);
            epoll::add(&load.epoll, &stream, data, EventFlags::IN)?;
            load.connections.push(Connection {
                stream,
                unanswered: 0,
            });
        }
        Ok(load)
    }

    /// Keeps all connections busy until so many requests were made, or for so long; gives the
    /// number of requests.
    pub(crate) fn run(&mut self, requests: u64, time: Duration) -> io::Result<u64> {
        let batch = self.scenario.batch as u64;
        let mut to_start = requests.div_ceil(batch);
        let (mut done, mut busy) = (0, 0);
        let start = Instant::now();
        for index in 0..self.connections.len() {
            if to_start > 0 {
                to_start -= 1;
                busy += 1;
                self.begin(index)?;
            }
        }
        while busy > 0 {
            let events = spare_capacity(&mut self.events);
            match epoll::wait(&self.epoll, events, Some(&PATIENCE)) {
                Ok(0) => return Err(ErrorKind::TimedOut.into()),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            if start.elapsed() >= time {
                to_start = 0;
            }
            let mut events = std::mem::take(&mut self.events);
            for event in events.drain(..) {
                let index = event.data.u64() as usize;
                if !self.read(index)? {
                    continue;
                }
                done += batch;
                if to_start > 0 {
                    to_start -= 1;
                    self.begin(index)?;
                } else {
                    busy -= 1;
                }
            }
            self.events = events;
        }
        Ok(done)
    }

    /// Sends a batch, which fits into the socket, since all before it was read.
    fn begin(&mut self, index: usize) -> io::Result<()> {
        let connection = &mut self.connections[index];
        connection.unanswered = self.answers;
        connection.stream.write_all(&self.requests)
    }

    /// Reads what is there; says whether a batch is answered by that.
    fn read(&mut self, index: usize) -> io::Result<bool> {
        let connection = &mut self.connections[index];
        match connection.stream.read(&mut self.buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) if n > connection.unanswered => Err(io::Error::other("an answer is too long")),
            Ok(n) => {
                connection.unanswered -= n;
                Ok(connection.unanswered == 0)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Reads an answer; gives its length.
fn first_answer(stream: &mut TcpStream, body: usize) -> io::Result<usize> {
    let mut answer = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&piece[..count]);
        let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        if !answer.starts_with(b"HTTP/1.1 200 OK\r\n") {
            let text = String::from_utf8_lossy(&answer[..head]);
            return Err(io::Error::other(format!("not the answer: {text}")));
        }
        if answer.len() == head + 4 + body {
            return Ok(answer.len());
        }
    }
}
