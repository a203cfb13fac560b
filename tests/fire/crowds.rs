//! Many connections at a time: idle ones, ones that run out of descriptors, ones that send without
//! end.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use tests::{listener, wait_for};

use crate::support::{Client, Kind, PATIENCE, Server, limit_descriptors, read_answer};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

/// Sends a request on a new connection; gives that if it is answered.
fn served(address: SocketAddr) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    ask(&mut stream).then_some(stream)
}

fn ask(stream: &mut TcpStream) -> bool {
    stream.write_all(GET).is_ok()
        && read_answer(stream).is_ok_and(|(answer, _)| answer.body == b"hello")
}

#[test]
fn ten_thousand_idle_connections() {
    const COUNT: usize = 10_000;
    limit_descriptors(COUNT as u64 + 200);
    let (listener, address) = listener();
    let kind = Kind {
        descriptors: Some(COUNT as u64 + 200),
        ..Kind::default()
    };
    let mut server = Server::start(&listener, kind);
    let first = served(address).expect("an answer");
    let [_, _, before] = server.figures();
    let mut crowd: Vec<_> = (0..COUNT).map_while(|_| served(address)).collect();
    assert!(crowd.len() >= COUNT.min(900), "only {}", crowd.len());
    let [connections, _, after] = server.figures();
    assert_eq!(connections as usize, crowd.len() + 1);
    let each = (after - before) / crowd.len() as u64;
    println!("{} connections of {each} bytes", crowd.len());
    assert!(each < 40 * 1024, "{each} bytes each");
    // All of them still work.
    for stream in crowd.iter_mut().step_by(100) {
        assert!(ask(stream));
    }
    drop((first, crowd));
    wait_for("all are over", || server.figures()[0] == 0);
    assert!(served(address).is_some());
    server.terminate();
    server.wait();
}

#[test]
fn when_no_descriptor_is_left_other_connections_go_on() {
    let (listener, address) = listener();
    let kind = Kind {
        descriptors: Some(48),
        ..Kind::default()
    };
    let mut server = Server::start(&listener, kind);
    // One that is not served takes the time of an attempt, and idle connections have an end, too.
    let served = || served(address);
    let mut crowd: Vec<_> = std::iter::from_fn(served).take(100).collect();
    assert!(served().is_none(), "there is a limit");
    assert!(matches!(crowd.len(), 10..90), "{} were served", crowd.len());
    for _ in 0..3 {
        assert!(
            crowd.iter_mut().all(ask),
            "those that are connected are served"
        );
    }
    drop(crowd);
    wait_for("it accepts again", || served().is_some());
    wait_for("all are over", || server.figures()[0] == 0);
    server.terminate();
    server.wait();
}

/// Sends `piece` again and again, until nothing of it is taken any more, or `bytes` are sent.
fn pour(stream: &mut TcpStream, piece: &[u8], bytes: usize) -> usize {
    stream.set_nonblocking(true).expect("a socket");
    let (mut sent, mut refusals) = (0, 0);
    while sent < bytes && refusals < 1000 {
        match stream.write(piece) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                refusals += 1;
                std::thread::yield_now();
            }
            Err(_) => break,
        }
    }
    sent
}

#[test]
fn connections_that_send_without_end_take_bounded_memory() {
    const CONNECTIONS: usize = 50;
    let heads = [
        // A head, a body that is read, one that is not, and answers that are not taken.
        ("GET / HTTP/1.1\r\nhost: x\r\n", "x: y\r\n".repeat(1000)),
        (
            "POST /read HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n",
            format!("1000\r\n{}\r\n", "x".repeat(4096)),
        ),
        (
            "POST /slow HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n",
            format!("1000\r\n{}\r\n", "x".repeat(4096)),
        ),
        ("", "GET /large HTTP/1.1\r\nhost: x\r\n\r\n".repeat(100)),
    ];
    let (listener, address) = listener();
    let mut server = Server::start(&listener, Kind::default());
    assert!(served(address).is_some());
    let [_, _, before] = server.figures();
    for (head, piece) in heads {
        let mut crowd: Vec<_> = (0..CONNECTIONS)
            .map(|_| TcpStream::connect(address).expect("it listens"))
            .collect();
        for stream in &mut crowd {
            stream.write_all(head.as_bytes()).expect("it listens");
            pour(stream, piece.as_bytes(), 8 * 1024 * 1024);
        }
        let [_, _, after] = server.figures();
        let each = after.saturating_sub(before) / CONNECTIONS as u64;
        println!("{head:?}: {each} bytes each");
        // A body that is read may have 2 MiB.
        assert!(each < 4 * 1024 * 1024, "{head:?}: {each}");
        assert!(served(address).is_some());
        drop(crowd);
        wait_for("all are over", || server.figures()[0] == 0);
    }
    server.terminate();
    server.wait();
}

#[test]
fn clients_that_are_killed_while_answers_are_sent_leave_nothing() {
    let (listener, address) = listener();
    let mut server = Server::start(&listener, Kind::default());
    for _ in 0..200 {
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream
            .write_all(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
            .expect("it listens");
        // Something has come; what follows is answered by a reset.
        stream.read_exact(&mut [0; 100]).expect("an answer");
    }
    let mut client = Client::new(address);
    assert_eq!(client.get("/").expect("an answer").body, b"hello");
    drop(client);
    wait_for("all are over", || server.figures()[0] == 0);
    let [_, descriptors, _] = server.figures();
    assert!(descriptors < 30, "{descriptors}");
    server.terminate();
    server.wait();
}
