//! `socket_activation`, started as a supervisor does it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use rustix::process::Signal;

use crate::program::{PATIENCE, Program};

/// Says a name; gives the answer.
fn greet(address: &str, name: &str) -> String {
    let mut socket = TcpStream::connect(address).expect("the server listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    writeln!(socket, "{name}").expect("it fits");
    let mut answer = String::new();
    BufReader::new(socket)
        .read_line(&mut answer)
        .expect("a line");
    answer
}

#[test]
fn a_server_goes_on_with_the_socket_of_the_one_before() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    for (guest, name) in ["ann", "bob"].into_iter().enumerate() {
        // Between two servers, a client waits in the backlog of the socket.
        let early = TcpStream::connect(&address).expect("the socket is open");
        let given = OwnedFd::from(listener.try_clone().expect("a descriptor"));
        let mut server = Program::start_with_socket("socket_activation", given, &[]);
        assert_eq!(server.line(), format!("listening on {address}"));
        drop(early);
        let answer = greet(&address, name);
        assert_eq!(
            answer,
            format!("hello, {name}, you are number 2\r\n"),
            "{guest}"
        );
        server.send(Signal::TERM);
        server.end().succeeded();
    }
}

#[test]
fn a_server_that_is_given_nothing_listens_by_itself() {
    let (server, address) = Program::serve("socket_activation");
    assert_eq!(greet(&address, "ann"), "hello, ann, you are number 1\r\n");
    server.send(Signal::TERM);
    server.end().succeeded();
}
