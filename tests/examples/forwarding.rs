//! `port_forwarder`: both directions, their ends, and a slow reader.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::program::{PATIENCE, Program};
use crate::talk::Talk;

fn target() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    (listener, address)
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (socket, _) = listener.accept().expect("the forwarder");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    socket
}

#[test]
fn what_comes_in_goes_to_the_target_and_back() {
    let (_echo, target) = Program::serve("echo_server");
    let (mut forwarder, address) = Program::serve_with("port_forwarder", &["--target", &target]);
    let mut client = Talk::to(&address);
    client.says("hello");
    client.hears("hello");
    client.says("and again");
    client.hears("and again");
    client.finishes();
    assert_eq!(client.rest(), "");
    // In either order.
    let mut said = [forwarder.line(), forwarder.line()].concat();
    said.retain(|c| !c.is_whitespace());
    assert!(said.contains("[18,18]bytes"), "{said}");
    assert!(said.contains("closedcleanly"), "{said}");
}

#[test]
fn each_direction_ends_by_itself() {
    let (listener, target) = target();
    let (_forwarder, address) = Program::serve_with("port_forwarder", &["--target", &target]);
    let mut client = Talk::to(&address);
    let mut server = accept(&listener);
    client.says("a question");
    client.finishes();
    let mut question = String::new();
    server.read_to_string(&mut question).expect("an end");
    assert_eq!(question, "a question\r\n");
    server.write_all(b"an answer\r\n").expect("it fits");
    client.hears("an answer");
    drop(server);
    assert_eq!(client.rest(), "");
}

#[test]
fn a_target_that_refuses_closes_the_client() {
    // Bound, so that no other program gets the port, but not listening.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).expect("a free port");
    let target = socket.local_addr().expect("an address");
    let target = target.as_socket().expect("an address").to_string();

    let (mut forwarder, address) = Program::serve_with("port_forwarder", &["--target", &target]);
    assert_eq!(Talk::to(&address).rest(), "");
    let said = forwarder.line();
    assert!(said.contains(&target), "{said}");
    assert!(said.contains("refused"), "{said}");
}

/// Far more than the system keeps for a few sockets.
const MUCH: usize = 256 * 1024 * 1024;

#[test]
fn who_is_slow_is_waited_for_and_gets_everything() {
    let (listener, target) = target();
    let (_forwarder, address) = Program::serve_with("port_forwarder", &["--target", &target]);
    for client_is_slow in [false, true] {
        let client = TcpStream::connect(&address).expect("the server listens");
        client.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let server = accept(&listener);
        let (mut fast, mut slow) = if client_is_slow {
            (server, client)
        } else {
            (client, server)
        };
        let sent = fill(&mut fast);
        assert!(sent < MUCH, "{sent} bytes were taken, and none was read");
        drop(fast);
        let mut received = Vec::new();
        slow.read_to_end(&mut received).expect("an end");
        assert_eq!(received.len(), sent, "client_is_slow: {client_is_slow}");
    }
}

/// Writes until nothing is taken for a while; gives how much was.
fn fill(socket: &mut TcpStream) -> usize {
    let a_while = Some(Duration::from_secs(1));
    socket.set_write_timeout(a_while).expect("a socket");
    let piece = vec![b'x'; 64 * 1024];
    let mut sent = 0;
    while sent < MUCH {
        match socket.write(&piece) {
            Ok(taken) => sent += taken,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    sent
}
