//! `web_endpoints`: a site on a port, on a UNIX socket, on a socket that a supervisor gave, and
//! behind a load balancer.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::process::Signal;
use tests::Directory;

use crate::program::{PATIENCE, Program};
use crate::proxy_protocol::HaProxy;

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// The body of the answer to a request, which `first` is sent before.
fn body(mut socket: impl Read + Write, first: &str) -> String {
    write!(socket, "{first}{GET}").expect("it fits");
    let mut answer = String::new();
    socket
        .read_to_string(&mut answer)
        .expect("text, to the end");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole head");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    body.to_owned()
}

fn connect(address: &str) -> TcpStream {
    let socket = TcpStream::connect(address).expect("it listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    socket
}

/// Starts it on an endpoint; gives what it says that it listens on.
fn serve(endpoint: &str) -> (Program, String) {
    let mut server = Program::start("web_endpoints", &["--listen", endpoint]);
    let line = server.line();
    let address = line.strip_prefix("listening on ").expect("an address");
    (server, address.to_owned())
}

fn end(server: Program) {
    server.send(Signal::TERM);
    server.end().succeeded();
}

#[test]
fn a_site_on_a_port() {
    let (server, address) = serve("tcp:0:interface=127.0.0.1");
    let socket = connect(&address);
    let own = socket.local_addr().expect("an address");
    assert_eq!(body(socket, ""), format!("you are {own}\n"));
    end(server);
}

#[test]
fn a_site_on_a_unix_socket() {
    let directory = Directory::new("web-endpoints");
    let path = directory.path("web.socket");
    let (server, address) = serve(&format!("unix:{path}"));
    assert_eq!(address, path);
    let socket = UnixStream::connect(&path).expect("it listens");
    assert!(body(socket, "").starts_with("you are "));
    end(server);
    assert!(fs::metadata(&path).is_err(), "the socket is left");
}

/// A restart that loses no connection: the socket stays open, and what comes between waits there.
#[test]
fn a_site_on_a_socket_of_systemd_goes_on_after_a_restart() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    for _ in 0..2 {
        let between = connect(&address);
        let own = between.local_addr().expect("an address");
        let given = OwnedFd::from(listener.try_clone().expect("a descriptor"));
        let args = ["--listen", "systemd:index=0"];
        let mut server = Program::start_with_socket("web_endpoints", given, &args);
        server.prints(&format!("listening on {address}"));
        assert_eq!(body(between, ""), format!("you are {own}\n"));
        end(server);
    }
}

#[test]
fn a_site_behind_a_load_balancer_knows_its_clients() {
    let (server, address) = serve("haproxy:from=127.0.0.1:tcp:0:interface=127.0.0.1");
    let header = "PROXY TCP4 203.0.113.9 192.0.2.1 50000 80\r\n";
    let answer = body(connect(&address), header);
    assert_eq!(answer, "you are 203.0.113.9:50000\n");

    // Without a header, there is no answer.
    let mut without = connect(&address);
    without.write_all(GET.as_bytes()).expect("it fits");
    let mut answer = Vec::new();
    // Errs if the end is a reset, since the request was not read.
    let _ = without.read_to_end(&mut answer);
    assert!(answer.is_empty(), "{answer:?}");

    let directory = Directory::new("web-haproxy");
    for options in ["send-proxy", "send-proxy-v2"] {
        if let Some(haproxy) = HaProxy::start(&directory, &address, options) {
            let socket = connect(&haproxy.address.to_string());
            let own = socket.local_addr().expect("an address");
            assert_eq!(body(socket, ""), format!("you are {own}\n"), "{options}");
        }
    }
    server.send(Signal::TERM);
    server.end();
}
