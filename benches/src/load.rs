//! Clients of servers: one thread on epoll, which keeps connections busy, and what a server in
//! a process of its own costs under that.
//!
//! A client ends by itself, after so many requests or so long, and when a server stops answering
//! it fails.

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::echo::server::Server;
use crate::tools::{Counts, Tool};

/// How long a server may stay silent: longer than any of them needs under Valgrind.
const PATIENCE: Duration = Duration::from_secs(30);

/// When to stop: whichever comes first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// Rounded up to whole batches.
    pub(crate) requests: u64,
    pub(crate) time: Duration,
}

impl Limit {
    fn time(time: Duration) -> Self {
        Self {
            requests: u64::MAX,
            time,
        }
    }
}

/// What a server did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Served {
    pub(crate) requests: u64,
    pub(crate) elapsed: Duration,
}

/// Connections to one server, each of which sends a batch of requests, and the next one when it
/// is answered.
pub(crate) trait Load {
    fn poller(&mut self) -> &mut Poller;

    fn connections(&self) -> usize;

    /// Requests of a batch.
    fn batch(&self) -> u64 {
        1
    }

    /// Batches that a connection has on their way at a time.
    fn in_flight(&self) -> usize {
        1
    }

    /// Sends a batch on the connection `index`.
    fn begin(&mut self, index: usize) -> io::Result<()>;

    /// Does what can be done on a ready connection; gives how many batches are answered by that.
    fn go_on(&mut self, index: usize) -> io::Result<usize>;

    /// Keeps all connections busy up to `limit`.
    fn run(&mut self, limit: Limit) -> io::Result<Served> {
        let batch = self.batch();
        let mut to_start = limit.requests.div_ceil(batch);
        let mut done = 0;
        let mut busy = 0;
        let start = Instant::now();
        for _ in 0..self.in_flight() {
            for index in 0..self.connections() {
                if to_start > 0 {
                    to_start -= 1;
                    busy += 1;
                    self.begin(index)?;
                }
            }
        }
        while busy > 0 {
            self.poller().wait()?;
            if start.elapsed() >= limit.time {
                to_start = 0;
            }
            let mut events = std::mem::take(&mut self.poller().events);
            for event in events.drain(..) {
                let index = event.data.u64() as usize;
                for _ in 0..self.go_on(index)? {
                    done += batch;
                    if to_start > 0 {
                        to_start -= 1;
                        self.begin(index)?;
                    } else {
                        busy -= 1;
                    }
                }
            }
            self.poller().events = events;
        }
        Ok(Served {
            requests: done,
            elapsed: start.elapsed(),
        })
    }
}

impl<L: Load + ?Sized> Load for Box<L> {
    fn poller(&mut self) -> &mut Poller {
        (**self).poller()
    }

    fn connections(&self) -> usize {
        (**self).connections()
    }

    fn batch(&self) -> u64 {
        (**self).batch()
    }

    fn in_flight(&self) -> usize {
        (**self).in_flight()
    }

    fn begin(&mut self, index: usize) -> io::Result<()> {
        (**self).begin(index)
    }

    fn go_on(&mut self, index: usize) -> io::Result<usize> {
        (**self).go_on(index)
    }
}

/// Connections on which the same request is sent again and again, some at once, the next when all
/// are answered. Answers are only counted: each has the same length.
pub(crate) struct Repeated {
    poller: Poller,
    connections: Vec<Unanswered>,
    requests: Vec<u8>,
    batch: usize,
    /// The length of the answers to a batch.
    answers: usize,
    buffer: Vec<u8>,
}

struct Unanswered {
    stream: TcpStream,
    /// Bytes of answers that have not come.
    length: usize,
}

impl Repeated {
    /// Opens `count` connections, on each of which `begin` does what comes before the first batch,
    /// and gives the length of an answer.
    pub(crate) fn connect(
        address: SocketAddr,
        count: usize,
        request: &[u8],
        batch: usize,
        mut begin: impl FnMut(&mut TcpStream) -> io::Result<usize>,
    ) -> io::Result<Self> {
        let mut load = Self {
            poller: Poller::new()?,
            connections: Vec::with_capacity(count),
            requests: request.repeat(batch),
            batch,
            answers: 0,
            buffer: vec![0; 256 * 1024],
        };
        for index in 0..count {
            let mut stream = connect(address)?;
            load.answers = batch * begin(&mut stream)?;
            stream.set_nonblocking(true)?;
            load.poller.add(&stream, index)?;
            load.connections.push(Unanswered { stream, length: 0 });
        }
        Ok(load)
    }
}

