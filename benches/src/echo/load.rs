//! The client: one thread on epoll, as light as the lightest server.
//!
//! It ends by itself, after so many requests or so long, and when a server stops
//! answering it fails.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use super::scenario::Scenario;

/// How long a server may stay silent: longer than any of them needs under
/// Valgrind.
const PATIENCE: Timespec = Timespec {
    tv_sec: 30,
    tv_nsec: 0,
};

/// When to stop: whichever comes first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// Rounded up to whole batches.
    pub(crate) requests: u64,
    pub(crate) time: Duration,
}

/// What a server did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Served {
    pub(crate) requests: u64,
    pub(crate) elapsed: Duration,
}

/// Connections to one server.
pub(crate) struct Load {
    address: SocketAddr,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    scenario: Scenario,
    /// What every batch is.
    batch: Vec<u8>,
    buffer: Vec<u8>,
    events: Vec<epoll::Event>,
}

struct Connection {
    stream: TcpStream,
    /// Of one batch, or of several.
    unsent: usize,
    /// What has not come back; none if it is idle.
    unechoed: usize,
}

impl Load {
    /// Opens the connections, and has each echo one batch, which is compared
    /// with what was sent.
    pub(crate) fn connect(address: SocketAddr, scenario: &Scenario) -> io::Result<Self> {
        let bytes = scenario.batch_bytes();
        let mut load = Self {
            address,
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            connections: Vec::with_capacity(scenario.connections),
            scenario: *scenario,
            // Of a period that is no power of two, so that a shift shows.
            batch: (0..bytes).map(|i| (i % 251) as u8).collect(),
            buffer: vec![0; bytes.max(64 * 1024)],
            events: Vec::with_capacity(1024),
        };
        for index in 0..scenario.connections {
            let mut stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(Duration::from_secs(PATIENCE.tv_sec as u64)))?;
            load.check(&mut stream)?;
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let data = EventData::new_u64(index as u64);
            epoll::add(&load.epoll, &stream, data, EventFlags::IN)?;
            load.connections.push(Connection {
                stream,
                unsent: 0,
                unechoed: 0,
            });
        }
        Ok(load)
    }

    fn check(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        let mut echoed = vec![0; self.batch.len()];
        // No more at once than fits into the sockets on the way, or both sides
        // would wait.
        for (sent, echoed) in self.batch.chunks(4096).zip(echoed.chunks_mut(4096)) {
            stream.write_all(sent)?;
            stream.read_exact(echoed)?;
        }
        if echoed == self.batch {
            Ok(())
        } else {
            Err(io::Error::other("the echo differs from what was sent"))
        }
    }

    /// Keeps all connections busy up to `limit`.
    pub(crate) fn run(&mut self, limit: Limit) -> io::Result<Served> {
        let batch = self.scenario.batch as u64;
        let mut to_start = limit.requests.div_ceil(batch);
        let mut done = 0;
        let mut busy = 0;
        let start = Instant::now();
        for _ in 0..self.scenario.in_flight {
            for index in 0..self.connections.len() {
                if to_start > 0 {
                    to_start -= 1;
                    busy += 1;
                    self.begin(index)?;
                }
            }
        }
        while busy > 0 {
            self.wait()?;
            if start.elapsed() >= limit.time {
                to_start = 0;
            }
            let mut events = std::mem::take(&mut self.events);
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
            self.events = events;
        }
        Ok(Served {
            requests: done,
            elapsed: start.elapsed(),
        })
    }

    fn wait(&mut self) -> io::Result<()> {
        let events = spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, events, Some(&PATIENCE)) {
            Ok(0) => Err(io::Error::new(
                ErrorKind::TimedOut,
                "the server stopped answering",
            )),
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn begin(&mut self, index: usize) -> io::Result<()> {
        if self.scenario.reconnects {
            let stream = TcpStream::connect(self.address)?;
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let data = EventData::new_u64(index as u64);
            epoll::add(&self.epoll, &stream, data, EventFlags::IN)?;
            // The one before is closed, and so leaves the poller.
            self.connections[index].stream = stream;
        }
        let connection = &mut self.connections[index];
        let was_stuck = connection.unsent > 0;
        connection.unsent += self.batch.len();
        connection.unechoed += self.batch.len();
        if was_stuck {
            // It is sent behind what waits.
            return Ok(());
        }
        self.send(index, false)
    }

    /// Does what can be done on a ready connection; gives how many batches are back by that.
    fn go_on(&mut self, index: usize) -> io::Result<usize> {
        if self.connections[index].unsent > 0 {
            self.send(index, true)?;
        }
        let connection = &mut self.connections[index];
        match connection.stream.read(&mut self.buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) if n > connection.unechoed => Err(io::Error::other("more came than was sent")),
            Ok(n) => {
                let before = connection.unechoed.div_ceil(self.batch.len());
                connection.unechoed -= n;
                Ok(before - connection.unechoed.div_ceil(self.batch.len()))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn send(&mut self, index: usize, was_stuck: bool) -> io::Result<()> {
        let connection = &mut self.connections[index];
        while connection.unsent > 0 {
            // All that is left of a batch that was begun, or the next one.
            let left = (connection.unsent - 1) % self.batch.len() + 1;
            match connection
                .stream
                .write(&self.batch[self.batch.len() - left..])
            {
                Ok(sent) => {
                    connection.unsent -= sent;
                    if sent < left {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let is_stuck = connection.unsent > 0;
        if is_stuck != was_stuck {
            let also = if is_stuck {
                EventFlags::OUT
            } else {
                EventFlags::empty()
            };
            let data = EventData::new_u64(index as u64);
            epoll::modify(&self.epoll, &connection.stream, data, EventFlags::IN | also)?;
        }
        Ok(())
    }
}
