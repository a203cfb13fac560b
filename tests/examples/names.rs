//! `dns_lookup` and `dns_server`, against servers of this test, and against each other.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;

use reactor::Reactor;
use reactor_names::hickory_proto::op::{Message, OpCode, ResponseCode};
use reactor_names::hickory_proto::rr::rdata::{A, MX};
use reactor_names::hickory_proto::rr::{RData, Record, RecordType};
use reactor_names::{DnsOverTcp, Zone, decode_message, encode_message};
use rustix::process::Signal;
use tests::Directory;
use tests::certificates::Pair;

use crate::program::Program;

/// Answers for all names that begin with `www.`, until `ServerOfTest::end`.
struct ServerOfTest {
    socket: UdpSocket,
    thread: thread::JoinHandle<()>,
}

impl ServerOfTest {
    fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let server = socket.try_clone().expect("a socket");
        let thread = thread::spawn(move || serve(&server));
        Self { socket, thread }
    }

    fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("an address")
    }

    /// An empty datagram ends it.
    fn end(self) {
        self.socket.send_to(&[], self.address()).expect("it fits");
        self.thread.join().expect("only questions");
    }
}

fn serve(socket: &UdpSocket) {
    loop {
        let mut bytes = [0; 1500];
        let (length, from) = socket.recv_from(&mut bytes).expect("a datagram");
        if length == 0 {
            return;
        }
        let question = decode_message(&bytes[..length]).expect("a question");
        let query = question.queries[0].clone();
        let name = query.name().clone();
        let mut answer = Message::response(question.id, OpCode::Query);
        match query.query_type() {
            _ if !name.to_lowercase().to_string().starts_with("www.") => {
                answer.metadata.response_code = ResponseCode::NXDomain;
            }
            RecordType::MX => {
                let mx = RData::MX(MX::new(10, name.clone()));
                answer.add_answer(Record::from_rdata(name, 60, mx));
            }
            _ => {
                let address = RData::A(A::new(192, 0, 2, 1));
                answer.add_answer(Record::from_rdata(name, 60, address));
            }
        }
        answer.add_query(query);
        let bytes = encode_message(&answer, 512).expect("a short message");
        socket.send_to(&bytes, from).expect("it fits");
    }
}

#[test]
fn several_names_and_types_are_looked_up_at_once() {
    let server = ServerOfTest::start();
    let address = server.address().to_string();
    let args = [
        "--server",
        &address,
        "--timeout",
        "30",
        "www.example.org.",
        "a",
        "mx",
        "no.example.org.",
    ];
    let ended = Program::run("dns_lookup", &args).succeeded();
    server.end();
    let expected = [
        "www.example.org. 60 IN A 192.0.2.1",
        "www.example.org. 60 IN MX 10 www.example.org.",
        "A records of \"no.example.org.\": no such name",
        "MX records of \"no.example.org.\": no such name",
    ];
    assert_eq!(ended.lines, expected);
}

#[test]
fn a_zone_is_served_and_other_names_are_forwarded() {
    let upstream = ServerOfTest::start();
    let folder = Directory::new("dns-server");
    let zone = folder.path("zone");
    let text = "@ 300 IN SOA ns hostmaster 1 7200 900 1209600 60\n\
                host 300 IN A 192.0.2.9\n\
                alias 300 IN CNAME www.example.com.\n";
    fs::write(&zone, text).expect("it is written");
    let forward = upstream.address().to_string();
    let args = [
        "--zone",
        &zone,
        "--origin",
        "example.org.",
        "--forward",
        &forward,
    ];
    let (mut server, address) = Program::serve_with("dns_server", &args);

    let look_up = |names: &[&str]| {
        let args = [&["--server", &address, "--timeout", "30"], names].concat();
        Program::run("dns_lookup", &args).succeeded().lines
    };
    let found = look_up(&[
        "host.example.org",
        "www.example.com",
        "alias.example.org",
        "no.test",
        "A",
    ]);
    let expected = [
        "host.example.org. 300 IN A 192.0.2.9",
        "www.example.com. 60 IN A 192.0.2.1",
        "alias.example.org. 300 IN CNAME www.example.com.",
        "www.example.com. 60 IN A 192.0.2.1",
        "A records of \"no.test.\": no such name",
    ];
    assert_eq!(found, expected);

    fs::write(&zone, format!("{text}new 300 IN A 192.0.2.10\n")).expect("it is written");
    server.prints("the zone was read again");
    assert_eq!(
        look_up(&["new.example.org", "A"]),
        ["new.example.org. 300 IN A 192.0.2.10"]
    );

    server.wait_until_it_catches(Signal::TERM);
    server.send(Signal::TERM);
    server.end().succeeded();
    upstream.end();
}

/// The server is a reactor in another thread.
#[test]
fn a_server_is_asked_over_tls() {
    let pair = Pair::new("dns.test");
    let directory = Directory::new("dns-tls");
    let roots = directory.path("roots.pem");
    fs::write(&roots, &pair.certificate).expect("it is written");
    let (started, address) = mpsc::channel();
    let server = thread::spawn(move || {
        let text = "@ 60 IN SOA ns host 1 2 3 4 60\n@ 60 IN NS ns\nwww 60 IN A 192.0.2.1\n";
        let zone = Rc::new(Zone::parse(text, "example.org.").expect("a zone"));
        let reactor = Reactor::new().expect("a reactor");
        let factory = move || DnsOverTcp::new(Rc::clone(&zone));
        let factory = pair.server().factory(factory);
        let port = reactor
            .listen_tcp("127.0.0.1:0", factory)
            .expect("a free port");
        let told = started.send((port.address().to_string(), reactor.remote()));
        told.expect("the test waits");
        reactor.run().expect("it stops");
    });
    let (address, remote) = address.recv().expect("it has started");
    let ask = |name| {
        let args = ["--server", &address, "--tls", name, "--roots", &roots];
        let ended = Program::run(
            "dns_lookup",
            &[&args[..], &["www.example.org.", "a"]].concat(),
        );
        ended.succeeded().lines
    };
    assert_eq!(ask("dns.test"), ["www.example.org. 60 IN A 192.0.2.1"]);
    // The certificate is not for this name.
    let failed = "A records of \"www.example.org.\": the servers have failed";
    assert_eq!(ask("other.test"), [failed]);
    remote
        .call_from_thread(|reactor| reactor.stop())
        .expect("it runs");
    server.join().expect("it has stopped");
}
