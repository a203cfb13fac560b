//! TLS client: connections of one thread that each send a message, and the next one when it has
//! come back.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection};

use crate::load::{self, Poller};

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
        let mut stream = load::connect(address)?;
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

    /// Sends a request and waits for the answer, a head and a body of so many bytes; gives its
    /// length.
    fn ask_http(&mut self, request: &[u8], body: usize) -> io::Result<usize> {
        self.ask(request, &mut [])?;
        let mut answer = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let length = self.stream.read(&mut buffer)?;
            self.take(&buffer[..length], |bytes| answer.extend_from_slice(bytes))?;
            let head = answer.windows(4).position(|four| four == b"\r\n\r\n");
            if head.is_some_and(|head| head + 4 + body == answer.len()) {
                return Ok(answer.len());
            }
        }
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
    poller: Poller,
    connections: Vec<Echoing>,
    message: Vec<u8>,
    /// The length of what comes back for a message.
    answer: usize,
    buffer: Vec<u8>,
}

struct Echoing {
    connection: Connection,
    /// What was not given to TLS yet.
    unsent: usize,
    unanswered: usize,
    is_blocked: bool,
}

impl Load {
    /// Opens `count` connections, each of which echoes `size` bytes, which are compared.
    pub(crate) fn connect(
        address: SocketAddr,
        count: usize,
        size: usize,
    ) -> Result<Self, Box<dyn Error>> {
        let message: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        Self::new(address, count, message, |connection, message| {
            for piece in message.chunks(4096) {
                let mut echo = vec![0; piece.len()];
                connection.ask(piece, &mut echo)?;
                if echo != piece {
                    return Err(io::Error::other("the echo differs from what was sent"));
                }
            }
            Ok(message.len())
        })
    }

    /// Opens `count` connections, on each of which the answer to `request` is a head and `body`
    /// bytes.
    pub(crate) fn connect_http(
        address: SocketAddr,
        count: usize,
        request: Vec<u8>,
        body: usize,
    ) -> Result<Self, Box<dyn Error>> {
        Self::new(address, count, request, |connection, request| {
            connection.ask_http(request, body)
        })
    }

    /// `first` sends the message once, and gives the length of what comes back.
    fn new(
        address: SocketAddr,
        count: usize,
        message: Vec<u8>,
        first: impl Fn(&mut Connection, &[u8]) -> io::Result<usize>,
    ) -> Result<Self, Box<dyn Error>> {
        let config = benches::tls_configs::client(false)?;
        let mut load = Self {
            poller: Poller::new()?,
            connections: Vec::with_capacity(count),
            message,
            answer: 0,
            buffer: vec![0; 64 * 1024],
        };
        for index in 0..count {
            let mut connection = Connection::open(address, &config)?;
            load.answer = first(&mut connection, &load.message)?;
            connection.stream.set_nonblocking(true)?;
            load.poller.add(&connection.stream, index)?;
            load.connections.push(Echoing {
                connection,
                unsent: 0,
                unanswered: 0,
                is_blocked: false,
            });
        }
        Ok(load)
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
            self.poller
                .set_writable_interest(stream, index, is_blocked)?;
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

    fn begin(&mut self, index: usize) -> io::Result<()> {
        let echoing = &mut self.connections[index];
        echoing.unsent = self.message.len();
        echoing.unanswered = self.answer;
        self.send(index)
    }

    fn go_on(&mut self, index: usize) -> io::Result<usize> {
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
                let left = echoing.unanswered.checked_sub(back);
                echoing.unanswered =
                    left.ok_or_else(|| io::Error::other("more came than was sent"))?;
                Ok(usize::from(back > 0 && echoing.unanswered == 0))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        }
    }
}
