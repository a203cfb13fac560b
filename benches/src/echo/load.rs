//! The client of the echo servers, as light as the lightest server.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::scenario::Scenario;
use crate::load::{self, Poller};

/// Connections to one server.
pub(crate) struct Load {
    address: SocketAddr,
    poller: Poller,
    connections: Vec<Connection>,
    scenario: Scenario,
    /// What every batch is.
    batch: Vec<u8>,
    buffer: Vec<u8>,
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
            poller: Poller::new()?,
            connections: Vec::with_capacity(scenario.connections),
            scenario: *scenario,
            // Of a period that is no power of two, so that a shift shows.
            batch: (0..bytes).map(|i| (i % 251) as u8).collect(),
            buffer: vec![0; bytes.max(64 * 1024)],
        };
        for index in 0..scenario.connections {
            let mut stream = load::connect(address)?;
            load.check(&mut stream)?;
            stream.set_nonblocking(true)?;
            load.poller.add(&stream, index)?;
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
            self.poller
                .set_writable_interest(&connection.stream, index, is_stuck)?;
        }
        Ok(())
    }
}

impl load::Load for Load {
    fn poller(&mut self) -> &mut Poller {
        &mut self.poller
    }

    fn connections(&self) -> usize {
        self.connections.len()
    }

    fn batch(&self) -> u64 {
        self.scenario.batch as u64
    }

    fn in_flight(&self) -> usize {
        self.scenario.in_flight
    }

    fn begin(&mut self, index: usize) -> io::Result<()> {
        if self.scenario.reconnects {
            let stream = TcpStream::connect(self.address)?;
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            self.poller.add(&stream, index)?;
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
}
