//! What cannot work ends with an error that says over what.

use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

use crate::program::Program;

const SERVERS: [&str; 6] = [
    "all_cores",
    "command_server",
    "echo_server",
    "graceful_shutdown",
    "line_chat",
    "port_forwarder",
];

#[test]
fn an_address_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    for server in SERVERS {
        let ended = Program::run(server, &["--listen", &address]);
        assert!(ended.lines.is_empty(), "{ended:?}");
        ended.failed_over(&address);
    }
}

#[test]
fn an_address_that_a_server_cannot_understand_is_named() {
    for server in SERVERS {
        for address in ["nowhere", "127.0.0.1:99999"] {
            let ended = Program::run(server, &["--listen", address]);
            assert!(ended.lines.is_empty(), "{ended:?}");
            ended.failed_over(address);
        }
    }
}

#[test]
fn an_address_that_the_client_cannot_understand_is_named() {
    let ended = Program::run("echo_client", &["nowhere"]);
    assert!(ended.lines.is_empty(), "{ended:?}");
    ended.failed_over("nowhere");
}

#[test]
fn the_error_names_a_server_that_does_not_run() {
    // Bound, so that no other program gets the port, but not listening.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).expect("a free port");
    let address = socket.local_addr().expect("an address");
    let address = address
        .as_socket()
        .expect("an internet address")
        .to_string();

    let ended = Program::run("echo_client", &[&address]);
    assert!(ended.lines.is_empty(), "{ended:?}");
    ended.failed_over(&address);
}

#[test]
fn arguments_that_nobody_knows_are_named() {
    for program in ["echo_server", "echo_client", "line_chat"] {
        let ended = Program::run(program, &["--lisen", "127.0.0.1:0"]);
        ended.failed_over("--lisen");
    }
}
