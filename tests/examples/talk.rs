//! A plain socket that talks in lines.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::program::PATIENCE;

pub(crate) struct Talk(BufReader<TcpStream>);

impl Talk {
    pub(crate) fn to(address: &str) -> Self {
        Self::over(TcpStream::connect(address).expect("the server listens"))
    }

    pub(crate) fn over(socket: TcpStream) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        Self(BufReader::new(socket))
    }

    pub(crate) fn says(&mut self, line: &str) {
        let line = format!("{line}\r\n");
        let socket = self.0.get_mut();
        socket.write_all(line.as_bytes()).expect("it fits");
    }

    /// Says nothing more, and listens on.
    pub(crate) fn finishes(&mut self) {
        let socket = self.0.get_ref();
        socket.shutdown(Shutdown::Write).expect("a socket");
    }

    /// The next line, without its end.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line");
        let whole = line.strip_suffix("\r\n");
        whole
            .unwrap_or_else(|| panic!("it ended with {line:?}"))
            .to_owned()
    }

    /// The next line is `expected`.
    #[track_caller]
    pub(crate) fn hears(&mut self, expected: &str) {
        assert_eq!(self.line(), expected);
    }

    /// All that still comes, up to the end.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).expect("an orderly end");
        rest
    }

    /// All that still comes, text or not, up to the end, whatever that is.
    pub(crate) fn rest_of_anything(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => {}
            // A connection that is closed before all of its input was read is reset.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("{error}"),
        }
        rest
    }
}
