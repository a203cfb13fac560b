//! One connection: its first message, and then bytes through rustls.
//!
//! The buffered API is used: `read_tls` takes ciphertext, `reader` gives plaintext, and after each
//! step `write_tls` gives the ciphertext to be sent.

use std::io::{BufRead, Write};
use std::sync::Arc;

use reactor::filter::Link;
use rustls::pki_types::ServerName;
use rustls::server::{Accepted, Acceptor};
use rustls::{ClientConnection, Connection, HandshakeKind, ProtocolVersion, ServerConnection};

use super::certificates::KeyPair;
use super::client::Client;
use super::errors::kind_of;
use super::server::{Server, with_identity};
use crate::error::TlsErrorKind;
use crate::info::{TlsInfo, TlsVersion};

/// Most bytes of plain text in a record, and how many bytes a record adds to them at most
/// (TLS 1.2 with GCM: header, nonce, tag).
const RECORD: usize = 16 * 1024;
const RECORD_OVERHEAD: usize = 5 + 8 + 16;

/// Contents of a client's first message.
#[derive(Clone, Debug)]
pub(crate) struct Hello {
    pub(crate) server_name: Option<String>,
    pub(crate) alpn: Vec<Vec<u8>>,
}

/// A server connection that has not received all of the client's first message (ClientHello).
pub(crate) struct Accepting(Acceptor);

/// A server connection that has received the ClientHello, and has not answered it.
pub(crate) struct Greeted(Accepted);

/// A connection that has its configuration: during its handshake, or open.
pub(crate) struct Session(Connection);

impl Accepting {
    pub(crate) fn new() -> Self {
        Self(Acceptor::default())
    }

    /// Gets new input; returns the number of bytes consumed, and the ClientHello once that is
    /// complete.
    pub(crate) fn receive(
        &mut self,
        input: &[u8],
        link: &mut Link<'_>,
    ) -> Result<(usize, Option<Greeted>), TlsErrorKind> {
        let mut left = input;
        // One step for each read: rustls takes some 4 KiB at a time, and the ClientHello may be
        // complete after any of them. What is behind it stays with the acceptor, or unconsumed.
        while !left.is_empty() {
            let read = self.0.read_tls(&mut left);
            let read = read.map_err(|error| TlsErrorKind::Other(error.to_string()))?;
            match self.0.accept() {
                Ok(Some(accepted)) => {
                    return Ok((input.len() - left.len(), Some(Greeted(accepted))));
                }
                // Without progress, the loop would not end.
                Ok(None) if read == 0 => break,
                Ok(None) => {}
                Err((error, mut alert)) => {
                    write_all(|to| alert.write_all(to), link);
                    return Err(kind_of(error));
                }
            }
        }
        Ok((input.len() - left.len(), None))
    }
}

impl Greeted {
    pub(crate) fn hello(&self) -> Hello {
        let hello = self.0.client_hello();
        Hello {
            server_name: hello.server_name().map(str::to_owned),
            alpn: hello
                .alpn()
                .map_or_else(Vec::new, |names| names.map(<[u8]>::to_vec).collect()),
        }
    }

    /// Answers the ClientHello, with the certificate that was chosen for it, if there is one.
    pub(crate) fn answer(
        self,
        config: &Server,
        chosen: Option<&KeyPair>,
        link: &mut Link<'_>,
    ) -> Result<Session, TlsErrorKind> {
        let config = match chosen {
            Some(pair) => with_identity(config, pair)
                .map_err(|error| TlsErrorKind::NoIdentity(error.to_string()))?,
            None => Arc::clone(config),
        };
        match self.0.into_connection(config) {
            Ok(connection) => Ok(Session::new(Connection::Server(connection))),
            Err((error, mut alert)) => {
                write_all(|to| alert.write_all(to), link);
                Err(kind_of(error))
            }
        }
    }
}

/// Has `f` write to the output of the link. Its error is ignored, because writing to a vector does
/// not fail.
fn write_all(f: impl FnOnce(&mut dyn Write) -> std::io::Result<()>, link: &mut Link<'_>) {
    let _ = f(link.down());
}

impl Session {
    fn new(mut connection: Connection) -> Self {
        // rustls needs no limit: the ciphertext is fetched after each step, and the loop limits
        // the plaintext of a step.
        connection.set_buffer_limit(None);
        Self(connection)
    }

