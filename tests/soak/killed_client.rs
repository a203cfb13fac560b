//! A client that is killed in the middle of a transfer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use crate::support::{Echo, Server, alone, descriptors, in_a_process, leaves_no_memory, role};

const NAME: &str = "killed_client::a_client_that_is_killed_leaves_nothing";

/// How many are killed before one looks what is left.
const TOGETHER: usize = 5;

#[test]
fn a_client_that_is_killed_leaves_nothing() {
    if let Some(address) = role() {
        return transfer(&address);
    }
    let _alone = alone();
    let before = descriptors();
    let server = Server::start(|| || Echo);
    let with_server = descriptors();
    let mut killed = 0;
    leaves_no_memory(|| {
        for _ in 0..TOGETHER {
            kill_in_a_transfer(&server);
            killed += 1;
        }
        server.wait_until_empty();
        assert_eq!(descriptors(), with_server);
    });
    let made = server.look(|reactor| reactor.counters().connections_made);
    assert_eq!(made, killed);
    server.stop();
    assert_eq!(descriptors(), before);
}

fn kill_in_a_transfer(server: &Server) {
    let mut client = in_a_process(NAME, &server.address.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let output = BufReader::new(client.stdout.take().expect("a pipe"));
    let is_transferring = output
        .lines()
        .any(|line| line.expect("a pipe").contains("transferring"));
    assert!(is_transferring);
    client.kill().expect("it runs");
    client.wait().expect("it is ours");
}

/// Sends and receives until it is killed.
fn transfer(address: &str) {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    let mut reading = stream.try_clone().expect("a socket");
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        let mut received = 0;
        while let Ok(count @ 1..) = reading.read(&mut buffer) {
            received += count;
            if received > 1024 * 1024 {
                received = 0;
                println!("transferring");
            }
        }
    });
    while stream.write_all(&[7; 64 * 1024]).is_ok() {}
}
