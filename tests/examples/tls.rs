//! `tls_echo_server`, `tls_echo_client`, `starttls` and `mutual_tls`, with each other.

use std::fs;

use rustix::process::Signal;
use tests::Directory;

use crate::program::Program;
use crate::talk::Talk;

#[test]
fn an_encrypted_echo() {
    let directory = Directory::new("tls-echo");
    let certificate = directory.path("echo.pem");
    let (server, address) =
        Program::serve_with("tls_echo_server", &["--certificate", &certificate]);

    let trusting = ["--roots", &certificate];
    let client = Program::run(
        "tls_echo_client",
        &[&[&*address, "one", "two"], &trusting[..]].concat(),
    )
    .succeeded();
    assert!(
        client.lines[0].starts_with("Tls13 with TLS13_"),
        "{client:?}"
    );
    assert_eq!(client.lines[1..], ["server said: one", "server said: two"]);

    let untrusting = Program::run("tls_echo_client", &[&address]);
    assert!(untrusting.lines.is_empty(), "{untrusting:?}");
    untrusting.failed_over("none of the trusted roots");

    let other_name = ["--name", "example.org"];
    let misled = Program::run(
        "tls_echo_client",
        &[&[&*address], &trusting[..], &other_name].concat(),
    );
    assert!(misled.lines.is_empty(), "{misled:?}");
    misled.failed_over("not for example.org");

    server.send(Signal::TERM);
    server.end().succeeded();
}

#[test]
fn a_line_protocol_upgrades_to_tls() {
    let directory = Directory::new("starttls");
    let certificate = ["--certificate", &*directory.path("starttls.pem")];
    let (server, address) = Program::serve_with("starttls", &certificate);

    let args = [&["--to", &*address], &certificate[..]].concat();
    let client = Program::run("starttls", &args).succeeded();
    let expected = [
        "received in the clear: hello",
        "received READY",
        "received encrypted: a secret",
    ];
    assert_eq!(client.lines, expected);

    // A client that begins to talk in the clear where TLS is due is hung up on.
    let mut plain = Talk::to(&address);
    plain.says("STARTTLS");
    plain.hears("READY");
    plain.says("a secret");
    let rest = plain.rest_of_anything();
    assert!(!rest.windows(6).any(|bytes| bytes == b"secret"), "{rest:?}");

    server.send(Signal::TERM);
    server.end().succeeded();
}

#[test]
fn clients_are_known_by_their_certificates() {
    let (ours, others) = (Directory::new("mutual"), Directory::new("mutual-other"));
    let (server, address) =
        Program::serve_with("mutual_tls", &["--folder", &ours.path(""), "ann", "bob"]);
    let visit = |name: &str| {
        let args = ["--to", &*address, "--folder", &ours.path(""), name];
        Program::run("mutual_tls", &args)
    };
    for name in ["ann", "bob"] {
        let lines = visit(name).succeeded().lines;
        assert_eq!(lines, [format!("server said: hello, {name}")]);
    }

    // One of the same name, from another authority.
    let other_folder = others.path("");
    let (_other, _) = Program::serve_with("mutual_tls", &["--folder", &other_folder, "ann"]);
    fs::copy(others.path("ann.pem"), ours.path("mallory.pem")).expect("a file");
    let mallory = visit("mallory");
    assert!(mallory.lines.is_empty(), "{mallory:?}");
    mallory.failed_over("TLS with localhost: it has refused");

    server.send(Signal::TERM);
    server.end().succeeded();
}
