//! A hundred thousand connections in a row.

use std::net::TcpStream;
use std::time::Duration;

use socket2::SockRef;

use crate::support::{Echo, Server, alone, wait_for};

const CONNECTIONS: u64 = 100_000;

#[test]
fn a_hundred_thousand_connections_in_a_row_leave_nothing() {
    let _alone = alone();
    let server = Server::start(|| || Echo);
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/statm").expect("it is there");
        let pages = status
            .split_whitespace()
            .nth(1)
            .and_then(|pages| pages.parse::<u64>().ok());
        pages.expect("a number") * 4096
    };
    let mut after_some = 0;
    for number in 0..CONNECTIONS {
        let stream = TcpStream::connect(server.address).expect("somebody listens");
        // Or the ports of this side would run out.
        SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .expect("a socket");
        drop(stream);
        if number == CONNECTIONS / 10 {
            after_some = resident();
        }
    }
    server.wait_until_empty();
    wait_for("all were accepted, but for those that went before", || {
        server.look(|reactor| reactor.counters().connections_made) > CONNECTIONS / 2
    });
    let grown = resident().saturating_sub(after_some);
    assert!(grown < 16 * 1024 * 1024, "it has grown by {grown} bytes");
    server.stop();
}
