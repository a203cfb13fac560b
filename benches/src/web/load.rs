//! The client of the web servers, which sends the same requests again and again, and counts the
//! bytes of the answers.
//!
//! An answer always has the same length, since a date has. The first one is parsed.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::h2;
use crate::load::{self, Repeated};
use crate::tls;

/// Requests that are sent at once on each of some connections, again when all are answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) connections: usize,
    pub(crate) batch: usize,
    path: &'static str,
    /// The length of the body of an answer to a `GET`.
    body: usize,
}

/// What a scenario speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Http1,
    /// As `Http1`; the answers are files.
    File,
    /// `POST` of JSON, which comes back.
    Json,
    /// `batch` is the number of streams.
    Http2,
    Https,
}

impl Scenario {
    pub(crate) const ALL: [Self; 8] = [
        Self::new("hello", Kind::Http1, 32, 1, "/", 13),
        Self::new("pipe16", Kind::Http1, 16, 16, "/", 13),
        Self::new("64k", Kind::Http1, 8, 1, "/64k", 64 * 1024),
        Self::new("1m", Kind::Http1, 4, 1, "/1m", 1024 * 1024),
        Self::new("file", Kind::File, 4, 1, "/1m", 1024 * 1024),
        Self::new("json", Kind::Json, 32, 1, "/json", 0),
        Self::new("h2", Kind::Http2, 8, 16, "/", 13),
        Self::new("https", Kind::Https, 32, 1, "/", 13),
    ];

    const fn new(
        name: &'static str,
        kind: Kind,
        connections: usize,
        batch: usize,
        path: &'static str,
        body: usize,
    ) -> Self {
        Self {
            name,
            kind,
            connections,
            batch,
            path,
            body,
        }
    }

    /// Opens its connections to a server.
    pub(crate) fn connect(
        &self,
        address: SocketAddr,
    ) -> Result<Box<dyn load::Load>, Box<dyn Error>> {
        let request = self.request().into_bytes();
        Ok(match self.kind {
            Kind::Http1 | Kind::File | Kind::Json => Box::new(Repeated::connect(
                address,
                self.connections,
                &request,
                self.batch,
                |stream| {
                    stream.write_all(&request)?;
                    first_answer(stream, self.answer_body())
                },
            )?),
            Kind::Http2 => Box::new(h2::Load::connect(address, self)?),
            Kind::Https => {
                let count = self.connections;
                Box::new(tls::load::Load::connect_http(
                    address, count, request, self.body,
                )?)
            }
        })
    }

    fn request(&self) -> String {
        let path = self.path;
        let headers = "host: localhost\r\nuser-agent: benches\r\naccept: */*\r\n";
        if self.kind == Kind::Json {
            let order = benches::json_order();
            let length = order.len();
            return format!(
                "POST {path} HTTP/1.1\r\n{headers}content-type: application/json\r\n\
                 content-length: {length}\r\n\r\n{order}"
            );
        }
        format!("GET {path} HTTP/1.1\r\n{headers}\r\n")
    }

    fn answer_body(&self) -> usize {
        match self.kind {
            Kind::Json => benches::json_order().len(),
            _ => self.body,
        }
    }
}

/// Opens a connection, and uses it once.
pub(super) fn used(address: SocketAddr) -> io::Result<TcpStream> {
    let hello = Scenario::ALL[0];
    let mut stream = load::connect(address)?;
    stream.write_all(hello.request().as_bytes())?;
    first_answer(&mut stream, hello.body)?;
    Ok(stream)
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
