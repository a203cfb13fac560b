//! TLS client: connections of one thread that each send a message, and the next one when it has
//! come back.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustls::{ClientConfig, ClientConnection};

use crate::echo::load::{Limit, Served};

/// A server that is silent for longer has failed.
const PATIENCE: Timespec = Timespec {
    tv_sec: 30,
    tv_nsec: 0,
};

/// A client's connection whose handshake is finished, and which is not blocking.
pub(crate) struct Connection {
    stream: TcpStream,
    pub(crate) tls: ClientConnection,
    /// Bytes of the ciphertext that has come.
    pub(crate) received: u64,
}

impl Connection {
    pub(crate) fn open(
        address: SocketAddr,
        config: &Arc<ClientConfig>,
    ) -> Result<Self, Box<dyn Error>> {
        let name = benches::tls_configs::server_name();
        let mut tls = ClientConnection::new(Arc::clone(config), name)?;
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)?;
        }
        Ok(Self {
            stream,
            tls,
            received: 0,
        })
    }

    /// Sends `message` and waits for as many bytes as `answer` has room for.
    pub(crate) fn ask(&mut self, message: &[u8], answer: &mut [u8]) -> io::Result<()> {
        self.tls.writer().write_all(message)?;
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.stream)?;
        }
        let mut filled = 0;
        let mut buffer = vec![0; 64 * 1024];
        while filled < answer.len() {
            let length = self.stream.read(&mut buffer)?;
            self.take(&buffer[..length], |bytes| {
                answer[filled..filled + bytes.len()].copy_from_slice(bytes);
                filled += bytes.len();
            })?;
        }
        Ok(())
    }

    /// Says that this side is done, and closes.
    pub(crate) fn close(mut self) -> io::Result<()> {
        self.tls.send_close_notify();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.stream)?;
        }
        Ok(())
    }

    /// Decrypts `input`.
    fn take(&mut self, input: &[u8], mut f: impl FnMut(&[u8])) -> io::Result<()> {
        if input.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.received += input.len() as u64;
        let mut rest = input;
        let mut plain = [0; 16 * 1024];
        while !rest.is_empty() {
            self.tls.read_tls(&mut rest)?;
            self.tls.process_new_packets().map_err(io::Error::other)?;
            loop {
                match self.tls.reader().read(&mut plain) {
                    Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                    Ok(length) => f(&plain[..length]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

/// Connections to one server.
pub(crate) struct Load {
    epoll: OwnedFd,
    connections: Vec<Echoing>,
    message: Vec<u8>,
    buffer: Vec<u8>,
    events: Vec<epoll::Event>,
}

struct Echoing {
    connection: Connection,
    /// What was not given to TLS yet.
    unsent: usize,
    unechoed: usize,
    is_blocked: bool,
}

impl Load {
    /// Opens `count` connections, each of which echoes `size` bytes, which are compared.
    pub(crate) fn connect(
        address: SocketAddr,
        count: usize,
        size: usize,
    ) -> Result<Self, Box<dyn Error>> {
        let config = benches::tls_configs::client(false)?;
        let message: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        let mut load = Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            connections: Vec::with_capacity(count),
            message,
            buffer: vec![0; 64 * 1024],
            events: Vec::with_capacity(1024),
        };
        for index in 0..count {
            let mut connection = Connection::open(address, &config)?;
            for piece in load.message.chunks(4096) {
                let mut echo = vec![0; piece.len()];
                connection.ask(piece, &mut echo)?;
                if echo != piece {
                    return Err("the echo differs from what was sent".into());
                }
            }
            connection.stream.set_nonblocking(true)?;
            let data = EventData::new_u64(index as u64);
            epoll::add(&load.epoll, &connection.stream, data, EventFlags::IN)?;
            load.connections.push(Echoing {
                connection,
                unsent: 0,
                unechoed: 0,
                is_blocked: false,
            });
        }
        Ok(load)
    }

    /// Keeps all connections busy up to `limit`.
    pub(crate) fn run(&mut self, limit: Limit) -> io::Result<Served> {
        let mut to_start = limit.requests;
        let mut done = 0;
        let mut busy = 0;
        let start = Instant::now();
        for index in 0..self.connections.len() {
            if to_start > 0 {
                to_start -= 1;
                busy += 1;
                self.begin(index)?;
            }
        }
        while busy > 0 {
            match epoll::wait(
                &self.epoll,
                spare_capacity(&mut self.events),
                Some(&PATIENCE),
            ) {
                Ok(0) => return Err(ErrorKind::TimedOut.into()),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            if start.elapsed() >= limit.time {
                to_start = 0;
            }
            let mut events = std::mem::take(&mut self.events);
            for event in events.drain(..) {
                let index = event.data.u64() as usize;
                if !self.go_on(index)? {
                    continue;
                }
                done += 1;
                if to_start > 0 {
                    to_start -= 1;
                    self.begin(index)?;
                } else {
                    busy -= 1;
                }
            }
            self.events = events;
        }
        Ok(Served {
            requests: done,
            elapsed: start.elapsed(),
        })
    }

    fn begin(&mut self, index: usize) -> io::Result<()> {
        let echoing = &mut self.connections[index];
        echoing.unsent = self.message.len();
        echoing.unechoed = self.message.len();
        self.send(index)
    }

    /// Does what can be done on a ready connection; gives whether its message is back by that.
    fn go_on(&mut self, index: usize) -> io::Result<bool> {
        if self.connections[index].is_blocked {
            self.send(index)?;
        }
        let echoing = &mut self.connections[index];
        match echoing.connection.stream.read(&mut self.buffer) {
            Ok(length) => {
                let mut back = 0;
                let input = &self.buffer[..length];
                echoing
                    .connection
                    .take(input, |bytes| back += bytes.len())?;
                let left = echoing.unechoed.checked_sub(back);
                echoing.unechoed =
                    left.ok_or_else(|| io::Error::other("more came than was sent"))?;
                Ok(back > 0 && echoing.unechoed == 0)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn send(&mut self, index: usize) -> io::Result<()> {
        let echoing = &mut self.connections[index];
        let Connection { stream, tls, .. } = &mut echoing.connection;
        let is_blocked = loop {
            if echoing.unsent > 0 {
                let from = self.message.len() - echoing.unsent;
                echoing.unsent -= tls.writer().write(&self.message[from..])?;
            }
            if !tls.wants_write() {
                break false;
            }
            match tls.write_tls(stream) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break true,
                Err(error) => return Err(error),
            }
        };
        if is_blocked != echoing.is_blocked {
            echoing.is_blocked = is_blocked;
            let also = match is_blocked {
                true => EventFlags::OUT,
                false => EventFlags::empty(),
            };
            let data = EventData::new_u64(index as u64);
            epoll::modify(&self.epoll, &*stream, data, EventFlags::IN | also)?;
        }
        Ok(())
    }
}
