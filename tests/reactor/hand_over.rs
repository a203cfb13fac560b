//! `try_clone_socket`: a port is handed over to another loop, and no client is refused.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use deferred::Result;
use reactor::testing;
use reactor::{Context, Lines, Protocol, Reactor, UnixListenOptions, endpoint::Listen};

use crate::support::{PATIENCE, Quiet, reactor, result_of, turn_until};

/// Answers each line with the number of its loop.
struct Numbered(usize);

impl Protocol for Numbered {
    type Framing = Lines;

    fn received(&mut self, cx: &mut Context<'_, Self>, _line: &[u8]) -> Result<()> {
        cx.send_line(self.0.to_string());
        Ok(())
    }
}

/// Asks once on a connection that it has.
fn ask(stream: &mut (impl Read + Write)) -> std::io::Result<usize> {
    stream.write_all(b"?\n")?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        answer.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&answer);
    text.trim()
        .parse()
        .map_err(|_| ErrorKind::InvalidData.into())
}

/// Connects and asks twice, again and again; gives how often it was answered.
fn client(address: SocketAddr, done: &AtomicBool, answered: &AtomicUsize) -> std::io::Result<()> {
    while !done.load(Ordering::Relaxed) {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let first = ask(&mut stream)?;
        let second = ask(&mut stream)?;
        assert_eq!(first, second, "a connection stays in its loop");
        answered.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

#[test]
fn no_connection_is_lost_in_ten_restarts() {
    let mut old = reactor();
    let mut port = old
        .listen_tcp("127.0.0.1:0", || Numbered(0))
        .expect("a free port");
    let address = port.address();
    let (done, answered) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (done, answered) = (Arc::clone(&done), Arc::clone(&answered));
            thread::spawn(move || client(address, &done, &answered))
        })
        .collect();
    // Turns the loops until there are thirty more answers.
    let turn = |reactors: &[&Reactor]| {
        let enough = answered.load(Ordering::Relaxed) + 30;
        turn_until(reactors[0], || {
            for reactor in &reactors[1..] {
                reactor.turn(Some(Duration::ZERO)).expect("it turns");
            }
            answered.load(Ordering::Relaxed) >= enough
        });
    };
    for number in 1..=10 {
        let new = reactor();
        let socket = port.try_clone_socket().expect("it listens");
        let successor = new
            .adopt_listener(socket, move || Numbered(number))
            .expect("it listens");
        assert_eq!(successor.address(), address);
        turn(&[&old, &new]);
        result_of(&old, port.stop_listening()).expect("it closes");
        turn_until(&old, || {
            new.turn(Some(Duration::ZERO)).expect("it turns");
            old.counters().connections == 0
        });
        drop(old);
        (old, port) = (new, successor);
        turn(&[&old]);
    }
    done.store(true, Ordering::Relaxed);
    turn_until(&old, || clients.iter().all(thread::JoinHandle::is_finished));
    for client in clients {
        let result = client.join().expect("it does not panic");
        result.expect("no request is lost");
    }
}

#[test]
fn clients_that_wait_are_accepted_by_the_successor() {
    let (old, new) = (reactor(), reactor());
    let port = old
        .listen_tcp("127.0.0.1:0", || Numbered(1))
        .expect("a free port");
    port.pause_accepting();
    let mut waiting: Vec<_> = (0..5)
        .map(|_| TcpStream::connect(port.address()).expect("it is in the backlog"))
        .collect();
    let socket = port
        .try_clone_socket()
        .expect("it listens, though it is paused");
    result_of(&old, port.stop_listening()).expect("it closes");
    drop(old);
    let _port = new
        .adopt_listener(socket, || Numbered(2))
        .expect("it listens");
    for stream in &mut waiting {
        stream.write_all(b"?\n").expect("it is connected");
        stream.set_nonblocking(true).expect("a socket");
        let mut answer = [0; 8];
        let mut received = 0;
        turn_until(&new, || match stream.read(&mut answer) {
            Ok(length) => {
                received = length;
                true
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                false
            }
        });
        assert_eq!(&answer[..received], b"2\r\n");
    }
}

