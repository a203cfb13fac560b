//! Python's `ssl`, as a client and as a server.

use std::process::Command;

use reactor::Reactor;
use reactor_tls::TlsVersion;
use tests::is_there;

use super::protocols::{Site, talk, trusting};
use super::support::{Files, Program};

fn python(script: &str) -> Command {
    let mut command = Command::new("python3");
    command.args(["-u", "-c", script]);
    command
}

/// Much data, session resumption, and a close_notify in each direction.
#[test]
fn python_talks_and_says_goodbye() {
    if !is_there("python3") {
        return;
    }
    let files = Files::new("python");
    let site = Site::plain(&files);
    for version in ["TLSv1_2", "TLSv1_3"] {
        let script = format!(
            r#"
import socket, ssl
context = ssl.create_default_context(cafile={ca:?})
context.minimum_version = context.maximum_version = ssl.TLSVersion.{version}
session = None
for is_resumed in (False, True):
    raw = socket.create_connection(("127.0.0.1", {port}))
    tls = context.wrap_socket(
        raw, server_hostname="localhost", session=session, suppress_ragged_eofs=False)
    lines = tls.makefile("rw", newline="\n")
    for number in range(2000):
        lines.write(f"{{number}} {{'x' * 100}}\r\n")
    lines.flush()
    for number in range(2000):
        assert lines.readline().startswith(f"{{number}} xxx")
    assert tls.session_reused == is_resumed
    session = tls.session
    lines.write("bye\r\n")
    lines.flush()
    assert lines.readline() == "goodbye\r\n"
    assert lines.read() == "", "errs if there is no close_notify"
    tls.unwrap()
print("both have said goodbye")
"#,
            ca = files.path("ca.pem"),
            port = site.port(),
        );
        let output = Program::start(&mut python(&script)).succeeds(&site.reactor);
        assert_eq!(output, "both have said goodbye\n");
        assert!(site.ends.next(&site.reactor).is_clean());
        assert!(site.ends.next(&site.reactor).is_clean());
    }
}

/// A server that answers two lines; with `unwrap`, it says goodbye, and else it just closes.
#[test]
fn python_answers() {
    if !is_there("python3") {
        return;
    }
    let files = Files::new("python-server");
    let reactor = Reactor::new().unwrap();
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        for says_goodbye in [true, false] {
            let script = format!(
                r#"
import socket, ssl
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile={ca:?})
context.load_cert_chain({certificate:?}, {key:?})
context.verify_mode = ssl.CERT_REQUIRED
listener = socket.socket(fileno=3)
raw, peer = listener.accept()
tls = context.wrap_socket(raw, server_side=True)
lines = tls.makefile("rw", newline="\n")
name = tls.getpeercert()["subjectAltName"][0][1]
for line in (lines.readline(), lines.readline()):
    lines.write(f"{{line.strip()}}, {{name}}\r\n")
    if not {all}:
        break
lines.flush()
if {all}:
    tls.unwrap()
"#,
                ca = files.path("ca.pem"),
                certificate = files.path("server.pem"),
                key = files.path("server.key"),
                all = if says_goodbye { "True" } else { "False" },
            );
            let (server, address) = Program::start_listening(python(&script));
            let tls = trusting(&files).versions([version]).build().unwrap();
            let endpoint = tls.endpoint("localhost", address).unwrap();
            let talked = talk(&reactor, endpoint, &["hello", "again"]);
            let talked = reactor.block_on(talked).unwrap();
            server.succeeds(&reactor);
            assert_eq!(talked.tls.version, version);
            if says_goodbye {
                assert_eq!(talked.received, "hello, client\nagain, client\n");
                assert!(talked.end.is_clean(), "{}", talked.end);
            } else {
                assert_eq!(talked.received, "hello, client\n");
                assert!(talked.end.is_lost(), "{}", talked.end);
            }
        }
    }
}
