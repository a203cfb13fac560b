//! `netcat` and `reconnecting_client`: endpoints of any kind, and a server that restarts.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use rustix::process::Signal;
use tests::{Directory, free_port, is_there};

use crate::build::binary;
use crate::program::{PATIENCE, Program};

/// What `connect` gives once it succeeds: the other side may not listen yet.
fn connected<S>(mut connect: impl FnMut() -> std::io::Result<S>) -> S {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match connect() {
            Ok(socket) => return socket,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        thread::yield_now();
    }
}

#[test]
fn standard_input_and_output_are_joined_to_a_server() {
    let (server, address) = Program::serve("echo_server");
    let mut netcat = Program::start_to_type("netcat", &[&format!("tcp:{address}")]);
    netcat.types("hello");
    assert_eq!(netcat.line(), "hello");
    netcat.types("what a fine day it is");
    // The end of the input is carried over; the server ends its side after the answer.
    netcat.finishes();
    let ended = netcat.end().succeeded();
    assert_eq!(ended.lines, ["what a fine day it is"]);
    server.send(Signal::TERM);
    server.end().succeeded();
}

#[test]
fn two_servers_are_joined_and_one_may_be_listened_for() {
    const SIZE: usize = 8 * 1024 * 1024;
    let directory = Directory::new("netcat");
    let path = directory.path("socket");
    let target = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = target.local_addr().expect("a port").to_string();
    let first = format!("unix:{path}");
    let netcat = Program::start("netcat", &["--listen", &first, &format!("tcp:{address}")]);
    let mut near = connected(|| UnixStream::connect(&path));
    let (mut far, _) = target.accept().expect("it connects");
    // A reader that is slower than the writer, and an answer after the end of the input.
    let writer = thread::spawn(move || {
        near.write_all(&vec![b'x'; SIZE]).expect("it is taken");
        near.shutdown(Shutdown::Write).expect("a socket");
        let mut answer = String::new();
        near.read_to_string(&mut answer).expect("an answer");
        answer
    });
    let mut received = Vec::new();
    far.read_to_end(&mut received).expect("all of it");
    assert_eq!(received.len(), SIZE);
    far.write_all(b"thank you").expect("it fits");
    drop(far);
    assert_eq!(writer.join().expect("it has read"), "thank you");
    let ended = netcat.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn what_cannot_be_joined_is_said() {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = port.local_addr().expect("a port").to_string();
    drop(port);
    Program::run("netcat", &[&format!("tcp:{address}")]).failed_over(&address);
    Program::run("netcat", &["smoke:signal"]).failed_over("smoke");
}

#[test]
fn socat_is_talked_to_over_unix_and_tcp_sockets_both_ways() {
    if !is_there("socat") {
        return;
    }
    let directory = Directory::new("netcat-socat");
    let (path, port) = (directory.path("socket"), free_port());
    let sides = [
        (
            format!("UNIX-LISTEN:{path}"),
            format!("unix:{path}"),
            format!("unix:{path}"),
        ),
        (
            format!("TCP4-LISTEN:{port},bind=127.0.0.1,reuseaddr"),
            format!("tcp:127.0.0.1:{port}"),
            format!("tcp:{port}:interface=127.0.0.1"),
        ),
    ];
    for (listens, endpoint, server) in sides {
        // socat listens, and `cat` answers what it gets, up to the end of it.
        let mut socat = Command::new("socat")
            .args([&*listens, "EXEC:cat"])
            .spawn()
            .expect("socat starts");
        let deadline = Instant::now() + PATIENCE;
        let run = format!(
            "echo there and back | {} {endpoint}",
            binary("netcat").display()
        );
        // It fails until socat listens.
        let ended = loop {
            let output = Command::new("sh").arg("-c").arg(&run).output();
            let output = output.expect("it runs");
            if output.status.success() || Instant::now() > deadline {
                break output;
            }
        };
        assert_eq!(ended.stdout, b"there and back\n", "{ended:?}");
        assert!(socat.wait().expect("a child").success());
        // Errs for the TCP socket, which has no file.
        let _ = std::fs::remove_file(&path);

        // netcat listens, and gives standard input to what connects.
        let mut netcat = Program::start_to_type("netcat", &["--listen", &server]);
        netcat.types("from netcat");
        let connects = endpoint
            .replace("unix:", "UNIX-CONNECT:")
            .replace("tcp:", "TCP4:");
        let retries = format!("{connects},retry=1000,interval=0.01");
        let mut socat = Command::new("socat")
            .args(["STDIO", &*retries])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("socat starts");
        let mut input = socat.stdin.take().expect("a pipe");
        writeln!(input, "from socat").expect("it fits");
        assert_eq!(netcat.line(), "from socat");
        netcat.finishes();
        drop(input);
        assert_eq!(netcat.end().code, Some(0));
        let output = socat.wait_with_output().expect("a child");
        assert_eq!(output.stdout, b"from netcat\n");
    }
}

#[test]
fn a_server_endpoint_is_activated_as_systemd_does_it() {
    if !is_there("systemd-socket-activate") {
        return;
    }
    let target = TcpListener::bind("127.0.0.1:0").expect("a port");
    let target_endpoint = format!("tcp:{}", target.local_addr().expect("a port"));
    let port = free_port();
    let mut activated = Command::new("systemd-socket-activate")
        .arg(format!("--listen=127.0.0.1:{port}"))
        .arg("--fdname=front")
        .arg(binary("netcat"))
        .args(["--listen", "systemd:name=front", &target_endpoint])
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    // The program starts when the first connection comes.
    let mut near = connected(|| TcpStream::connect(("127.0.0.1", port)));
    near.write_all(b"hello").expect("it fits");
    near.shutdown(Shutdown::Write).expect("a socket");
    let (mut far, _) = target.accept().expect("it connects");
    let mut received = String::new();
    far.read_to_string(&mut received).expect("text");
    assert_eq!(received, "hello");
    drop(far);
    near.read_to_string(&mut received).expect("an end");
    assert!(activated.wait().expect("a child").success());
}

#[test]
fn a_client_logs_in_again_when_its_server_has_restarted() {
    let (server, address) = Program::serve("reconnecting_client");
    let endpoint = format!("tcp:{address}");
    let mut client = Program::start("reconnecting_client", &["--to", &endpoint, "--every", "10"]);
    let answers = |client: &mut Program| {
        let deadline = Instant::now() + PATIENCE;
        while client.line() != "logged in" {
            assert!(Instant::now() < deadline, "it never logs in");
        }
        assert_eq!(client.line(), "answer 1");
        assert_eq!(client.line(), "answer 2");
    };
    answers(&mut client);
    server.send(Signal::TERM);
    server.end().succeeded();
    let server = Program::start("reconnecting_client", &["--listen", &address]);
    answers(&mut client);
    client.send(Signal::TERM);
    client.end().succeeded();
    server.send(Signal::TERM);
    server.end().succeeded();
}

#[test]
fn a_client_with_the_wrong_password_is_never_connected() {
    let (mut server, address) = Program::serve("reconnecting_client");
    let endpoint = format!("tcp:{address}");
    let client = Program::start(
        "reconnecting_client",
        &["--to", &endpoint, "--password", "guess", "--every", "1"],
    );
    // It tries again.
    server.prints("refused a client");
    server.prints("refused a client");
    client.send(Signal::TERM);
    let lines = client.end().succeeded().lines;
    assert!(lines.iter().all(|line| line == "no answer"), "{lines:?}");
    server.send(Signal::TERM);
    server.end().succeeded();
}
