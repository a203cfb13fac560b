//! `log_keys`: in a process of its own, because the environment names the file.

use std::path::Path;
use std::process::Command;

use reactor_tls::{TlsClient, TlsServer};
use tests::Directory;

use crate::certificates::Issuer;
use crate::handshakes::Sides;

/// Opens a connection, on which the sides that `role` names log their keys.
fn connect(role: &str) {
    let issuer = Issuer::new();
    let mut server = TlsServer::builder().identity(issuer.identity("localhost"));
    let mut client = TlsClient::builder().roots(issuer.roots());
    if role.contains("server") {
        server = server.log_keys();
    }
    if role.contains("client") {
        client = client.log_keys();
    }
    Sides::new(&client.build().unwrap(), &server.build().unwrap()).open();
}

/// What a process logs whose sides are `role`, in order.
fn logged(role: &str, directory: &Path) -> Option<Vec<String>> {
    let file = directory.join(role);
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "key_logging::keys_are_logged_by_the_side_that_is_asked_to",
        ])
        .env("KEY_LOG_ROLE", role)
        .env("SSLKEYLOGFILE", &file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = std::fs::read_to_string(file).ok()?;
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort();
    Some(lines)
}

#[test]
fn keys_are_logged_by_the_side_that_is_asked_to() {
    if let Ok(role) = std::env::var("KEY_LOG_ROLE") {
        return connect(&role);
    }
    let directory = Directory::new("tls-keys");
    assert_eq!(logged("neither", &directory), None);
    for role in ["server", "client"] {
        let lines = logged(role, &directory).expect("it logs");
        let mut labels: Vec<_> = lines
            .iter()
            .filter_map(|line| line.split(' ').next())
            .collect();
        labels.dedup();
        for label in ["CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"] {
            assert!(labels.contains(&label), "{role}: {labels:?}");
        }
    }
    // Both know the same keys.
    let lines = logged("server-and-client", &directory).expect("both log");
    for pair in lines.chunks(2) {
        assert_eq!(pair[0], pair[1]);
    }
}
