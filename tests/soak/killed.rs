//! A client that is killed in the middle of a transfer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use crate::support::{Echo, Server, alone, descriptors, in_a_process, role};

const NAME: &str = "killed::a_client_that_is_killed_leaves_nothing";

#[test]
fn a_client_that_is_killed_leaves_nothing() {
    if let Some(address) = role() {
        return transfer(&address);
    }
    let _alone = alone();
    let before = descriptors();
    let server = Server::start(|| || Echo);
    for _ in 0..5 {
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
    server.wait_until_empty();
    assert_eq!(
        server.look(|reactor| reactor.counters().connections_made),
        5
    );
    server.stop();
    assert_eq!(descriptors(), before);
}

/// Sends and receives until it is killed.
fn transfer(address: &str) {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
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
