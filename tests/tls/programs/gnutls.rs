//! `gnutls-cli` as a client.

use std::process::Command;

use tests::is_there;

use super::protocols::Site;
use super::support::{Files, Program};

fn gnutls(site: &Site, files: &Files, arguments: &[&str]) -> Program {
    let mut command = Command::new("gnutls-cli");
    command
        .args(["--x509cafile", &files.path("ca.pem")])
        .args([
            "--verify-hostname",
            "localhost",
            "--sni-hostname",
            "localhost",
        ])
        .args(["--port", &site.port(), "127.0.0.1"])
        .args(arguments);
    Program::start(&mut command)
}

#[test]
fn gnutls_talks_and_says_goodbye() {
    if !is_there("gnutls-cli") {
        return;
    }
    let files = Files::new("gnutls");
    let site = Site::plain(&files);
    for (priority, version) in [
        ("NORMAL:-VERS-ALL:+VERS-TLS1.3", "TLS1.3"),
        ("NORMAL:-VERS-ALL:+VERS-TLS1.2", "TLS1.2"),
    ] {
        let mut client = gnutls(&site, &files, &["--priority", priority]);
        client.wait_for(&site.reactor, "Handshake was completed");
        client.asks(&site.reactor, "hello\n", "hello from 127.0.0.1");
        client.asks(&site.reactor, "bye\n", "goodbye");
        let output = client.succeeds(&site.reactor);
        assert!(output.contains(version), "{output}");
        assert!(output.contains("The certificate is trusted"), "{output}");
        // It ended because of our close_notify: without one, it complains.
        assert!(
            output.contains("Peer has closed the GnuTLS connection"),
            "{output}"
        );
        assert!(site.ends.next(&site.reactor).is_clean());
    }
}

#[test]
fn gnutls_resumes() {
    if !is_there("gnutls-cli") {
        return;
    }
    let files = Files::new("gnutls-resume");
    let site = Site::plain(&files);
    for version in ["TLS1.3", "TLS1.2"] {
        let priority = format!("NORMAL:-VERS-ALL:+VERS-{version}");
        let mut client = gnutls(
            &site,
            &files,
            &["--priority", &priority, "--resume", "--waitresumption"],
        );
        client.wait_for(&site.reactor, "This is a resumed session");
        client.types("bye\n");
        client.succeeds(&site.reactor);
    }
}

/// Old versions and what is broken.
#[test]
fn gnutls_finds_nothing_weak() {
    if !is_there("gnutls-cli") {
        return;
    }
    let files = Files::new("gnutls-weak");
    let site = Site::plain(&files);
    for priority in [
        "NORMAL:-VERS-ALL:+VERS-TLS1.1",
        "NORMAL:-VERS-ALL:+VERS-TLS1.0",
        "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC:+AES-256-CBC",
        "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA",
    ] {
        let (status, output) = gnutls(&site, &files, &["--priority", priority]).end(&site.reactor);
        assert!(!status.success(), "{priority}: {output}");
        assert!(!output.contains("Handshake was completed"), "{output}");
    }
}

/// Its own client of SMTP, as far as the upgrade.
#[test]
fn gnutls_upgrades_by_starttls() {
    if !is_there("gnutls-cli") {
        return;
    }
    let files = Files::new("gnutls-smtp");
    let (reactor, server) = super::starttls::site(&files);
    let mut command = Command::new("gnutls-cli");
    command
        .args(["--x509cafile", &files.path("ca.pem"), "--crlf"])
        .args(["--verify-hostname", "localhost", "--starttls-proto", "smtp"])
        .args(["--port", &server.port().to_string(), "127.0.0.1"]);
    let mut client = Program::start(&mut command);
    client.wait_for(&reactor, "Handshake was completed");
    client.asks(&reactor, "NOOP\n", "250 NOOP encrypted");
    client.types("QUIT\n");
    client.succeeds(&reactor);
}
