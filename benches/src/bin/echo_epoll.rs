//! Echo on epoll itself: the least that an event loop can do.
//!
//! Level-triggered and registered once; one buffer for all; what was read is sent
//! at once, and only what does not fit is kept. While something is kept, the
//! connection is not read from.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use benches::BUFFER_SIZE;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::net::{SocketFlags, accept_with};

const EVENTS: usize = 1024;
const LISTENER: EventData = EventData::new_u64(u64::MAX);

struct Connection {
    stream: TcpStream,
    kept: VecDeque<u8>,
}

#[derive(PartialEq, Eq)]
enum Fate {
    Goes,
    Stays,
}

fn main() -> io::Result<()> {
    let listener = benches::listen()?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, LISTENER, EventFlags::IN)?;
    let mut connections = Vec::<Option<Connection>>::new();
    let mut free = Vec::new();
    let mut buffer = vec![0; BUFFER_SIZE];
    let mut events = Vec::with_capacity(EVENTS);
    loop {
        match epoll::wait(&epoll, spare_capacity(&mut events), None) {
            Err(rustix::io::Errno::INTR) => continue,
            waited => waited?,
        };
        for event in events.drain(..) {
            let data = event.data;
            if data == LISTENER {
                accept(&epoll, &listener, &mut connections, &mut free)?;
                continue;
            }
            let index = data.u64() as usize;
            let Some(connection) = &mut connections[index] else {
                continue;
            };
            // One that breaks is the client's affair.
            if connection
                .serve(&epoll, data, &mut buffer)
                .unwrap_or(Fate::Goes)
                == Fate::Goes
            {
                connections[index] = None;
                free.push(index);
            }
        }
    }
}

fn accept(
    epoll: &OwnedFd,
    listener: &TcpListener,
    connections: &mut Vec<Option<Connection>>,
    free: &mut Vec<usize>,
) -> io::Result<()> {
    loop {
        let stream = match accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok(socket) => TcpStream::from(socket),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let index = free.pop().unwrap_or_else(|| {
            connections.push(None);
            connections.len() - 1
        });
        epoll::add(
            epoll,
            &stream,
            EventData::new_u64(index as u64),
            EventFlags::IN,
        )?;
        connections[index] = Some(Connection {
            stream,
            kept: VecDeque::new(),
        });
    }
}

impl Connection {
    fn serve(&mut self, epoll: &OwnedFd, data: EventData, buffer: &mut [u8]) -> io::Result<Fate> {
        if !self.kept.is_empty() {
            self.flush()?;
            if self.kept.is_empty() {
                epoll::modify(epoll, &self.stream, data, EventFlags::IN)?;
            }
            return Ok(Fate::Stays);
        }
        let n = match self.stream.read(buffer) {
            Ok(0) => return Ok(Fate::Goes),
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Fate::Stays),
            Err(error) => return Err(error),
        };
        let sent = match self.stream.write(&buffer[..n]) {
            Ok(sent) => sent,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        if sent < n {
            self.kept.extend(&buffer[sent..n]);
            epoll::modify(epoll, &self.stream, data, EventFlags::OUT)?;
        }
        Ok(Fate::Stays)
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.kept.is_empty() {
            match self.stream.write(self.kept.as_slices().0) {
                Ok(sent) => drop(self.kept.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