/// The file of a UNIX socket must outlive the port that has made it.
#[test]
fn the_file_of_a_unix_socket_is_left_to_the_successor() {
    for locks in [false, true] {
        let name = format!("hand-over-{}-{locks}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let (old, new) = (reactor(), reactor());
        let port = old
            .listen_unix(UnixListenOptions::new(&path).lock(locks), || Numbered(1))
            .expect("a free name");
        let socket = port.try_clone_socket().expect("it listens");
        let successor = new
            .adopt_unix_listener(socket, || Numbered(2))
            .expect("it listens");
        result_of(&old, port.stop_listening()).expect("it closes");
        drop(old);
        let mut stream = UnixStream::connect(&path).expect("the file is there");
        let answered = thread::spawn(move || ask(&mut stream));
        turn_until(&new, || answered.is_finished());
        assert_eq!(answered.join().expect("it ends").expect("an answer"), 2);
        result_of(&new, successor.stop_listening()).expect("it closes");
        std::fs::remove_file(&path).expect("it was left");
    }
}

#[test]
fn a_port_that_is_not_handed_over_still_removes_its_file() {
    let path = std::env::temp_dir().join(format!("not-handed-over-{}", std::process::id()));
    let reactor = reactor();
    let port = reactor
        .listen_unix(path.as_path(), || Quiet)
        .expect("a free name");
    result_of(&reactor, port.stop_listening()).expect("it closes");
    assert!(!path.exists());
}

#[test]
fn a_port_that_is_closed_or_in_memory_has_no_socket() {
    let owner = reactor();
    let port = owner.listen_tcp("127.0.0.1:0", || Quiet).expect("a port");
    result_of(&owner, port.stop_listening()).expect("it closes");
    let error = port.try_clone_socket().expect_err("it is closed");
    assert_eq!(error.kind(), ErrorKind::NotConnected);
    port.start_listening().expect("it is free");
    // What is given is a socket that listens.
    let socket = TcpListener::from(port.try_clone_socket().expect("it listens"));
    assert_eq!(socket.local_addr().expect("it has one"), port.address());
    drop(owner);
    let error = port.try_clone_socket().expect_err("its reactor is gone");
    assert_eq!(error.kind(), ErrorKind::NotConnected);

    testing::run(|reactor| {
        let port = reactor.listen_tcp("127.0.0.1:80", || Quiet).expect("free");
        let error = port.try_clone_socket().expect_err("it has none");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        port.stop_listening().ignore();
    });
}

/// All clones are one port, also when it is closed and opened again.
#[test]
fn clones_of_a_port_are_one_port() {
    let reactor = reactor();
    let port = reactor.listen_tcp("127.0.0.1:0", || Quiet).expect("a port");
    let clone = port.clone();
    result_of(&reactor, clone.stop_listening()).expect("it closes");
    assert!(!port.is_listening() && !clone.is_listening());
    drop(clone);
    port.start_listening()
        .expect("the clone has not closed it for good");
    let clone = port.clone();
    assert!(clone.is_listening());
    assert_eq!(clone.address(), port.address());
    result_of(&reactor, port.stop_listening()).expect("it closes");
    drop(port);
    clone.start_listening().expect("the other one is gone");
}

#[test]
fn the_sockets_of_an_endpoint_are_handed_over() {
    let (old, new) = (reactor(), reactor());
    let listening = "tcp:0:interface=127.0.0.1".listen(&old, || Numbered(1));
    let port = result_of(&old, listening).expect("a free port");
    let clone = port.clone();
    let mut sockets = clone.try_clone_sockets().expect("it listens");
    assert_eq!(sockets.len(), port.addresses().len());
    let socket = sockets.pop().expect("there is one");
    let successor = new
        .adopt_listener(socket, || Numbered(2))
        .expect("it listens");
    assert_eq!(successor.address().to_string(), port.address().to_string());
    result_of(&old, port.stop_listening()).expect("it closes");
    assert!(!clone.is_listening());
}
