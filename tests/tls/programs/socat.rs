//! `socat` with its addresses `OPENSSL` and `OPENSSL-LISTEN`.

use std::process::Command;

use reactor::Reactor;
use reactor_tls::TlsVersion;
use tests::is_there;

use super::protocols::{Site, talk, trusting};
use super::support::{Files, Program};

#[test]
fn socat_as_a_client() {
    if !is_there("socat") {
        return;
    }
    let files = Files::new("socat");
    let site = Site::plain(&files);
    let address = format!(
        "OPENSSL:{},cafile={},commonname=localhost,snihost=localhost",
        site.address,
        files.path("ca.pem")
    );
    let mut client = Program::start(Command::new("socat").args(["-", &address]));
    client.asks(&site.reactor, "hello\r\n", "hello from 127.0.0.1");
    client.types("bye\r\n");
    client.succeeds(&site.reactor);
    assert!(site.ends.next(&site.reactor).is_clean());

    // At the end of its input it sends a close_notify, and so do we.
    let mut client = Program::start(Command::new("socat").args(["-", &address]));
    client.asks(&site.reactor, "hello\r\n", "hello from 127.0.0.1");
    client.finishes();
    client.succeeds(&site.reactor);
    assert!(site.ends.next(&site.reactor).is_clean());

    let wrong = format!(
        "OPENSSL:{},cafile={},commonname=example.org",
        site.address,
        files.path("ca.pem")
    );
    let client = Program::start(Command::new("socat").args(["-", &wrong]));
    let (status, output) = client.end(&site.reactor);
    assert!(!status.success(), "{output}");
}

#[test]
fn socat_as_a_server() {
    if !is_there("socat") {
        return;
    }
    let files = Files::new("socat-server");
    let reactor = Reactor::new().unwrap();
    let listen = format!(
        "OPENSSL-LISTEN:0,bind=127.0.0.1,fork,cert={},key={},cafile={},verify=1",
        files.path("server.pem"),
        files.path("server.key"),
        files.path("ca.pem")
    );
    let mut server = Program::start(Command::new("socat").args(["-d", "-d", &listen, "PIPE"]));
    server.wait_for(&reactor, "listening on AF=2 127.0.0.1:");
    let output = server.output();
    let (_, address) = output.split_once("listening on AF=2 ").unwrap();
    let address = address.lines().next().unwrap();
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let tls = trusting(&files).versions([version]).build().unwrap();
        let endpoint = tls.endpoint("localhost", address.trim()).unwrap();
        let talked = talk(&reactor, endpoint, &["hello", "again"]);
        let talked = reactor.block_on(talked).unwrap();
        assert_eq!(talked.received, "hello\nagain\n");
        assert_eq!(talked.tls.version, version);
        assert!(talked.end.is_clean(), "{}", talked.end);
    }
}