impl Load for Repeated {
    fn poller(&mut self) -> &mut Poller {
        &mut self.poller
    }

    fn connections(&self) -> usize {
        self.connections.len()
    }

    fn batch(&self) -> u64 {
        self.batch as u64
    }

    /// Sends a batch, which fits into the socket, since all before it was read.
    fn begin(&mut self, index: usize) -> io::Result<()> {
        let connection = &mut self.connections[index];
        connection.length = self.answers;
        connection.stream.write_all(&self.requests)
    }

    fn go_on(&mut self, index: usize) -> io::Result<usize> {
        let connection = &mut self.connections[index];
        match connection.stream.read(&mut self.buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) if n > connection.length => Err(io::Error::other("an answer is too long")),
            Ok(n) => {
                connection.length -= n;
                Ok(usize::from(connection.length == 0))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        }
    }
}

/// Tells which connections of a load are ready, by their indices.
pub(crate) struct Poller {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(1024),
        })
    }

    pub(crate) fn add(&self, stream: &TcpStream, index: usize) -> io::Result<()> {
        let data = EventData::new_u64(index as u64);
        Ok(epoll::add(&self.epoll, stream, data, EventFlags::IN)?)
    }

    /// Also tells when `stream` takes more, or no longer.
    pub(crate) fn set_writable_interest(
        &self,
        stream: &TcpStream,
        index: usize,
        is_wanted: bool,
    ) -> io::Result<()> {
        let also = if is_wanted {
            EventFlags::OUT
        } else {
            EventFlags::empty()
        };
        let data = EventData::new_u64(index as u64);
        Ok(epoll::modify(
            &self.epoll,
            stream,
            data,
            EventFlags::IN | also,
        )?)
    }

    fn wait(&mut self) -> io::Result<()> {
        const TIMEOUT: Timespec = Timespec {
            tv_sec: PATIENCE.as_secs().cast_signed(),
            tv_nsec: 0,
        };
        let events = spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, events, Some(&TIMEOUT)) {
            Ok(0) => Err(io::Error::new(
                ErrorKind::TimedOut,
                "the server stopped answering",
            )),
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Connects to a server, with a socket that blocks.
pub(crate) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// What a server did in a time, and used of the processor for that.
pub(crate) struct Cost {
    pub(crate) requests_per_second: f64,
    pub(crate) microseconds_per_request: f64,
    /// Those outside of the kernel; the system counts them in hundredths of a second.
    pub(crate) user_microseconds_per_request: f64,
}

/// Starts a server, warms it up with the load that `connect` makes, and keeps it busy for `time`.
pub(crate) fn cost<L: Load, E>(
    command: &[OsString],
    time: Duration,
    connect: impl FnOnce(SocketAddr) -> Result<L, E>,
) -> Result<Cost, Box<dyn Error>>
where
    Box<dyn Error>: From<E>,
{
    let server = Server::start(command)?;
    let mut load = connect(server.address)?;
    load.run(Limit::time(time / 10))?;
    let (before, user_before) = (server.cpu_time()?, server.user_time()?);
    let served = load.run(Limit::time(time))?;
    let used = server.cpu_time()? - before;
    let used_by_user = server.user_time()? - user_before;
    drop(load);
    server.stop()?;
    let requests = served.requests as f64;
    Ok(Cost {
        requests_per_second: requests / served.elapsed.as_secs_f64(),
        microseconds_per_request: used.as_secs_f64() * 1e6 / requests,
        user_microseconds_per_request: used_by_user.as_secs_f64() * 1e6 / requests,
    })
}

/// What `tool` counts over the life of the server `command`, to which the load that `connect` makes
/// sends so many requests; and how many it has answered.
pub(crate) fn counts<L: Load, E>(
    tool: Tool,
    command: &[OsString],
    connect: impl FnOnce(SocketAddr) -> Result<L, E>,
    requests: u64,
) -> Result<(Counts, u64), Box<dyn Error>>
where
    Box<dyn Error>: From<E>,
{
    tool.count(command, |command| {
        let server = Server::start(command)?;
        let mut load = connect(server.address)?;
        let served = load.run(Limit {
            requests,
            time: Duration::from_secs(60),
        })?;
        drop(load);
        server.stop()?;
        Ok(served.requests)
    })
}
