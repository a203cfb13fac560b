//! `echo_server` and `echo_client`, with each other and with plain sockets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use rustix::process::Signal;

use crate::program::{PATIENCE, Program};

/// Once the server has answered, its loop runs, so signals stop it cleanly.
fn exchange(address: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).expect("the server listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    socket.write_all(b"\x00no line\xff").expect("it fits");
    let mut echo = [0; 9];
    socket.read_exact(&mut echo).expect("an echo");
    assert_eq!(&echo, b"\x00no line\xff");
    socket
}

#[test]
fn a_client_prints_what_the_server_sends_back() {
    let (_server, address) = Program::serve("echo_server");

    let by_default = Program::run("echo_client", &[&address]).succeeded();
    let expected = [
        "server said: hello, world!",
        "server said: what a fine day it is",
        "server said: bye-bye!",
    ];
    assert_eq!(by_default.lines, expected);

    let own = Program::run("echo_client", &[&address, "one", "", "two"]).succeeded();
    let expected = ["server said: one", "server said: ", "server said: two"];
    assert_eq!(own.lines, expected);
}

#[test]
fn a_server_serves_several_and_stops_cleanly_on_a_signal() {
    for signal in [Signal::INT, Signal::TERM] {
        let (server, address) = Program::serve("echo_server");
        let _first = exchange(&address);
        let _second = exchange(&address);
        server.send(signal);
        let ended = server.end().succeeded();
        assert!(ended.lines.is_empty(), "{ended:?}");
    }
}

#[test]
fn a_client_whose_server_leaves_fails() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let client = Program::start("echo_client", &[&address, "is anybody there?"]);
    let (socket, _) = listener.accept().expect("the client");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let mut heard = String::new();
    // Read before it is closed, or the system would reset the connection.
    let mut socket = BufReader::new(socket);
    socket.read_line(&mut heard).expect("a line");
    assert_eq!(heard, "is anybody there?\r\n");
    drop(socket);

    let ended = client.end();
    assert!(ended.lines.is_empty(), "{ended:?}");
    ended.failed_over("the connection was closed");
}
