//! The client of HTTP/2: batches of streams that end with an answer each.
//!
//! Requests are written with static fields and literals only, so that they are the same bytes but
//! for the number of the stream; of the answers, only the heads of frames are looked at.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::load::Scenario;
use crate::load::{self, Poller};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// `SETTINGS`, empty; and a `WINDOW_UPDATE` of the connection that lasts for the whole run.
const BEGINNING: &[u8] = &[
    0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f, 0, 0, 0,
];

const SETTINGS_ACK: &[u8] = &[0, 0, 0, 4, 1, 0, 0, 0, 0];

/// `GET http://localhost/`, `user-agent: benches`, `accept: */*`, in HPACK.
const FIELDS: &[u8] = b"\x82\x86\x84\x01\x09localhost\x0f\x2b\x07benches\x0f\x04\x03*/*";

/// Types of frames.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;

/// The length of the head of a frame.
const HEAD: usize = 9;

/// Connections of HTTP/2 to one server.
pub(super) struct Load {
    poller: Poller,
    connections: Vec<Connection>,
    streams: usize,
    buffer: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    next_stream: u32,
    unanswered: usize,
    /// What came of a frame that is not whole.
    rest: Vec<u8>,
}

impl Load {
    pub(super) fn connect(address: SocketAddr, scenario: &Scenario) -> io::Result<Self> {
        let mut load = Self {
            poller: Poller::new()?,
            connections: Vec::new(),
            streams: scenario.batch,
            buffer: vec![0; 64 * 1024],
        };
        for index in 0..scenario.connections {
            let mut stream = load::connect(address)?;
            stream.write_all(&[PREFACE, BEGINNING, SETTINGS_ACK].concat())?;
            let mut connection = Connection {
                stream,
                next_stream: 1,
                unanswered: 0,
                rest: Vec::new(),
            };
            // One answer, so that the handshake is over.
            connection.ask(1)?;
            while connection.take(&mut load.buffer)? == 0 {}
            connection.stream.set_nonblocking(true)?;
            load.poller.add(&connection.stream, index)?;
            load.connections.push(connection);
        }
        Ok(load)
    }
}

impl Connection {
    fn ask(&mut self, streams: usize) -> io::Result<()> {
        let mut requests = Vec::with_capacity(streams * (HEAD + FIELDS.len()));
        for _ in 0..streams {
            // The end of the stream, and of its fields.
            requests.extend_from_slice(&[0, 0, FIELDS.len() as u8, HEADERS, 5]);
            requests.extend_from_slice(&self.next_stream.to_be_bytes());
            requests.extend_from_slice(FIELDS);
            self.next_stream += 2;
        }
        self.unanswered = streams;
        self.stream.write_all(&requests)
    }

    /// Takes what has come; gives 1 if the last answer of a batch ends with it.
    fn take(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match self.stream.read(buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error),
        };
        self.rest.extend_from_slice(&buffer[..count]);
        let before = self.unanswered;
        let mut taken = 0;
        while let Some(head) = self.rest.get(taken..taken + HEAD) {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let (kind, is_end) = (head[3], head[4] & 1 != 0);
            if self.rest.len() < taken + HEAD + length {
                break;
            }
            match kind {
                DATA | HEADERS if is_end => self.unanswered -= 1,
                RST_STREAM | GOAWAY => return Err(io::Error::other("a stream was reset")),
                _ => {}
            }
            taken += HEAD + length;
        }
        self.rest.drain(..taken);
        Ok(usize::from(before > 0 && self.unanswered == 0))
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
        self.streams as u64
    }

    fn begin(&mut self, index: usize) -> io::Result<()> {
        self.connections[index].ask(self.streams)
    }

    fn go_on(&mut self, index: usize) -> io::Result<usize> {
        self.connections[index].take(&mut self.buffer)
    }
}