    pub(crate) fn client(config: &Client, name: ServerName<'static>) -> Result<Self, TlsErrorKind> {
        let connection = ClientConnection::new(Arc::clone(config), name).map_err(kind_of)?;
        Ok(Self::new(Connection::Client(connection)))
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.0.is_handshaking()
    }

    /// Gets new input; returns the number of bytes consumed. Delivers its plaintext.
    pub(crate) fn receive(
        &mut self,
        input: &[u8],
        link: &mut Link<'_>,
    ) -> Result<usize, TlsErrorKind> {
        if input.len() > RECORD {
            // Exactly, as in `send`; plus room for a record that was incomplete before.
            link.up().reserve_exact(input.len() + RECORD);
        }
        let mut left = input;
        loop {
            // No `read_tls` without input: rustls takes a read of no bytes for the end of the
            // stream. An empty `input` processes what the acceptor has read already.
            let read = if left.is_empty() {
                0
            } else {
                let read = self.0.read_tls(&mut left);
                read.map_err(|error| TlsErrorKind::Other(error.to_string()))?
            };
            let processed = self.0.process_new_packets();
            // Both come before the look at the error: the records before the bad one are valid, and
            // the alert that rustls has made for the peer must go out.
            self.deliver(link);
            self.flush(link);
            if processed.map_err(kind_of)?.peer_has_closed() {
                link.end();
                // Input behind the close_notify is ignored (RFC 8446, section 6.1), and so counts as
                // consumed.
                return Ok(input.len());
            }
            // Without progress, the rest is offered again with more input.
            if left.is_empty() || read == 0 {
                return Ok(input.len() - left.len());
            }
        }
    }

    fn deliver(&mut self, link: &mut Link<'_>) {
        let mut reader = self.0.reader();
        // Errs if there is no plaintext now, or no more at all; `receive` looks at both.
        while let Ok(chunk) = reader.fill_buf()
            && !chunk.is_empty()
        {
            link.deliver(chunk);
            let length = chunk.len();
            reader.consume(length);
        }
    }

    /// Moves the pending ciphertext to the link.
    pub(crate) fn flush(&mut self, link: &mut Link<'_>) {
        while self.0.wants_write() {
            // Writing to a vector does not fail.
            let _ = self.0.write_tls(link.down());
        }
    }

    pub(crate) fn send(
        &mut self,
        bytes: &[u8],
        link: &mut Link<'_>,
    ) -> Result<usize, TlsErrorKind> {
        // Exactly: a buffer that grows by doubling gets too large for the loop to keep it.
        let records = bytes.len() / RECORD + 1;
        link.down()
            .reserve_exact(bytes.len() + records * RECORD_OVERHEAD);
        let taken = self.0.writer().write(bytes);
        let taken = taken.map_err(|error| TlsErrorKind::Other(error.to_string()))?;
        self.flush(link);
        Ok(taken)
    }

    pub(crate) fn finish(&mut self, link: &mut Link<'_>) {
        self.0.send_close_notify();
        self.flush(link);
    }

    /// The facts of an open connection.
    pub(crate) fn info(&self) -> TlsInfo {
        // No other version is configured; an open connection has one.
        let version = match self.0.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => TlsVersion::Tls12,
            _ => TlsVersion::Tls13,
        };
        let suite = self.0.negotiated_cipher_suite();
        let suite = suite.and_then(|suite| suite.suite().as_str());
        let key_exchange = self.0.negotiated_key_exchange_group();
        let key_exchange = key_exchange.and_then(|group| group.name().as_str());
        let certificates = self.0.peer_certificates().unwrap_or_default();
        TlsInfo {
            version,
            cipher_suite: suite.unwrap_or("unknown"),
            key_exchange,
            alpn: self.0.alpn_protocol().map(<[u8]>::to_vec),
            server_name: match &self.0 {
                Connection::Server(connection) => server_name_of(connection),
                Connection::Client(_) => None,
            },
            peer_certificates: certificates.iter().map(|der| der.to_vec()).collect(),
            is_resumed: self.0.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }
}

fn server_name_of(connection: &ServerConnection) -> Option<String> {
    connection.server_name().map(str::to_owned)
}
