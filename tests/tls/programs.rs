//! Against programs of other projects: `openssl`, `curl` and Python's `ssl`. A program that is
//! not there is skipped, by name.

use std::cell::{Cell, RefCell};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::rc::Rc;

use deferred::Result;
use reactor::{ConnectionClosed, Context, Lines, Protocol, Reactor};
use reactor_tls::{StartTls, TlsClient, TlsServer, TlsVersion};

use crate::certificates::{Issuer, Pem};
use crate::connections::{Echo, turn_until};

/// Whether a program can be run; says so if not.
fn is_there(program: &str, argument: &str) -> bool {
    let found = Command::new(program)
        .arg(argument)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        println!("skipped: no {program}");
    }
    found
}

/// An issuer, and what it has issued, in files.
struct Files {
    folder: PathBuf,
    issuer: Issuer,
    server: Pem,
}

impl Files {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let issuer = Issuer::new();
        let (server, client) = (issuer.issue("localhost"), issuer.issue("client"));
        let files = Self {
            folder,
            issuer,
            server,
        };
        let write = |name: &str, text: &str| std::fs::write(files.folder.join(name), text).unwrap();
        write("ca.pem", &files.issuer.pem());
        write("server.pem", &files.server.certificate);
        write("server.key", &files.server.key);
        write("client.pem", &client.certificate);
        write("client.key", &client.key);
        files
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // Errs if the folder was deleted already; harmless.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Runs `command` with `input`, while the loop turns.
fn run(reactor: &Reactor, command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to_child = child.stdin.take().unwrap();
    to_child.write_all(input.as_bytes()).unwrap();
    let thread = std::thread::spawn(move || {
        // Open until the program has ended, or it ends too early.
        let output = child.wait_with_output().unwrap();
        drop(to_child);
        output
    });
    turn_until(reactor, || thread.is_finished());
    thread.join().unwrap()
}

/// Answers a line and hangs up.
struct Answer;

impl Protocol for Answer {
    type Framing = Lines;

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> Result<()> {
        if line.is_empty() || line.starts_with(b"hello") {
            cx.write("HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nwelcome");
            cx.lose_connection();
        }
        Ok(())
    }
}

/// Runs `openssl s_client` against `address`, and sends a line.
fn s_client(reactor: &Reactor, address: SocketAddr, files: &Files, arguments: &[&str]) -> Output {
    let mut command = Command::new("openssl");
    command
        .args(["s_client", "-connect", &address.to_string(), "-ign_eof"])
        .args(["-CAfile", &files.path("ca.pem")])
        .args(arguments);
    run(reactor, &mut command, "hello\r\n")
}

fn listen(reactor: &Reactor, server: &TlsServer) -> SocketAddr {
    let port = reactor.listen_tcp("127.0.0.1:0", server.factory(|| Answer));
    port.unwrap().address()
}

#[test]
fn openssl_as_a_client() {
    if !is_there("openssl", "version") {
        return;
    }
    let files = Files::new("s_client");
    let reactor = Reactor::new().unwrap();
    let server = TlsServer::builder()
        .identity(files.server.identity())
        .alpn(["echo/1"])
        .build()
        .unwrap();
    let address = listen(&reactor, &server);
    let checks = [
        ["-servername", "localhost", "-verify_hostname", "localhost"].as_slice(),
        &["-verify_return_error", "-alpn", "echo/1"],
    ]
    .concat();
    let s_client = |arguments: &[&str]| {
        let arguments = [&checks, arguments].concat();
        let output = s_client(&reactor, address, &files, &arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{text}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(text.contains("welcome"), "{text}");
        assert!(text.contains("ALPN protocol: echo/1"), "{text}");
        text
    };
    assert!(s_client(&["-tls1_3"]).contains("TLSv1.3"));
    assert!(s_client(&["-tls1_2"]).contains("TLSv1.2"));
    // A resumed session.
    let session = files.path("session");
    s_client(&["-tls1_2", "-sess_out", &session]);
    let text = s_client(&["-tls1_2", "-sess_in", &session]);
    assert!(text.contains("Reused, TLSv1.2"), "{text}");
    s_client(&["-tls1_3", "-sess_out", &session]);
    let text = s_client(&["-tls1_3", "-sess_in", &session]);
    assert!(text.contains("Reused, TLSv1.3"), "{text}");
}

#[test]
fn openssl_as_a_client_with_a_certificate() {
    if !is_there("openssl", "version") {
        return;
    }
    let files = Files::new("mutual");
    let reactor = Reactor::new().unwrap();
    let server = TlsServer::builder()
        .identity(files.server.identity())
        .require_client_certificates(files.issuer.roots())
        .build()
        .unwrap();
    let address = listen(&reactor, &server);
    for version in ["-tls1_2", "-tls1_3"] {
        let s_client = |arguments: &[&str]| {
            let arguments = [&[version], arguments].concat();
            let output = s_client(&reactor, address, &files, &arguments);
            String::from_utf8_lossy(&output.stdout).contains("welcome")
        };
        let (certificate, key) = (files.path("client.pem"), files.path("client.key"));
        assert!(s_client(&["-cert", &certificate, "-key", &key]));
        assert!(!s_client(&[]));
    }
}

/// Sends a line when it is open, and keeps what comes.
struct Asking {
    tls: TlsClient,
    received: Rc<RefCell<Vec<u8>>>,
    lost: Rc<Cell<bool>>,
}

impl Protocol for Asking {
    type Framing = reactor::Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.start_tls(self.tls.filter("localhost")?).ignore();
        cx.write("hello\r\n");
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        self.received.borrow_mut().extend_from_slice(data);
        if self.received.borrow().ends_with(b"\n") {
            cx.lose_connection();
        }
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, _: ConnectionClosed) {
        self.lost.set(true);
    }
}

/// `openssl s_server`, which sends each line back in reverse.
struct ReversingServer {
    child: Child,
    address: SocketAddr,
}

impl ReversingServer {
    /// Starts it on a port of the system's choice, and waits until it listens.
    fn start(files: &Files) -> Self {
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-rev"])
            .args(["-cert", &files.path("server.pem")])
            .args(["-key", &files.path("server.key")])
            .args(["-CAfile", &files.path("ca.pem")])
            .args(["-Verify", "1", "-verify_return_error"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let accepts =
            lines.find_map(|line| Some(line.unwrap().strip_prefix("ACCEPT ")?.to_owned()));
        let address = accepts.expect("it says where it listens").parse().unwrap();
        // Read to its end, so that it never waits for room in the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }
}

impl Drop for ReversingServer {
    fn drop(&mut self) {
        // Errs if it has ended already; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn openssl_as_a_server() {
    if !is_there("openssl", "version") {
        return;
    }
    let files = Files::new("s_server");
    let reactor = Reactor::new().unwrap();
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let server = ReversingServer::start(&files);
        let client = std::fs::read(files.path("client.pem")).unwrap();
        let key = std::fs::read(files.path("client.key")).unwrap();
        let tls = TlsClient::builder()
            .roots(files.issuer.roots())
            .identity(reactor_tls::Identity::from_pem(client, key).unwrap())
            .versions([version])
            .build()
            .unwrap();
        let received = Rc::new(RefCell::new(Vec::new()));
        let lost = Rc::new(Cell::new(false));
        let asking = Asking {
            tls,
            received: Rc::clone(&received),
            lost: Rc::clone(&lost),
        };
        reactor.connect_tcp(server.address, asking).detach();
        turn_until(&reactor, || !received.borrow().is_empty());
        let received = String::from_utf8_lossy(&received.borrow()).into_owned();
        assert!(received.starts_with("olleh"), "{received}");
    }
}

#[test]
fn curl_as_a_client() {
    if !is_there("curl", "--version") {
        return;
    }
    let files = Files::new("curl");
    let reactor = Reactor::new().unwrap();
    let server = TlsServer::builder()
        .identity(files.server.identity())
        .build()
        .unwrap();
    let address = listen(&reactor, &server);
    let mut command = Command::new("curl");
    command
        .args(["-sS", "--http1.1", "--cacert", &files.path("ca.pem")])
        .arg("--resolve")
        .arg(format!("localhost:{}:127.0.0.1", address.port()))
        .arg(format!("https://localhost:{}/", address.port()));
    let output = run(&reactor, &mut command, "");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.stdout, b"welcome", "{errors}");
}

#[test]
fn python_as_a_client() {
    if !is_there("python3", "--version") {
        return;
    }
    let files = Files::new("python");
    let reactor = Reactor::new().unwrap();
    let server = TlsServer::builder()
        .identity(files.server.identity())
        .build()
        .unwrap();
    let port = reactor
        .listen_tcp("127.0.0.1:0", server.factory(|| Echo))
        .unwrap();
    let script = format!(
        "import socket, ssl\n\
         context = ssl.create_default_context(cafile={:?})\n\
         raw = socket.create_connection(('127.0.0.1', {}))\n\
         tls = context.wrap_socket(raw, server_hostname='localhost', suppress_ragged_eofs=False)\n\
         data = bytes(range(256)) * 1000\n\
         tls.sendall(data)\n\
         received = b''\n\
         while len(received) < len(data):\n\
         \x20   received += tls.recv(65536)\n\
         assert received == data\n\
         raw = tls.unwrap()\n\
         print('both have said goodbye')\n",
        files.path("ca.pem"),
        port.address().port()
    );
    let output = run(&reactor, Command::new("python3").args(["-c", &script]), "");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.stdout, b"both have said goodbye\n", "{errors}");
}
