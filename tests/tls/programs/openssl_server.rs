//! `openssl s_server` as a server.

use std::net::SocketAddr;
use std::process::Command;

use reactor::{ConnectionClosed, Reactor};
use reactor_tls::{TlsClient, TlsError, TlsErrorKind, TlsVersion};
use tests::is_there;

use super::protocols::{talk, trusting};
use super::support::{Files, Program};

/// Starts it on a port of the system's choice, and waits until it listens.
fn s_server(reactor: &Reactor, files: &Files, arguments: &[&str]) -> (Program, SocketAddr) {
    let mut command = Command::new("openssl");
    command
        .args(["s_server", "-accept", "127.0.0.1:0"])
        .args(["-cert", &files.path("server.pem")])
        .args(["-key", &files.path("server.key")])
        .args(["-CAfile", &files.path("ca.pem")])
        .args(arguments);
    let mut server = Program::start(&mut command);
    // It says `ACCEPT 127.0.0.1:12345`.
    server.wait_for(reactor, "ACCEPT 127.0.0.1:");
    let output = server.output();
    let accepts = output.lines().find_map(|line| line.strip_prefix("ACCEPT "));
    let address = accepts.expect("it says where it listens").parse();
    (server, address.expect("an address"))
}

/// With `-rev`, it sends each line back in reverse.
#[test]
fn openssl_answers_and_knows_us_by_our_certificate() {
    if !is_there("openssl") {
        return;
    }
    let files = Files::new("s_server");
    let reactor = Reactor::new().unwrap();
    let demanding = ["-rev", "-Verify", "1", "-verify_return_error"];
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let (_server, address) = s_server(&reactor, &files, &demanding);
        let tls = trusting(&files).versions([version]).build().unwrap();
        let endpoint = tls.endpoint("localhost", address).unwrap();
        let talked = reactor
            .block_on(talk(&reactor, endpoint, &["hello"]))
            .unwrap();
        assert_eq!(talked.received, "olleh\n");
        assert_eq!(talked.tls.version, version);
        assert!(!talked.tls.peer_certificates.is_empty());
        assert!(talked.end.is_clean(), "{}", talked.end);

        let without = TlsClient::builder()
            .roots(files.issuer.roots())
            .versions([version])
            .build()
            .unwrap();
        let endpoint = without.endpoint("localhost", address).unwrap();
        let refused = reactor
            .block_on(talk(&reactor, endpoint, &["hello"]))
            .unwrap_err();
        assert!(refused.to_string().contains("it has refused"), "{refused}");
    }
}

#[test]
fn sessions_of_openssl_are_resumed() {
    if !is_there("openssl") {
        return;
    }
    let files = Files::new("s_server-resume");
    let reactor = Reactor::new().unwrap();
    let (_server, address) = s_server(&reactor, &files, &["-rev"]);
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let tls = trusting(&files).versions([version]).build().unwrap();
        let endpoint = tls.endpoint("localhost", address).unwrap();
        for is_resumed in [false, true] {
            let talked = reactor
                .block_on(talk(&reactor, &endpoint, &["hello"]))
                .unwrap();
            assert_eq!(talked.tls.is_resumed, is_resumed, "{version:?}");
        }
    }
}

#[test]
fn openssl_with_the_wrong_certificate_is_refused() {
    if !is_there("openssl") {
        return;
    }
    let (files, others) = (Files::new("s_server-ours"), Files::new("s_server-others"));
    let reactor = Reactor::new().unwrap();
    let (_server, address) = s_server(&reactor, &files, &["-rev"]);
    for (trusted, name, is_issuer) in [(&others, "localhost", true), (&files, "example.org", false)]
    {
        let tls = trusting(trusted).build().unwrap();
        let endpoint = tls.endpoint(name, address).unwrap();
        let refused = reactor
            .block_on(talk(&reactor, endpoint, &["hello"]))
            .unwrap_err();
        let error = refused.downcast_ref::<TlsError>().expect("it is of TLS");
        match error.kind() {
            TlsErrorKind::UnknownIssuer => assert!(is_issuer),
            TlsErrorKind::WrongName { .. } => assert!(!is_issuer),
            other => panic!("{other:?}"),
        }
    }
}

/// A server that is killed says no goodbye: what it has sent may be incomplete.
#[test]
fn an_end_of_openssl_without_a_goodbye_is_a_loss() {
    if !is_there("openssl") {
        return;
    }
    let files = Files::new("s_server-killed");
    let reactor = Reactor::new().unwrap();
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let (mut server, address) = s_server(&reactor, &files, &["-naccept", "1"]);
        let tls = trusting(&files).versions([version]).build().unwrap();
        let endpoint = tls.endpoint("localhost", address).unwrap();
        let talking = talk(&reactor, endpoint, &["hello", "and another one"]);
        server.wait_for(&reactor, "and another one");
        server.kill();
        let failure = reactor.block_on(talking).unwrap_err();
        let end = failure.downcast_ref::<ConnectionClosed>();
        let end = end.expect("the connection was open");
        assert!(end.is_lost(), "{end}");
    }
}

/// Of TLS 1.2, when the server asks for it (`r`): we do not, and the server gives up.
#[test]
fn renegotiation_is_refused() {
    if !is_there("openssl") {
        return;
    }
    let files = Files::new("s_server-renegotiate");
    let reactor = Reactor::new().unwrap();
    let (mut server, address) = s_server(&reactor, &files, &["-naccept", "1", "-msg"]);
    let tls = trusting(&files)
        .versions([TlsVersion::Tls12])
        .build()
        .unwrap();
    let endpoint = tls.endpoint("localhost", address).unwrap();
    let talking = talk(&reactor, endpoint, &["hello", "and another one"]);
    server.wait_for(&reactor, "and another one");
    server.asks(&reactor, "r\n", "no_renegotiation");
    let ended = reactor.block_on(talking);
    assert!(ended.is_err(), "{ended:?}");
    let hellos = server.output().matches("ClientHello").count();
    assert_eq!(hellos, 1, "{}", server.output());
}
