//! `udp_echo` and `multicast`.

use std::net::UdpSocket;

use crate::program::{PATIENCE, Program};

#[test]
fn a_client_prints_what_the_server_sends_back() {
    let (_server, address) = Program::serve("udp_echo");
    let ended = Program::run("udp_echo", &["--to", &address, "one", "two"]).succeeded();
    assert_eq!(ended.lines, ["server said: one", "server said: two"]);

    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    socket.send_to(b"\x00\xff", &address).expect("it fits");
    let mut echo = [0; 9];
    let length = socket.recv(&mut echo).expect("an echo");
    assert_eq!(&echo[..length], b"\x00\xff");
}

#[test]
fn a_client_hears_that_nobody_is_there() {
    let free = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("an address").to_string();
    drop(free);
    let ended = Program::run("udp_echo", &["--to", &address]).succeeded();
    assert_eq!(ended.lines, ["connection refused"]);
}

#[test]
fn both_listeners_hear_one_question() {
    let mut ended = Program::run("multicast", &[]).succeeded();
    // In any order.
    ended.lines.sort();
    let expected = [
        "ann heard: who is there?",
        "answer: ann is here",
        "answer: bob is here",
        "bob heard: who is there?",
    ];
    assert_eq!(ended.lines, expected);
}
